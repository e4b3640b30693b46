"""Answers, streams and errors of Anthropic's messages, beside the suite that all dialects pass."""

from __future__ import annotations

import json
from typing import Any

import pytest

from corral.dialects.anthropic import (
    DIALECT,
)
from corral.dialects.form import (
    Answer,
    ChatEvent,
    ChatRequest,
    Choice,
    Finished,
    Reasoning,
    ReasoningDelta,
    Started,
    StopReason,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    text_message,
)
from corral.dialects.gathering import gather
from corral.dialects.ports import About
from corral.kit.errors import (
    ContextExceeded,
    CorralError,
    InvalidRequest,
    ModelNotFound,
    ProviderRefused,
    QuotaExhausted,
    RateLimited,
    UpstreamFailed,
    UpstreamOverloaded,
    UpstreamTimeout,
)

HI = (text_message("user", "hi"),)
ABOUT = About("msg_1", "claude", 0, ChatRequest("claude", HI))


def told(stream: bytes) -> list[dict[str, Any]]:
    """The data of the events of a stream, whose names must be their types."""
    found = []
    for block in stream.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


def check_grammar(stream: bytes) -> None:
    """The order that the API promises: a start, blocks that open once in order and close once, a reason, a stop."""
    events = told(stream)
    assert events[0]["type"] == "message_start"
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    opened: set[int] = set()
    closed: set[int] = set()
    for event in events[1:-2]:
        index = event["index"]
        if event["type"] == "content_block_start":
            assert index == len(opened)
            opened.add(index)
        else:
            assert index in opened
            assert index not in closed
            if event["type"] == "content_block_stop":
                closed.add(index)
    assert opened == closed


# Answers


def test_a_whole_answer_there_and_back() -> None:
    parts = (Reasoning("hm", "sig"), Reasoning(redacted="x"), Text("hello"), ToolCall("toolu_1", "f", '{"a":1}'))
    answer = Answer((Choice(parts, "tool_calls"),), Usage(100, 20, 30, 50, 7), "msg_1", "claude")
    body = DIALECT.write_answer(answer, ABOUT)
    usage = json.loads(body)["usage"]
    assert usage["input_tokens"] == 20
    assert (usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"], usage["output_tokens"]) == (
        30,
        50,
        20,
    )
    assert DIALECT.read_answer(body) == answer


@pytest.mark.parametrize(
    ("told_reason", "reason"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("stop_sequence", "stop_sequence"),
        ("tool_use", "tool_calls"),
        ("refusal", "refusal"),
        ("pause_turn", "pause"),
        ("a_reason_to_come", "stop"),
    ],
)
def test_reasons(told_reason: str, reason: StopReason) -> None:
    body = json.dumps(
        {"type": "message", "content": [{"type": "text", "text": "a"}], "stop_reason": told_reason}
    ).encode()
    assert DIALECT.read_answer(body).choices[0].reason == reason


