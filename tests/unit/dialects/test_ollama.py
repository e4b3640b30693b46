"""Ollama's chat and generate: what the API's own rules ask for, beside the suite that all dialects pass."""

from __future__ import annotations

import json
from typing import Any

import pytest

from corral.dialects.form import (
    Answer,
    Audio,
    ChatRequest,
    Choice,
    Document,
    Finished,
    Image,
    ImageDelta,
    Message,
    Reasoning,
    Started,
    Text,
    TextDelta,
    Thinking,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolResult,
    Usage,
    text_message,
)
from corral.dialects.gathering import gather
from corral.dialects.gemini import DIALECT as GEMINI
from corral.dialects.ollama import CHAT, GENERATE, streams
from corral.dialects.ports import About
from corral.kit.errors import (
    ContextExceeded,
    CorralError,
    InvalidRequest,
    ModelNotFound,
    UpstreamFailed,
    UpstreamOverloaded,
)

HI = (text_message("user", "hi"),)
ABOUT = About("x", "llama", 1763726400, ChatRequest("llama", HI))


def request(**fields: Any) -> bytes:
    return json.dumps({"model": "llama", "messages": [{"role": "user", "content": "hi"}], **fields}).encode()


def written(asked: ChatRequest) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(CHAT.write_request(asked, "llama").body)
    return body


def lines(stream: bytes) -> list[dict[str, Any]]:
    assert stream.endswith(b"\n")
    return [json.loads(line) for line in stream.splitlines()]


def test_a_request_streams_unless_told_otherwise() -> None:
    assert CHAT.read_request(request()).stream
    assert not CHAT.read_request(request(stream=False)).stream
    assert written(ChatRequest("x", HI))["stream"] is False


def test_what_would_load_the_model_anew_goes_to_an_ollama_only() -> None:
    asked = CHAT.read_request(
        request(options={"num_ctx": 9000, "num_predict": -1, "temperature": 0, "stop": "x"}, keep_alive=0)
    )
    assert (asked.max_tokens, asked.temperature, asked.stop) == (None, 0, ("x",))
    assert asked.extras == {"keep_alive": 0, "options": {"num_ctx": 9000}}
    assert written(asked)["options"] == {"num_ctx": 9000, "temperature": 0, "stop": ["x"]}


def test_pitfall_39_ollama_may_not_cut_an_over_long_prompt_in_silence() -> None:
    body = written(ChatRequest("x", HI, dialect="openai_chat"))
    assert body["truncate"] is False
    assert body["shift"] is False
    assert "truncate" not in written(CHAT.read_request(request()))


def test_answers_of_tools_find_their_calls_by_name_and_by_order() -> None:
    messages = [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "tool_calls": [
                {"function": {"name": name, "arguments": {"n": n}}} for n, name in enumerate(("a", "b", "a"))
            ],
        },
        {"role": "tool", "tool_name": "b", "content": "of b"},
        {"role": "tool", "content": "of the first a"},
        {"role": "tool", "tool_name": "a", "content": "of the second a"},
        {"role": "tool", "tool_name": "c", "content": "of nobody"},
    ]
    found = CHAT.read_request(request(messages=messages)).messages
    calls = [part for part in found[1].parts if isinstance(part, ToolCall)]
    results = {part.call_id: part.parts for message in found for part in message.parts if isinstance(part, ToolResult)}
    assert [results[call.id] for call in calls] == [
        (Text("of the first a"),),
        (Text("of b"),),
        (Text("of the second a"),),
    ]
    assert results["c"] == (Text("of nobody"),)


def test_a_model_is_loaded_by_a_request_without_a_prompt() -> None:
    assert CHAT.read_request(b'{"model":"m"}').messages == ()
    assert GENERATE.read_request(b'{"model":"m","prompt":"","system":"s"}').messages == ()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"format": "yaml"}, "format"),
        ({"options": {"top_k": "many"}}, "options.top_k"),
        ({"tools": [{"type": "function"}]}, "tools[0].function.name"),
        ({"think": 3}, "think"),
    ],
)
def test_the_field_at_fault_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CHAT.read_request(request(**fields))
    assert caught.value.param == param


