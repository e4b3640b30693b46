"""An answer is cut at any place, and the client reads the same as if it had not been: every dialect, text, thinking, tools, JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corral.dialects.form import (
    ChatEvent,
    ChatRequest,
    Finished,
    ReasoningDelta,
    Started,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    text_of,
)
from corral.dialects.gathering import gather
from corral.inference.continuing.joining import Joined
from corral.kit.errors import UpstreamFailed
from tests.support.inference import Written, gateway, read, route

WORDS = [
    "The",
    "corral",
    "was",
    "built",
    "of",
    "grey",
    "wood,",
    "and",
    "behind",
    "it",
    "Grüße",
    "🐴",
    "twelve",
    "llamas",
    "ate",
    '"hay"',
    "—",
    "{braces},",
    "\\",
    "and",
    "all.",
]
STORY = " ".join(WORDS)
DIALECTS = ["openai_chat", "anthropic", "openai_responses", "ollama_chat"]
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def pieces(text: str) -> list[str]:
    words = text.split(" ")
    return [word if number == 0 else " " + word for number, word in enumerate(words) if word or number]


def story(request: ChatRequest, number: int) -> list[ChatEvent]:
    """Tells STORY, or goes on with it: exactly behind a prefill; asked in words it repeats three words first."""
    text, last = STORY, request.messages[-1]
    if request.continues:
        text = STORY.removeprefix(text_of(last))
        assert len(text) < len(STORY), "the prefill is the beginning of the story"
    elif len(request.messages) > 1:
        begun = text_of(request.messages[-2])
        assert STORY.startswith(begun)
        tail = begun.rsplit(" ", 3)
        text = STORY[len(begun) - sum(len(word) + 1 for word in tail[1:]) + 1 :] if len(tail) == 4 else STORY
    return [
        Started("gen-1", "their-model", 1000),
        *(TextDelta(piece) for piece in pieces(text)),
        Finished("stop"),
        Usage(10, len(pieces(text))),
    ]


def length_of(dialect: str) -> int:
    return {"openai_chat": 5000, "anthropic": 4500, "openai_responses": 9000, "ollama_chat": 4000}[dialect]


@pytest.mark.parametrize("prefills", [True, False])
@pytest.mark.parametrize("asker", DIALECTS)
@pytest.mark.parametrize("speaker", ["openai_chat", "anthropic"])
async def test_text_cut_anywhere_reads_the_same(tmp_path: Path, speaker: str, asker: str, prefills: bool) -> None:
    step = 211
    for cut in range(0, length_of(speaker), step):
        first = Written(story, speaker, cuts=[cut], prefills=prefills, chunk=97)
        second = Written(story, speaker, prefills=prefills)
        await _same(tmp_path, first, second, asker)


async def _same(folder: Path, first: Written, second: Written, asker: str, **body: Any) -> None:
    async with gateway(folder, {"one": first, "two": second}, route("r", ("one", "a"), ("two", "b"))) as gate:
        stream = b"".join(await gate.pieces("r", asker, **body))
        answer = gather(read(asker, stream))
        [choice] = answer.choices
        assert "".join(part.text for part in choice.parts if isinstance(part, Text)) == STORY
        assert choice.reason == "stop"
        record = gate.recorder.last
        assert record.outcome == "completed"
        if len(record.attempts) > 1:
            assert record.attempts[0].outcome == "failed"


@SLOW
@given(data=st.data())
async def test_two_cuts_in_one_answer(tmp_path: Path, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(200, 2500), min_size=1, max_size=2))
    one = Written(story, cuts=cuts, prefills=True, chunk=data.draw(st.integers(1, 400)))
    two = Written(story, cuts=cuts[1:], prefills=True)
    async with gateway(tmp_path, {"one": one, "two": two}, route("r", ("one", "a"), ("two", "b"), attempts=8)) as gate:
        assert await gate.text("r") == STORY


@given(st.text("ab \n", max_size=40), st.integers(0, 40), st.integers(1, 7))
def test_a_repetition_of_whole_words_or_all_of_it_is_left_out(noise: str, begin: int, size: int) -> None:
    words = [f"w{number}" for number in range(12)] + [noise.strip() or "x"]
    whole = " ".join(words)
    for place in range(1, len(words)):
        sent = " ".join(words[:place])
        for repeated in {0, max(0, place - 1 - begin % 5)}:
            text = " ".join(words[repeated:])
            joined = Joined(sent)
            told = "".join(joined.add(text[at : at + size]) for at in range(0, len(text), size)) + joined.end()
            assert sent + told == whole


def test_only_saying_again_what_was_there_is_no_continuation() -> None:
    joined = Joined("one two three four")
    assert joined.add("one two") == ""
    with pytest.raises(UpstreamFailed):
        joined.end()
    ended = Joined("one two three four")
    assert ended.add("three four") + ended.end() == ""


def thoughtful(request: ChatRequest, number: int) -> list[ChatEvent]:
    thought = [ReasoningDelta(piece) for piece in pieces("First I think about wood, then about llamas and about hay.")]
    told = story(request, number)
    return [told[0], *thought, *told[1:]] if not request.continues else told


async def test_thinking_is_never_told_twice_and_never_sent_on_as_text(tmp_path: Path) -> None:
    for cut in range(150, 2600, 130):
        one, two = Written(thoughtful, cuts=[cut]), Written(thoughtful)
        async with gateway(tmp_path, {"one": one, "two": two}, route("r", ("one", "a"), ("two", "b"))) as gate:
            events = read("openai_chat", b"".join(await gate.pieces("r")))
            thought = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
            text = "".join(event.text for event in events if isinstance(event, TextDelta))
            assert text == STORY
            assert thought == "First I think about wood, then about llamas and about hay."
            for request in two.requests:
                assert "First I think" not in "".join(text_of(message) for message in request.messages)


SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "maximum": 9}, "note": {"type": "string"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
ARGUMENTS = '{"city": "Köln \\"Süd\\"", "days": 3, "note": "a, b"}'


OTHER = {"city": "Rom", "days": 1}


def calling(arguments: str) -> Any:
    def answer(request: ChatRequest, number: int) -> list[ChatEvent]:
        return [
            Started("gen-1", "their-model", 1000),
            TextDelta("Let me look."),
            ToolCallDelta(0, "", "call_1", "weather"),
            *(ToolCallDelta(0, arguments[at : at + 4]) for at in range(0, len(arguments), 4)),
            Finished("tool_calls"),
        ]

    return answer


def remaining(request: ChatRequest, number: int) -> list[ChatEvent]:
    """Calls the tool otherwise when it is asked to call again; asked for the rest, it gives it."""
    if request.tools:
        return list(calling(json.dumps(OTHER))(request, number))
    asked = text_of(request.messages[-1])
    begun = asked.split("characters:\n", 1)[1].split("\nWrite the", 1)[0]
    assert ARGUMENTS.startswith(begun)
    return [Started("gen-2"), TextDelta(ARGUMENTS[len(begun) :]), Finished("stop")]


@pytest.mark.parametrize("asker", DIALECTS[:3])
@pytest.mark.parametrize("second", ["the same", "other spaces", "the rest"])
async def test_a_tool_call_cut_anywhere_stays_valid(tmp_path: Path, asker: str, second: str) -> None:
    again = {
        "the same": calling(ARGUMENTS),
        "other spaces": calling(json.dumps(json.loads(ARGUMENTS), ensure_ascii=False, separators=(",", ":"))),
        "the rest": remaining,
    }[second]
    tools: Any = TOOLS
    if asker == "anthropic":
        tools = [{"name": "weather", "input_schema": SCHEMA}]
    elif asker == "openai_responses":
        tools = [{"type": "function", "name": "weather", "parameters": SCHEMA}]
    for cut in range(200, 3200, 110):
        one, two = Written(calling(ARGUMENTS), cuts=[cut], chunk=61), Written(again)
        async with gateway(
            tmp_path, {"one": one, "two": two}, route("r", ("one", "a"), ("two", "b"), attempts=6)
        ) as gate:
            answer = gather(read(asker, b"".join(await gate.pieces("r", asker, tools=tools))))
            [choice] = answer.choices
            calls = [part for part in choice.parts if isinstance(part, ToolCall)]
            # Where so little was sent that another call begins alike, that one is as good.
            assert [json.loads(call.arguments) for call in calls] in ([json.loads(ARGUMENTS)], [OTHER]), cut
            if second != "the rest" or b"K" in b"".join(call.arguments.encode() for call in calls):
                assert json.loads(calls[0].arguments) == json.loads(ARGUMENTS)
            assert choice.reason == "tool_calls"
            assert len(calls) == 1


async def test_a_tool_call_that_nobody_can_go_on_with_ends_in_an_error(tmp_path: Path) -> None:
    def nonsense(request: ChatRequest, number: int) -> list[ChatEvent]:
        return [Started("gen-3"), TextDelta("I would rather write a poem."), Finished("stop")]

    whole = Written(calling(ARGUMENTS))
    async with gateway(tmp_path, {"one": whole}, route("r", ("one", "a"))) as gate:
        stream = b"".join(await gate.pieces("r", tools=TOOLS))
    place = stream.index(b'"arguments"', len(stream) // 2)
    one, two = Written(calling(ARGUMENTS), cuts=[place] * 9), Written(nonsense)
    async with gateway(tmp_path, {"one": one, "two": two}, route("r", ("one", "a"), ("two", "b"), attempts=6)) as gate:
        stream = b"".join(await gate.pieces("r", tools=TOOLS))
        assert b"[DONE]" not in stream
        assert b"poem" not in stream
        assert json.loads(stream.split(b"\n\n")[-2].removeprefix(b"data: "))["error"]["code"]
        assert gate.recorder.last.outcome == "failed"
        assert len(gate.recorder.last.attempts) <= 6


async def test_json_by_schema_cut_anywhere_validates(tmp_path: Path) -> None:
    value = {"city": "Köln", "days": 4, "note": "x" * 40}
    text = json.dumps(value, ensure_ascii=False)

    def answer(request: ChatRequest, number: int) -> list[ChatEvent]:
        told = text
        if request.continues:
            assert request.format is None, "a grammar would begin anew"
            told = text.removeprefix(text_of(request.messages[-1]))
        chunks = (told[at : at + 5] for at in range(0, len(told), 5))
        return [Started("gen-1"), *(TextDelta(chunk) for chunk in chunks), Finished("stop")]

    wanted = {"type": "json_schema", "json_schema": {"name": "trip", "schema": SCHEMA}}
    for prefills in (True, False):
        for cut in range(200, 3000, 170):
            one, two = Written(answer, cuts=[cut], prefills=prefills), Written(answer, prefills=prefills)
            async with gateway(tmp_path, {"one": one, "two": two}, route("r", ("one", "a"), ("two", "b"))) as gate:
                assert json.loads(await gate.text("r", response_format=wanted)) == value


async def test_cut_behind_the_end_needs_nobody(tmp_path: Path) -> None:
    whole = Written(story)
    async with gateway(tmp_path, {"one": whole}, route("r", ("one", "a"))) as gate:
        stream = b"".join(await gate.pieces("r"))
    # Behind the finish reason, before usage and [DONE].
    place = stream.index(b'"finish_reason":"stop"')
    cut = stream.index(b"\n\n", place) + 2
    one, two = Written(story, cuts=[cut]), Written(story)
    async with gateway(tmp_path, {"one": one, "two": two}, route("r", ("one", "a"), ("two", "b"))) as gate:
        assert await gate.text("r") == STORY
        assert not two.requests
        assert [attempt.kind for attempt in gate.recorder.last.attempts] == ["first", "completion"]


async def test_usage_is_the_sum_of_all_attempts(tmp_path: Path) -> None:
    one, two = Written(story, cuts=[1500]), Written(story)
    async with gateway(tmp_path, {"one": one, "two": two}, route("r", ("one", "a"), ("two", "b"))) as gate:
        events = read("openai_chat", b"".join(await gate.pieces("r", stream_options={"include_usage": True})))
        told = [event for event in events if isinstance(event, Usage)][-1]
        first, second = gate.recorder.last.attempts
        assert first.usage is not None
        assert second.usage is not None
        assert first.estimated
        assert told == gate.recorder.last.usage
        assert told.completion_tokens == first.usage.completion_tokens + second.usage.completion_tokens
        assert abs(told.completion_tokens - len(pieces(STORY))) <= 2, "each token counted once"


async def test_what_is_left_of_max_tokens_is_all_that_may_come(tmp_path: Path) -> None:
    one, two = Written(story, cuts=[1500]), Written(story)
    async with gateway(tmp_path, {"one": one, "two": two}, route("r", ("one", "a"), ("two", "b"))) as gate:
        await gate.text("r", max_tokens=50)
        [request] = two.requests
        said = len(pieces(text_of(request.messages[-1])))
        assert request.max_tokens is not None
        assert abs(request.max_tokens - (50 - said)) <= 2


async def test_several_choices_are_not_gone_on_with(tmp_path: Path) -> None:
    one, two = Written(story, cuts=[1500]), Written(story)
    async with gateway(tmp_path, {"one": one, "two": two}, route("r", ("one", "a"), ("two", "b"))) as gate:
        stream = b"".join(await gate.pieces("r", n=2))
        assert b"[DONE]" not in stream
        assert b'"error"' in stream
        assert not two.requests


async def test_an_agent_of_ours_reads_the_same(tmp_path: Path) -> None:
    from corral.dialects.form import text_message

    request = ChatRequest("r", (text_message("user", "Tell me a story."),), stream=True)
    for speaker in ("openai_chat", "anthropic"):
        for cut in range(0, length_of(speaker), 307):
            one, two = Written(story, speaker, cuts=[cut]), Written(story, speaker)
            async with gateway(tmp_path, {"one": one, "two": two}, route("r", ("one", "a"), ("two", "b"))) as gate:
                answer = gather(await gate.events(request))
                assert answer.choices[0].parts == (Text(STORY),)
