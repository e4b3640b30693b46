"""What each dialect can say, as hypothesis strategies: requests and answers that come back from its wire form as they were.

A dialect joins the contract suite (tests/contract/test_dialects.py) by an entry in `TONGUES`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from corral.dialects.form import (
    Answer,
    Audio,
    ChatEvent,
    ChatRequest,
    Choice,
    Document,
    Finished,
    Format,
    Image,
    Message,
    Part,
    Reasoning,
    ReasoningDelta,
    Refusal,
    RefusalDelta,
    StopReason,
    Text,
    TextDelta,
    Thinking,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolResult,
    Usage,
)
from corral.dialects.gathering import scatter

Strategy = st.SearchStrategy


@dataclass(frozen=True)
class Tongue:
    """One dialect's place in the suite.

    Attributes:
        name: of the dialect.
        requests: requests that `read_request(write_request(r))` gives back as they were.
        answers: answers that `read_answer(write_answer(a))` gives back as they were.
        told: the facts of an answer that the wire form carries, of id, model and created.
        side_by_side: whether pieces of several tool calls can be told in turns.
        calls_whole: whether a tool call is told in one event, so that a stream cannot be taken over within one.
    """

    name: str
    requests: Strategy[ChatRequest]
    answers: Strategy[Answer]
    told: tuple[str, ...] = ("id", "model", "created")
    side_by_side: bool = True
    calls_whole: bool = False


# Pieces that dialects share

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=24)
names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,12}", fullmatch=True)
ids = st.from_regex(r"[a-zA-Z0-9]{4,12}", fullmatch=True)
counts = st.integers(0, 2**31)
datas = st.binary(min_size=1, max_size=24).map(lambda data: base64.b64encode(data).decode())
urls = ids.map(lambda name: f"https://files.test/{name}")
marks = st.none() | st.just({"type": "ephemeral"})
images = st.builds(Image, media_type=st.sampled_from(["image/png", "image/webp"]), data=datas)
json_values: Strategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
objects: Strategy[dict[str, Any]] = st.dictionaries(names, json_values, max_size=3)
schemas = objects.map(lambda fields: {"type": "object", "properties": fields})


@st.composite
def arguments(draw: st.DrawFn) -> str:
    """The arguments of a call, as a model writes them: with its own white space."""
    return json.dumps(draw(objects), ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))


calls = st.builds(ToolCall, id=ids.map(lambda name: f"call_{name}"), name=names, arguments=arguments())
usages = st.builds(Usage, counts, counts, st.just(0))
full_usages = st.builds(Usage, counts, counts, counts, counts, counts)


def some(**fields: Strategy[Any]) -> Strategy[dict[str, Any]]:
    """A choice of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


def unique_calls(parts: Iterable[Part]) -> bool:
    """Whether no two calls have the same id."""
    known = [part.id for part in parts if isinstance(part, ToolCall)]
    return len(known) == len(set(known))


@st.composite
def conversations(
    draw: st.DrawFn,
    system: Strategy[tuple[Message, ...]],
    user: Strategy[tuple[Part, ...]],
    assistant: Strategy[tuple[Part, ...]],
    result: Strategy[tuple[Any, ...]],
) -> tuple[Message, ...]:
    """Turns of user and assistant; calls are answered at once, by a message each. It ends with the user, with the answers of
    tools, or with the beginning of an answer."""
    messages = list(draw(system))
    for _ in range(draw(st.integers(0, 2))):
        messages.append(Message("user", draw(user)))
        said = draw(assistant.filter(bool).filter(unique_calls))
        messages.append(Message("assistant", said))
        messages += [
            Message("tool", (ToolResult(part.id, draw(result)),)) for part in said if isinstance(part, ToolCall)
        ]
    if messages and messages[-1].role == "tool" and draw(st.booleans()):
        return tuple(messages)
    messages.append(Message("user", draw(user)))
    if draw(st.integers(0, 4)) == 0:
        messages.append(Message("assistant", (Text(draw(texts)),)))
    return tuple(messages)