@pytest.mark.parametrize("name", ["suffix", "raw", "template"])
def test_generate_does_not_go_round_the_template(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        GENERATE.read_request(json.dumps({"model": "m", "prompt": "p", name: "x"}).encode())
    assert caught.value.param == name
    assert GENERATE.read_request(json.dumps({"model": "m", "prompt": "p", name: None}).encode()).extras == {name: None}


def test_generate_takes_one_prompt_only() -> None:
    body = json.loads(GENERATE.write_request(ChatRequest("x", (text_message("system", "s"), *HI)), "m").body)
    assert (body["system"], body["prompt"]) == ("s", "hi")
    for asked in (ChatRequest("x", (*HI, *HI)), ChatRequest("x", HI, tools=(Tool("f"),))):
        with pytest.raises(InvalidRequest):
            GENERATE.write_request(asked, "m")


def test_a_request_of_another_dialect() -> None:
    asked = ChatRequest(
        "x",
        (
            text_message("developer", "be"),
            Message(
                "user",
                (Text("a"), Document("n.txt", text="words"), Image("image/png", "iVBO", detail="low")),
                name="ana",
            ),
            Message("assistant", (Reasoning("hm", "sig"), ToolCall("c1", "f", '{"a":'))),
            Message("tool", (ToolResult("c1", (Text("no"),), failed=True),)),
        ),
        tools=(Tool("f"),),
        tool_choice=ToolChoice("required"),
        thinking=Thinking(effort="minimal"),
        logit_bias={"1": 2.0},
        dialect="openai_chat",
    )
    result = CHAT.write_request(asked, "m")
    body = json.loads(result.body)
    assert body["messages"] == [
        {"role": "system", "content": "be"},
        {"role": "user", "content": "a\nn.txt:\nwords", "images": ["iVBO"]},
        {
            "role": "assistant",
            "thinking": "hm",
            "content": "",
            "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": {"INVALID_JSON": '{"a":'}}}],
        },
        {"role": "tool", "content": "no", "tool_call_id": "c1", "tool_name": "f"},
    ]
    assert body["think"] == "low"
    assert set(result.dropped) == {
        "logit_bias", "messages.name", "messages.detail", "messages.reasoning", "messages.failed", "tool_choice",
    }  # fmt: skip


def test_tools_that_may_not_be_used_are_not_offered() -> None:
    assert "tools" not in written(ChatRequest("x", HI, tools=(Tool("f"),), tool_choice=ToolChoice("none")))


@pytest.mark.parametrize(
    "part", [Audio("wav", "AA=="), Image(url="https://x.test/a.png"), Document(url="https://x.test/a")]
)
def test_what_cannot_be_said_is_refused(part: Any) -> None:
    with pytest.raises(InvalidRequest):
        CHAT.write_request(ChatRequest("x", (Message("user", (part,)),)), "m")
    with pytest.raises(InvalidRequest):
        CHAT.write_request(ChatRequest("x", HI, choices=2), "m")


# Answers


def test_a_stream_as_ollama_sends_it() -> None:
    stream = (
        b'{"model":"llama","created_at":"2025-11-21T12:00:00.123456789Z","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}\n'
        b'{"model":"llama","created_at":"2025-11-21T12:00:00.2Z","message":{"role":"assistant","content":"Hi"},"done":false}\r\n\n'
        b'{"model":"llama","created_at":"2025-11-21T12:00:00.3Z","message":{"role":"assistant","content":"","tool_calls":'
        b'[{"function":{"name":"f","arguments":{"a":1}}},{"function":{"name":"f","arguments":{"a":1}}}]},"done":false}\n'
        b'{"model":"llama","created_at":"2025-11-21T12:00:00.4Z","message":{"role":"assistant","content":""},"done":true,'
        b'"done_reason":"stop","total_duration":9,"prompt_eval_count":3,"eval_count":4}'
    )
    reader = CHAT.reader()
    events = [event for place in range(len(stream)) for event in reader.feed(stream[place : place + 1])]
    answer = gather(events + reader.end())
    assert events[0] == Started("", "llama", 1763726400)
    thought, text, first, second = answer.choices[0].parts
    assert (thought, text) == (Reasoning("hm"), Text("Hi"))
    assert isinstance(first, ToolCall)
    assert isinstance(second, ToolCall)
    assert first.id != second.id
    assert answer.choices[0].reason == "tool_calls"
    assert answer.usage == Usage(3, 4)