def test_an_answer_that_calls_tools_says_so_also_when_its_provider_did_not() -> None:
    answer = Answer((Choice((ToolCall("a", "f", "{}"),), "stop"),))
    assert json.loads(DIALECT.write_answer(answer, ABOUT))["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"type":"message","content":[]}', b'{"type":"completion","stop_reason":"end_turn"}', b"<html>"],
)
def test_an_answer_that_is_none_is_a_failure(body: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        DIALECT.read_answer(body)


def test_an_error_inside_a_200_is_one() -> None:
    with pytest.raises(UpstreamOverloaded):
        DIALECT.read_answer(b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}')
    with pytest.raises(UpstreamFailed):
        DIALECT.write_answer(Answer((Choice((), "error"),)), ABOUT)


# Streams

EVENTS: list[ChatEvent] = [
    Started("msg_1", "claude"),
    ReasoningDelta("let me "),
    ReasoningDelta("see"),
    ReasoningDelta(signature="sig"),
    ReasoningDelta(redacted="xyz"),
    TextDelta("Hel"),
    TextDelta("lo"),
    ToolCallDelta(0, "", "toolu_1", "f"),
    ToolCallDelta(0, '{"a":'),
    ToolCallDelta(0, "1}"),
    ToolCallDelta(1, "{}", "toolu_2", "g"),
    Finished("tool_calls"),
    Usage(10, 5, 3),
]


def test_the_official_order_of_events() -> None:
    writer = DIALECT.writer(ABOUT)
    stream = b"".join(writer.write(event) for event in EVENTS) + writer.end()
    check_grammar(stream)
    events = told(stream)
    start = events[0]["message"]
    assert (start["id"], start["model"], start["role"], start["content"]) == ("msg_1", "claude", "assistant", [])
    assert start["usage"]["input_tokens"] == 0
    kinds = [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
    assert kinds == ["thinking", "redacted_thinking", "text", "tool_use", "tool_use"]
    assert events[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert events[-2]["usage"]["input_tokens"] == 7
    reader = DIALECT.reader()
    assert gather(reader.feed(stream) + reader.end()) == gather(EVENTS)
    assert reader.done


def test_calls_that_are_told_in_turns_stay_apart() -> None:
    events: list[ChatEvent] = [
        ToolCallDelta(0, '{"a"', "t0", "f"),
        ToolCallDelta(1, '{"b"', "t1", "g"),
        ToolCallDelta(0, ":1}"),
        ToolCallDelta(1, ":2}"),
        Finished("tool_calls"),
    ]
    writer = DIALECT.writer(ABOUT)
    stream = b"".join(writer.write(event) for event in events) + writer.end()
    check_grammar(stream)
    reader = DIALECT.reader()
    parts = gather(reader.feed(stream) + reader.end()).choices[0].parts
    assert parts == (ToolCall("t0", "f", '{"a":1}'), ToolCall("t1", "g", '{"b":2}'))


def test_a_stream_is_taken_over_at_every_event() -> None:
    for cut in range(len(EVENTS) + 1):
        first, second = DIALECT.writer(ABOUT), DIALECT.writer(ABOUT)
        sent = b"".join(first.write(event) for event in EVENTS[:cut])
        second.resume(sent)
        stream = sent + b"".join(second.write(event) for event in EVENTS[cut:]) + second.end()
        check_grammar(stream)
        reader = DIALECT.reader()
        found = gather(reader.feed(stream) + reader.end())
        assert found.choices == gather(EVENTS).choices, cut


def test_a_providers_own_stream_is_taken_over_with_its_own_blocks() -> None:
    had: list[dict[str, Any]] = [
        {
            "type": "message_start",
            "message": {"id": "msg_up", "model": "claude", "usage": {"input_tokens": 9, "output_tokens": 1}},
        },
        {"type": "ping"},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "server_tool_use", "id": "s", "name": "w", "input": {}},
        },
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hel"}},
    ]
    sent = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in had)
    writer = DIALECT.writer(ABOUT)
    writer.resume(sent)
    stream = (
        writer.write(TextDelta("lo"))
        + writer.write(ToolCallDelta(0, "{}", "t", "f"))
        + writer.write(Finished("tool_calls"))
        + writer.end()
    )
    events = told(stream)
    assert [event["type"] for event in events] == [
        "content_block_delta", "content_block_stop", "content_block_start", "content_block_delta", "content_block_stop",
        "message_delta", "message_stop",
    ]  # fmt: skip
    assert [event.get("index") for event in events[:5]] == [1, 1, 2, 2, 2]
    assert events[-2]["usage"]["input_tokens"] == 9


def test_only_the_stop_is_written_when_the_reason_was_sent() -> None:
    first = DIALECT.writer(ABOUT)
    sent = b"".join(first.write(event) for event in EVENTS) + first.end()
    head, stop, _ = sent.partition(b"event: message_stop")
    writer = DIALECT.writer(ABOUT)
    writer.resume(head)
    assert writer.end().startswith(stop)
    assert told(writer.end() + head + stop + b'\ndata: {"type":"message_stop"}\n\n')[-1]["type"] == "message_stop"


