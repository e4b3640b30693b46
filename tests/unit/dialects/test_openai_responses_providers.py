"""Streams of Responses from providers: read, and taken over."""

from __future__ import annotations

import json

import pytest

from corral.dialects.form import (
    ChatEvent,
    Finished,
    Reasoning,
    ReasoningDelta,
    Refusal,
    Started,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from corral.dialects.gathering import gather
from corral.dialects.openai_responses import DIALECT
from corral.kit.errors import (
    CorralError,
    InvalidRequest,
    RateLimited,
    UpstreamFailed,
)
from tests.support.responses_wire import BEGIN, EVENTS, about, all_of, event, response

USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 3},
    "output_tokens": 4,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 13,
}


def read(data: bytes) -> list[ChatEvent]:
    reader = DIALECT.reader()
    found = [*reader.feed(data), *reader.end()]
    assert reader.done
    return found


def test_what_only_the_end_tells_is_told() -> None:
    output = [
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hi"}, {"type": "refusal", "refusal": "No."}],
        },
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "web_search_call", "id": "ws"},
    ]
    found = gather(
        read(BEGIN + event("response.completed", 2, response=response("completed", output=output, usage=USAGE)))
    )
    assert found.choices[0].parts == (Reasoning("Hm."), Text("Hi"), Refusal("No."), ToolCall("a", "f", "{}"))
    assert found.choices[0].reason == "tool_calls"
    assert found.usage == Usage(9, 4, 3, 0, 2)
    whole = DIALECT.read_answer(json.dumps(response("completed", output=output, usage=USAGE)).encode())
    assert whole.choices == found.choices


def test_arguments_that_only_the_done_item_tells() -> None:
    item = {"type": "function_call", "id": "fc", "call_id": "a", "name": "f", "arguments": ""}
    data = (
        BEGIN
        + event("response.output_item.added", 2, output_index=0, item=item)
        + event("response.output_item.done", 3, output_index=0, item={**item, "arguments": "{}"})
        + event("response.completed", 4, response=response("completed", usage=USAGE))
    )
    assert gather(read(data)).choices[0].parts == (ToolCall("a", "f", "{}"),)


def test_thinking_told_whole_and_as_a_summary_counts_once() -> None:
    data = (
        BEGIN
        + event("response.output_item.added", 2, output_index=0, item={"type": "reasoning", "id": "rs", "summary": []})
        + event("response.reasoning_text.delta", 3, output_index=0, content_index=0, delta="Hm. ")
        + event("response.reasoning_summary_text.delta", 4, output_index=0, summary_index=0, delta="He thinks.")
        + event("response.reasoning_text.delta", 5, output_index=0, content_index=0, delta="So.")
        + event(
            "response.output_item.done",
            6,
            output_index=0,
            item={"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "zz"},
        )
        + event(
            "response.incomplete",
            7,
            response=response("incomplete", incomplete_details={"reason": "max_output_tokens"}),
        )
    )
    found = gather(read(data)).choices[0]
    assert found.parts == (Reasoning("Hm. So.", "zz"),) and found.reason == "length"


def test_parts_of_a_summary_are_paragraphs() -> None:
    deltas = [
        event("response.reasoning_summary_text.delta", 2, output_index=0, summary_index=index, delta=text)
        for index, text in ((0, "A"), (0, "b"), (1, "C"))
    ]
    data = BEGIN + b"".join(deltas) + event("response.completed", 4, response=response("completed"))
    assert gather(read(data)).choices[0].parts == (Reasoning("Ab\n\nC"),)


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (event("error", 3, code="rate_limit_exceeded", message="Slow", param=None), RateLimited),
        (event("error", 3, error={"type": "invalid_request_error", "message": "bad"}), InvalidRequest),
        (
            event("response.failed", 3, response=response("failed", error={"code": "server_error", "message": "boom"})),
            UpstreamFailed,
        ),
        (event("response.failed", 3, response=response("failed")), UpstreamFailed),
        (event("response.cancelled", 3, response=response("cancelled")), UpstreamFailed),
        (event("response.function_call_arguments.delta", 3, output_index=4, delta="{"), UpstreamFailed),
        (event("response.output_text.delta", 3, output_index=0, delta=7), UpstreamFailed),
        (b"data: {broken\n\n", UpstreamFailed),
    ],
)
def test_a_failure_in_mid_stream_keeps_what_came_before(last: bytes, kind: type[CorralError]) -> None:
    reader = DIALECT.reader()
    first = event("response.output_text.delta", 2, output_index=0, content_index=0, delta="x")
    assert reader.feed(BEGIN + first + last) == [Started("resp_up", "gpt", 5), TextDelta("x")]
    with pytest.raises(kind):
        reader.end()
    assert not reader.done