@st.composite
def requests(
    draw: st.DrawFn,
    name: str,
    messages: Strategy[tuple[Message, ...]],
    fields: Strategy[dict[str, Any]],
    tools: Strategy[Tool],
    extras: Strategy[dict[str, Any]],
) -> ChatRequest:
    """A request of dialect `name`; a last message of the assistant is one to go on with."""
    said = draw(messages)
    more = draw(fields)
    offered = tuple(draw(st.lists(tools, max_size=2, unique_by=lambda tool: tool.name)))
    if offered:
        choice = st.none() | st.sampled_from([ToolChoice("auto"), ToolChoice("none"), ToolChoice("required")])
        more["tool_choice"] = draw(choice | st.just(ToolChoice("tool", offered[0].name)))
    last = said[-1]
    return ChatRequest(
        model=draw(names),
        messages=said,
        continues=last.role == "assistant",
        tools=offered,
        dialect=name,
        extras=draw(extras),
        **more,
    )


@st.composite
def answers(
    draw: st.DrawFn,
    parts: Strategy[tuple[Part, ...]],
    endings: Callable[[bool], Strategy[tuple[StopReason, str | None]]],
    usage: Strategy[Usage | None],
    choices: int = 1,
    logprobs: Strategy[Any] | None = None,
) -> Answer:
    """An answer; `endings` says how a choice can end, with and without calls."""
    found = []
    for _ in range(draw(st.integers(1, choices))):
        said = draw(parts.filter(unique_calls))
        reason, sequence = draw(endings(any(isinstance(part, ToolCall) for part in said)))
        told = draw(logprobs) if logprobs is not None and any(isinstance(part, Text) for part in said) else None
        found.append(Choice(said, reason, sequence, told))
    return Answer(tuple(found), draw(usage), draw(ids), draw(names), draw(st.integers(0, 2**31)))


@st.composite
def told_events(draw: st.DrawFn, answer: Answer, *, cut_calls: bool = True) -> list[ChatEvent]:
    """The events of `answer`, its texts cut anywhere."""
    events: list[ChatEvent] = []
    for event in scatter(answer):
        if isinstance(event, TextDelta):
            first, *rest = _cut(draw, event.text)
            events.append(TextDelta(first, event.choice, event.logprobs))
            events += [TextDelta(piece, event.choice) for piece in rest]
        elif isinstance(event, RefusalDelta):
            events += [RefusalDelta(piece, event.choice) for piece in _cut(draw, event.text)]
        elif isinstance(event, ReasoningDelta) and event.redacted is None:
            events += [ReasoningDelta(piece, event.choice) for piece in _cut(draw, event.text) if piece]
            if event.signature is not None:
                events.append(ReasoningDelta("", event.choice, event.signature))
        elif isinstance(event, ToolCallDelta) and cut_calls:
            first, *rest = _cut(draw, event.arguments)
            events.append(ToolCallDelta(event.index, first, event.id, event.name, event.choice, event.signature))
            events += [ToolCallDelta(event.index, piece, choice=event.choice) for piece in rest]
        else:
            events.append(event)
    return events