def test_durations_are_told_in_nanoseconds() -> None:
    now = [0.0]
    writer = CHAT.writer(ABOUT._replace(elapsed=lambda: now[0]))
    now[0] = 0.5
    writer.write(TextDelta("a"))
    now[0] = 2.0
    writer.write(Finished("length"))
    writer.write(Usage(7, 9))
    last = lines(writer.end())[-1]
    assert last["done_reason"] == "length"
    assert (last["total_duration"], last["prompt_eval_duration"], last["eval_duration"]) == (
        2 * 10**9,
        5 * 10**8,
        15 * 10**8,
    )
    assert (last["prompt_eval_count"], last["eval_count"]) == (7, 9)
    assert last["created_at"] == "2025-11-21T12:00:00Z"


def test_lines_of_generate() -> None:
    writer = GENERATE.writer(ABOUT)
    stream = (
        writer.write(TextDelta("a"))
        + writer.write(ImageDelta(Image("image/png", "iVBORw==")))
        + writer.write(Finished("stop"))
    )
    told = lines(stream + writer.end())
    assert [line["response"] for line in told] == ["a", "", ""]
    assert told[1]["image"] == "iVBORw=="
    assert [line["done"] for line in told] == [False, False, True]
    with pytest.raises(UpstreamFailed):
        writer.write(ToolCallDelta(0, "{}", "c", "f"))


def test_a_failure_in_mid_stream_is_a_line_and_a_broken_model_does_not_look_finished() -> None:
    writer = CHAT.writer(ABOUT)
    assert lines(writer.fail(UpstreamFailed("broken"))) == [{"error": "broken"}]
    assert "error" in lines(writer.write(Finished("error")))[0]
    reader = CHAT.reader()
    with pytest.raises(UpstreamFailed, match="broken"):
        reader.feed(b'{"error":"broken"}\n')
    with pytest.raises(UpstreamFailed):
        CHAT.write_answer(Answer((Choice((), "error"),)), ABOUT)


def test_a_call_with_line_breaks_is_told_on_one_line() -> None:
    arguments = '{\n "a":\r\n "b\\n"}'
    for dialect, place in ((CHAT, "message"), (GEMINI, "candidates")):
        writer = dialect.writer(ABOUT)
        stream = writer.write(ToolCallDelta(0, arguments, "c", "f"))
        assert stream.strip().count(b"\n") == 0
        told = json.loads(stream.removeprefix(b"data: "))
        assert place in told
        reader = dialect.reader()
        (call,) = gather([event for event in reader.feed(stream) if isinstance(event, ToolCallDelta)]).choices[0].parts
        assert isinstance(call, ToolCall)
        assert json.loads(call.arguments) == {"a": "b\n"}


def test_an_endless_line_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_LINE", 100)
    with pytest.raises(UpstreamFailed, match="endless"):
        CHAT.reader().feed(b"x" * 101)
    reader = CHAT.reader()
    reader.feed(b'{"done":true}\n')
    assert reader.feed(b"x" * 101) == []


@pytest.mark.parametrize("body", [b"", b"{}", b'{"message":{"content":"a"}}', b'{"done":1}', b"[]"])
def test_an_answer_without_an_end_is_a_failure(body: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        CHAT.read_answer(body)


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (404, "model 'x' not found", ModelNotFound),
        (500, "model 'x' not found, try pulling it first", ModelNotFound),
        (503, "server busy, please try again.  maximum pending requests exceeded", UpstreamOverloaded),
        (500, "server busy, please try again.", UpstreamOverloaded),
        (400, "the input length exceeds the context length", ContextExceeded),
        (500, "model requires more system memory (9 GiB) than is available", UpstreamFailed),
        (400, "invalid options: what", InvalidRequest),
    ],
)
def test_errors_of_the_api(status: int, message: str, expected: type[CorralError]) -> None:
    error = CHAT.read_error(status, {}, json.dumps({"error": message}).encode())
    assert type(error) is expected


def test_an_over_long_prompt_keeps_both_numbers_from_one_corral_to_another() -> None:
    first = ContextExceeded(
        "The prompt has 9000 tokens and the model's context holds 4096. Shorten it.",
        details={"n_prompt_tokens": 9000, "n_ctx": 4096},
    )
    error = CHAT.read_error(400, {}, CHAT.write_error(first))
    assert type(error) is ContextExceeded
    assert error.details == first.details