@pytest.mark.parametrize("status", ["in_progress", "queued", "cancelled", "failed"])
def test_an_answer_that_has_not_ended_is_none(status: str) -> None:
    with pytest.raises(UpstreamFailed):
        DIALECT.read_answer(json.dumps(response(status)).encode())


# Streams taken over

MESSAGE = {"id": "msg_up", "type": "message", "status": "in_progress", "role": "assistant", "content": []}
SENT = (
    BEGIN
    + event(
        "response.output_item.added",
        2,
        output_index=0,
        item={"type": "web_search_call", "id": "ws_up", "status": "in_progress"},
    )
    + event(
        "response.output_item.done",
        3,
        output_index=0,
        item={
            "type": "web_search_call",
            "id": "ws_up",
            "status": "completed",
            "action": {"type": "search", "query": "x", "queries": []},
        },
    )
    + event("response.output_item.added", 4, output_index=1, item=MESSAGE)
    + event(
        "response.content_part.added",
        5,
        output_index=1,
        item_id="msg_up",
        content_index=0,
        part={"type": "output_text", "text": ""},
    )
    + event(
        "response.output_text.delta", 6, output_index=1, item_id="msg_up", content_index=0, delta="Hel", logprobs=[]
    )
)


def test_a_text_goes_on_in_the_providers_own_item() -> None:
    out = DIALECT.writer(about())
    out.resume(SENT)
    events = all_of(out, TextDelta("lo"), Finished("stop"), Usage(1, 2))
    assert events[0] == {
        "type": "response.output_text.delta",
        "sequence_number": 7,
        "item_id": "msg_up",
        "output_index": 1,
        "content_index": 0,
        "delta": "lo",
        "logprobs": [],
    }
    assert [one["sequence_number"] for one in events] == list(range(7, 7 + len(events)))
    assert [one["type"] for one in events[1:]] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    output = events[-1]["response"]["output"]
    assert [item["id"] for item in output] == ["ws_up", "msg_up"]
    assert output[1]["content"][0]["text"] == "Hello"
    for one in events:
        EVENTS.validate_python(one)


def test_a_call_goes_on_in_the_providers_own_item() -> None:
    item = {
        "id": "fc_up",
        "type": "function_call",
        "status": "in_progress",
        "call_id": "a",
        "name": "f",
        "arguments": "",
    }
    sent = (
        SENT
        + event(
            "response.output_text.done", 7, output_index=1, item_id="msg_up", content_index=0, text="Hel", logprobs=[]
        )
        + event(
            "response.content_part.done",
            8,
            output_index=1,
            item_id="msg_up",
            content_index=0,
            part={"type": "output_text", "text": "Hel"},
        )
        + event("response.output_item.done", 9, output_index=1, item={**MESSAGE, "status": "completed"})
        + event("response.output_item.added", 10, output_index=2, item=item)
        + event("response.function_call_arguments.delta", 11, output_index=2, item_id="fc_up", delta='{"x"')
    )
    out = DIALECT.writer(about())
    out.resume(sent)
    events = all_of(out, ToolCallDelta(0, ":1}"), Finished("tool_calls"))
    assert (events[0]["item_id"], events[0]["output_index"], events[0]["sequence_number"]) == ("fc_up", 2, 12)
    assert events[-1]["response"]["output"][2]["arguments"] == '{"x":1}'
    assert events[-1]["response"]["output"][1] == {**MESSAGE, "status": "completed"}


def test_thinking_that_was_begun_whole_goes_on_whole() -> None:
    sent = (
        BEGIN
        + event(
            "response.output_item.added", 2, output_index=0, item={"type": "reasoning", "id": "rs_up", "summary": []}
        )
        + event(
            "response.content_part.added",
            3,
            output_index=0,
            item_id="rs_up",
            content_index=0,
            part={"type": "reasoning_text", "text": ""},
        )
        + event("response.reasoning_text.delta", 4, output_index=0, item_id="rs_up", content_index=0, delta="Hm, ")
    )
    out = DIALECT.writer(about())
    out.resume(sent)
    events = all_of(out, ReasoningDelta("so."), TextDelta("Yes."), Finished("stop"))
    assert events[0]["type"] == "response.reasoning_text.delta" and events[0]["item_id"] == "rs_up"
    assert events[1]["type"] == "response.reasoning_text.done" and events[1]["text"] == "Hm, so."
    assert events[-1]["response"]["output"][0]["content"] == [{"type": "reasoning_text", "text": "Hm, so."}]


def test_a_stream_of_which_nothing_was_sent_begins() -> None:
    out = DIALECT.writer(about())
    out.resume(b"")
    assert all_of(out, TextDelta("x"), Finished("stop"))[0]["type"] == "response.created"