def _cut(draw: st.DrawFn, text: str) -> list[str]:
    places = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=2))) if len(text) > 1 else []
    edges = [0, *places, len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


@st.composite
def shuffled_events(draw: st.DrawFn, answer: Answer) -> list[ChatEvent]:
    """The events of `answer` in another order that a provider may send: choices, texts, calls and usage in turns, each in its
    own order, with the start first and the end of a choice after all its pieces."""
    lanes: dict[Any, list[ChatEvent]] = {}
    ends: dict[int, ChatEvent] = {}
    events = draw(told_events(answer))
    for event in events[1:]:
        if isinstance(event, Finished):
            ends[event.choice] = event
        elif isinstance(event, Usage):
            lanes["usage"] = [event]
        else:
            number = event.index if isinstance(event, ToolCallDelta) else -1
            lanes.setdefault((getattr(event, "choice", 0), number), []).append(event)
    out: list[ChatEvent] = [events[0]]
    while lanes:
        key = draw(st.sampled_from(sorted(lanes, key=str)))
        out.append(lanes[key].pop(0))
        if not lanes[key]:
            del lanes[key]
        for choice in list(ends):
            if not any(lane != "usage" and lane[0] == choice for lane in lanes):
                out.append(ends.pop(choice))
    return [*out, *ends.values()]


# OpenAI's two

_fractions = st.floats(0, 2, allow_subnormal=False)
_logprobs = st.none() | st.lists(
    st.fixed_dictionaries(
        {"token": texts, "logprob": st.floats(-20, 0), "bytes": st.none(), "top_logprobs": st.just([])}
    ),
    min_size=1,
    max_size=3,
).map(tuple)
_thoughts = st.builds(Reasoning, text=texts)
_proved = st.builds(Reasoning, text=texts, signature=ids) | st.builds(Reasoning, redacted=ids)
_formats = (
    st.sampled_from([Format("text"), Format("json")])
    | st.builds(
        Format, st.just("schema"), names, schemas, st.none() | st.booleans(), st.none() | texts
    )
)  # fmt: skip
_tools = st.builds(Tool, names, st.none() | texts, st.none() | schemas, st.none() | st.booleans())
_documents = st.builds(Document, name=names, media_type=st.just("application/pdf"), data=datas)
_kept_documents = st.builds(Document, name=st.none() | names, id=ids)


def _join(*lists: Strategy[list[Any]]) -> Strategy[tuple[Part, ...]]:
    return st.tuples(*lists).map(lambda found: tuple(part for parts in found for part in parts))


def _up_to(count: int, one: Strategy[Any]) -> Strategy[list[Any]]:
    return st.lists(one, max_size=count)


def _openai_endings(*, sequences: bool) -> Callable[[bool], Strategy[tuple[StopReason, str | None]]]:
    def endings(called: bool) -> Strategy[tuple[StopReason, str | None]]:
        plain: Strategy[tuple[StopReason, str | None]]
        plain = st.sampled_from(
            [("tool_calls" if called else "stop", None), ("length", None), ("content_filter", None)]
        )
        if not sequences or called:
            return plain
        return plain | texts.map(lambda text: ("stop_sequence", text))

    return endings


_chat_user = st.lists(
    st.builds(Text, texts, marks)
    | images
    | st.builds(Image, url=urls, detail=st.none() | st.sampled_from(["low", "high"]), cache=marks)
    | _documents
    | _kept_documents
    | st.builds(Audio, st.sampled_from(["wav", "mp3"]), datas),
    min_size=1,
    max_size=3,
).map(tuple)
_details = st.builds(Reasoning, texts, ids, st.none(), st.none() | ids) | st.builds(
    Reasoning, redacted=ids, id=st.none() | ids
)
_chat_reasoning = _up_to(1, _thoughts) | _up_to(2, _details)
_chat_calls = st.builds(
    ToolCall, ids.map(lambda name: f"call_{name}"), names, arguments(), st.none() | ids
)  # fmt: skip
_chat_assistant = _join(
    _chat_reasoning, _up_to(2, st.builds(Text, texts)), _up_to(1, st.builds(Refusal, texts)), _up_to(2, _chat_calls)
)
_chat_system = st.lists(
    st.builds(Message, st.sampled_from(["system", "developer"]), _up_to(2, st.builds(Text, texts, marks)).map(tuple)),
    max_size=2,
).map(tuple)
_results = _up_to(2, st.builds(Text, texts)).map(tuple)
_stream = st.sampled_from([{}, {"stream": True}, {"stream": True, "include_usage": True}])
_amounts = {
    "max_tokens": st.integers(0, 10**6),
    "temperature": _fractions,
    "top_p": _fractions,
    "top_logprobs": st.integers(0, 20),
    "user": texts,
    "metadata": st.dictionaries(names, texts, max_size=2),
}
_chat_fields = st.tuples(
    _stream,
    some(
        **_amounts,
        format=_formats,
        thinking=st.builds(Thinking, effort=st.sampled_from(["none", "minimal", "low", "medium", "high"])),
        top_k=st.integers(0, 100),
        min_p=_fractions,
        repeat_penalty=_fractions,
        seed=st.integers(-(2**63), 2**63 - 1),
        presence_penalty=st.floats(-2, 2),
        frequency_penalty=st.floats(-2, 2),
        stop=st.lists(texts, max_size=4).map(tuple),
        choices=st.integers(1, 8),
        logprobs=st.booleans(),
        logit_bias=st.dictionaries(
            counts.map(str), st.integers(-100, 100).map(float) | st.floats(-100, 100), max_size=2
        ),
    ),
).map(lambda found: {**found[0], **found[1]})
_web_search = {"type": "web_search", "filters": None}
_chat_extras = some(
    store=st.none() | st.booleans(),
    prompt_cache_key=texts,
    service_tier=st.none(),
    prediction=objects,
    tools=st.just([_web_search]),
)

_responses_user = st.lists(
    st.builds(Text, texts)
    | images
    | st.builds(Image, url=urls, detail=st.none() | st.sampled_from(["low", "high"]))
    | st.builds(Image, id=ids)
    | _documents
    | _kept_documents
    | st.builds(Document, name=st.none() | names, url=urls)
    | st.builds(Audio, st.sampled_from(["wav", "mp3"]), datas),
    min_size=1,
    max_size=3,
).map(tuple)
_own = st.just("") | ids
_responses_reasoning = (
    st.builds(Reasoning, texts, id=st.none() | ids)
    | st.builds(Reasoning, texts, ids, st.none(), _own)
    | st.builds(Reasoning, redacted=ids, id=_own)
)
_responses_assistant = st.lists(
    _responses_reasoning | st.builds(Text, texts) | st.builds(Refusal, texts) | calls, max_size=4
).map(tuple)
_responses_results = st.lists(st.builds(Text, texts) | images | _documents, max_size=2).map(tuple)
_responses_fields = st.tuples(
    st.sampled_from([{"include_usage": True}, {"include_usage": True, "stream": True}]),
    some(
        **_amounts,
        format=_formats,
        parallel_tools=st.booleans(),
        thinking=st.builds(Thinking, effort=st.sampled_from(["low", "high"]), summary=st.none() | st.just("auto")),
    ),
).map(lambda found: {**found[0], **found[1]})
_responses_parts = st.lists(
    _thoughts | _proved | st.builds(Text, texts) | st.builds(Refusal, texts) | calls | images, max_size=5
).map(tuple)

CHAT = Tongue(
    "openai_chat",
    requests(
        "openai_chat",
        conversations(_chat_system, _chat_user, _chat_assistant, _results),
        _chat_fields,
        st.builds(Tool, names, st.none() | texts, st.none() | schemas, st.none() | st.booleans()),
        _chat_extras,
    ),
    answers(
        _join(
            _up_to(1, _thoughts) | _up_to(2, _proved),
            _up_to(1, st.builds(Text, texts)),
            _up_to(1, st.builds(Refusal, texts)),
            _up_to(1, images),
            _up_to(3, _chat_calls),
        ),
        _openai_endings(sequences=True),
        st.none() | full_usages,
        3,
        _logprobs,
    ),
)
RESPONSES = Tongue(
    "openai_responses",
    requests(
        "openai_responses",
        conversations(
            _up_to(1, st.builds(Message, st.just("system"), st.builds(Text, texts).map(lambda text: (text,)))).map(
                tuple
            ),
            _responses_user,
            _responses_assistant,
            _responses_results,
        ),
        _responses_fields,
        _tools,
        some(
            store=st.none() | st.booleans(),
            truncation=st.just("auto"),
            tools=st.just([_web_search]),
            text=st.just({"verbosity": "low"}),
        ),
    ),
    answers(_responses_parts, _openai_endings(sequences=False), st.none() | full_usages, 1, _logprobs),
)

TONGUES: dict[str, Tongue] = {tongue.name: tongue for tongue in (CHAT, RESPONSES)}
