"""Streams of Responses for clients, in the order that they rely on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import Response

from corral.dialects.form import (
    ChatEvent,
    Finished,
    Image,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    Tool,
    ToolCallDelta,
    ToolChoice,
    Usage,
)
from corral.dialects.gathering import gather
from corral.dialects.openai_responses import DIALECT, writer
from corral.kit.errors import (
    ContextExceeded,
    CorralError,
    QuotaExhausted,
    RateLimited,
    UpstreamFailed,
)
from tests.support.responses_wire import EVENTS, about, all_of, told

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