def test_a_tool_without_arguments_gets_an_empty_object_and_a_whole_one_is_taken_from_its_start() -> None:
    for start, pieces, arguments in (
        ({}, [], "{}"),
        ({}, [""], "{}"),
        ({"a": 1}, [], '{"a": 1}'),
        ({}, ['{"b"', ":2}"], '{"b":2}'),
    ):
        events = [
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": start},
            },
            *(
                {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": p}}
                for p in pieces
            ),
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 3}},
            {"type": "message_stop"},
        ]
        reader = DIALECT.reader()
        found = [event for one in events for event in reader.feed(b"data: " + json.dumps(one).encode() + b"\n\n")]
        assert gather(found + reader.end()).choices[0].parts == (ToolCall("t", "f", arguments),)


def test_a_failure_in_mid_stream_is_an_event_and_nothing_follows() -> None:
    writer = DIALECT.writer(ABOUT)
    stream = writer.write(TextDelta("a")) + writer.fail(UpstreamOverloaded("too much"))
    assert told(stream)[-1] == {"type": "error", "error": {"type": "overloaded_error", "message": "too much"}}
    assert writer.end() == b""
    reader = DIALECT.reader()
    reader.feed(stream)
    with pytest.raises(UpstreamOverloaded):
        reader.end()


def test_a_model_that_broke_off_does_not_look_finished() -> None:
    writer = DIALECT.writer(ABOUT)
    stream = writer.write(TextDelta("a")) + writer.write(Finished("error")) + writer.end()
    assert told(stream)[-1]["type"] == "error"


# Errors


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected"),
    [
        (400, "invalid_request_error", "messages.0: bad", InvalidRequest),
        (400, "invalid_request_error", "prompt is too long: 213462 tokens > 200000 maximum", ContextExceeded),
        (
            400,
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease",
            ContextExceeded,
        ),
        (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.", QuotaExhausted),
        (401, "authentication_error", "invalid x-api-key", ProviderRefused),
        (403, "permission_error", "no", ProviderRefused),
        (402, "billing_error", "pay", QuotaExhausted),
        (404, "not_found_error", "model: x", ModelNotFound),
        (429, "rate_limit_error", "slow down", RateLimited),
        (500, "api_error", "oops", UpstreamFailed),
        (504, "timeout_error", "late", UpstreamTimeout),
        (529, "overloaded_error", "Overloaded", UpstreamOverloaded),
    ],
)
def test_errors_of_the_api(status: int, kind: str, message: str, expected: type[CorralError]) -> None:
    body = json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()
    error = DIALECT.read_error(status, {"retry-after": "7"}, body)
    assert type(error) is expected
    if expected is RateLimited:
        assert error.retry_after == 7
    if expected is ContextExceeded:
        assert error.details is not None
        assert error.details["n_ctx"] == 200000
    assert error.retryable == (expected in (RateLimited, UpstreamFailed, UpstreamTimeout, UpstreamOverloaded))


def test_a_refused_key_is_never_repeated() -> None:
    body = b'{"type":"error","error":{"type":"authentication_error","message":"invalid key sk-ant-123"}}'
    assert "sk-ant" not in DIALECT.read_error(401, {}, body).message


def test_an_over_long_prompt_is_told_with_both_numbers_in_the_apis_words() -> None:
    error = ContextExceeded("Too long.", details={"n_prompt_tokens": 9000, "n_ctx": 4096})
    body = json.loads(DIALECT.write_error(error))
    assert body["error"]["type"] == "invalid_request_error"
    assert body["error"]["message"].startswith("prompt is too long: 9000 tokens > 4096 maximum")
    back = DIALECT.read_error(400, {}, json.dumps(body).encode())
    assert back.details == error.details
