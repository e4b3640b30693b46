"""OpenAI's Responses on the wire: requests field by field, the order of events, streams of providers, streams taken over."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from corral.dialects.form import (
    ChatEvent,
    ChatRequest,
    Finished,
    Image,
    ImageDelta,
    Message,
    Reasoning,
    ReasoningDelta,
    Refusal,
    RefusalDelta,
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
from corral.dialects.openai_chat import DIALECT as CHAT
from corral.dialects.openai_responses import DIALECT, writer
from corral.dialects.ports import About, EventWriter
from corral.kit.errors import (
    ContextExceeded,
    CorralError,
    InvalidRequest,
    QuotaExhausted,
    RateLimited,
    UpstreamFailed,
)

EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def asked(**fields: Any) -> ChatRequest:
    return DIALECT.read_request(json.dumps({"model": "m", "input": "Hello", **fields}).encode())


def about(**fields: Any) -> About:
    request = ChatRequest(model="m", messages=(text_message("user", "Hello"),), stream=True, **fields)
    return About("resp_1", "m", 1700000000, request)


def foreign(*messages: Message, **fields: Any) -> dict[str, Any]:
    request = ChatRequest(
        model="m", messages=messages or (text_message("user", "Hello"),), dialect="anthropic", **fields
    )
    body: dict[str, Any] = json.loads(DIALECT.write_request(request, "theirs").body)
    return body


def told(data: bytes) -> list[dict[str, Any]]:
    """The JSON of each event, whose name must be its type."""
    found = []
    for event in data.decode().split("\n\n"):
        if event:
            name, line = event.split("\n")
            found.append(json.loads(line.removeprefix("data: ")))
            assert name == f"event: {found[-1]['type']}"
    return found


def all_of(out: EventWriter, *events: ChatEvent) -> list[dict[str, Any]]:
    return told(b"".join([*(out.write(event) for event in events), out.end()]))


# Requests


def test_items_of_the_assistant_are_one_message() -> None:
    request = asked(
        instructions="Be brief.",
        input=[
            {"role": "developer", "content": "Tools are there."},
            {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "Hm."}, {"type": "summary_text", "text": "So."}],
            },
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "I look.", "annotations": []}],
            },
            {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "b", "name": "g", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "cold"},
            {
                "type": "function_call_output",
                "call_id": "b",
                "output": [{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}],
            },
        ],
    )
    assert request.messages == (
        text_message("system", "Be brief."),
        text_message("developer", "Tools are there."),
        text_message("user", "Weather?"),
        Message(
            "assistant",
            (Reasoning("Hm.\n\nSo.", id="rs_1"), Text("I look."), ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}")),
        ),
        Message("tool", (ToolResult("a", (Text("cold"),)),)),
        Message("tool", (ToolResult("b", (Image("image/png", "AAAA"),)),)),
    )


def test_items_and_tools_that_only_openai_has_are_skipped() -> None:
    request = asked(
        input=[
            {"role": "user", "content": "Patch it."},
            {"type": "web_search_call", "id": "ws_1", "action": {"type": "search"}},
            {"type": "custom_tool_call", "call_id": "a", "name": "apply_patch", "input": "*** Begin"},
            {"type": "custom_tool_call_output", "call_id": "a", "output": "done"},
        ],
        tools=[
            {"type": "local_shell"},
            {"type": "custom", "name": "apply_patch", "format": {"type": "grammar"}},
            {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False},
        ],
    )
    assert request.tools == (Tool("f", None, {"type": "object"}, False),)
    assert request.messages[1].parts == (ToolCall("a", "apply_patch", '{"input":"*** Begin"}'),)
    assert request.messages[2].parts == (ToolResult("a", (Text("done"),)),)
    chat = json.loads(CHAT.write_request(request, "local").body)
    assert [tool["function"]["name"] for tool in chat["tools"]] == ["f"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_0"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": True}, "background"),
        ({"input": []}, "input"),
        ({"input": 7}, "input"),
        ({"input": [{"type": "web_search_call"}]}, "input"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": ["Hello"]}, "input[0]"),
        ({"input": [{"role": "wizard", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0]"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0]"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tool_choice": "perhaps"}, "tool_choice"),
        ({"reasoning": {"effort": 5}}, "reasoning.effort"),
        ({"temperature": "hot"}, "temperature"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        asked(**fields)
    assert (caught.value.param or "").startswith(param)


def test_what_is_stateless_is_not_refused() -> None:
    assert asked(previous_response_id=None, store=True, background=False).extras == {"store": True}


def test_a_request_of_another_dialect_is_not_stored_and_not_strict() -> None:
    body = foreign(
        text_message("system", "Be brief."),
        text_message("user", "Hi"),
        tools=(Tool("f"),),
        tool_choice=ToolChoice("tool", "f"),
    )
    assert body["store"] is False
    assert body["instructions"] == "Be brief."
    assert body["tools"] == [
        {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}
    ]
    assert body["tool_choice"] == {"type": "function", "name": "f"}


def test_what_is_left_out_is_told_and_several_choices_are_refused() -> None:
    request = ChatRequest(
        "m", (text_message("user", "Hi"),), dialect="openai_chat", seed=4, stop=("x",), extras={"store": True}
    )
    assert set(DIALECT.write_request(request, "theirs").dropped) == {"seed", "stop", "extras.store"}
    with pytest.raises(InvalidRequest) as caught:
        foreign(choices=2)
    assert caught.value.param == "n"


def test_thinking_that_others_signed_is_not_sent_to_openai() -> None:
    body = foreign(
        text_message("user", "Hi"),
        Message("assistant", (Reasoning("Hm.", "signed"), Text("Yes."))),
        text_message("user", "So?"),
    )
    assert [item.get("role", item["type"]) for item in body["input"]] == ["user", "assistant", "user"]


def test_thinking_and_verbosity() -> None:
    request = asked(
        reasoning={"effort": "low", "summary": "auto", "context": "all_turns"},
        text={"verbosity": "low"},
        include=["message.output_text.logprobs"],
    )
    assert request.thinking == Thinking(effort="low", summary="auto") and request.logprobs
    body = json.loads(DIALECT.write_request(request, "m").body)
    assert body["reasoning"] == {"effort": "low", "summary": "auto", "context": "all_turns"}
    assert body["text"] == {"verbosity": "low"} and body["include"] == ["message.output_text.logprobs"]


# Streams for clients

FULL: tuple[ChatEvent, ...] = (
    Started("up", "their", 1),
    ReasoningDelta("Hm."),
    TextDelta("Hel"),
    TextDelta("lo"),
    ToolCallDelta(0, '{"x"', "a", "f"),
    ToolCallDelta(0, ":1}"),
    Finished("tool_calls"),
    Usage(3, 4, 1, 0, 2),
)


def test_events_come_in_the_order_that_codex_reads() -> None:
    events = all_of(DIALECT.writer(about()), *FULL)
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


def test_every_event_is_as_the_sdk_wants_it() -> None:
    image = ImageDelta(Image("image/png", "AAAA"))
    request: dict[str, Any] = {
        "tools": (Tool("f", "does", {"type": "object"}),),
        "tool_choice": ToolChoice("tool", "f"),
    }
    events = all_of(DIALECT.writer(about(**request)), *FULL[:-2], RefusalDelta("No."), image, *FULL[-2:])
    for event in events:
        found = EVENTS.validate_python(event)
        assert found.type == event["type"]
    last = events[-1]["response"]
    assert (last["id"], last["model"], last["created_at"], last["status"]) == ("resp_1", "m", 1700000000, "completed")
    assert [item["type"] for item in last["output"]] == [
        "reasoning",
        "message",
        "function_call",
        "message",
        "image_generation_call",
    ]
    assert last["usage"]["total_tokens"] == 7 and last["usage"]["input_tokens_details"]["cached_tokens"] == 1
    assert Response.model_validate(last).output_text == "Hello"
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert sorted(item["id"] for item in done) == sorted(item["id"] for item in last["output"])


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        ("stop", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
    ],
)
def test_an_answer_that_was_cut_by_its_length_is_incomplete(reason: Any, status: str, why: str | None) -> None:
    last = all_of(DIALECT.writer(about()), TextDelta("x"), Finished(reason))[-1]
    assert last["type"] == f"response.{status}" and last["response"]["status"] == status
    assert last["response"]["incomplete_details"] == (None if why is None else {"reason": why})
    assert last["response"]["output"][0]["status"] == ("incomplete" if reason == "length" else "completed")


def test_pieces_of_several_calls_go_to_their_own_items() -> None:
    events = all_of(
        DIALECT.writer(about()),
        ToolCallDelta(0, "", "a", "f"),
        ToolCallDelta(1, "[", "b", "g"),
        ToolCallDelta(0, "{}"),
        TextDelta("and"),
        ToolCallDelta(1, "]"),
        Finished("tool_calls"),
    )
    output = events[-1]["response"]["output"]
    assert [item.get("arguments") for item in output] == ["{}", "[]", None]
    deltas = [(event["output_index"], event["delta"]) for event in events if event["type"].endswith("arguments.delta")]
    assert deltas == [(1, "["), (0, "{}"), (1, "]")]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ContextExceeded("Too long."), "context_length_exceeded"),
        (RateLimited("Slowly."), "rate_limit_exceeded"),
        (QuotaExhausted("Spent."), "insufficient_quota"),
        (UpstreamFailed("It broke."), "server_error"),
    ],
)
def test_a_failure_is_told_and_nothing_is_completed(error: CorralError, code: str) -> None:
    out = DIALECT.writer(about())
    events = told(out.write(TextDelta("x")) + out.fail(error))
    assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
    assert events[-1]["response"]["status"] == "failed"
    assert events[-1]["response"]["error"] == {"code": code, "message": error.message}
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    # Codex reads two codes that the SDK's types do not name.
    for event in events[:-1] if code in ("context_length_exceeded", "insufficient_quota") else events:
        EVENTS.validate_python(event)


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_ANSWER", 1000)
    out = DIALECT.writer(about())
    with pytest.raises(UpstreamFailed, match="endless"):
        for _ in range(100):
            out.write(TextDelta("x" * 20))


def test_a_whole_answer_is_as_the_sdk_wants_it() -> None:
    body = json.loads(DIALECT.write_answer(gather(FULL), about()))
    assert Response.model_validate(body).output_text == "Hello"
    assert body["status"] == "completed" and [item["type"] for item in body["output"]] == [
        "reasoning",
        "message",
        "function_call",
    ]


# Streams of providers


def event(kind: str, number: int, **fields: Any) -> bytes:
    data = {"type": kind, "sequence_number": number, **fields}
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def response(status: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": "resp_up",
        "object": "response",
        "created_at": 5,
        "model": "gpt",
        "status": status,
        "output": [],
        **fields,
    }


BEGIN = event("response.created", 0, response=response("in_progress")) + event(
    "response.in_progress", 1, response=response("in_progress")
)
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
