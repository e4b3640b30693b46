"""Answers, streams and errors of Gemini's generateContent, beside the suite that all dialects pass."""

from __future__ import annotations

import json
from typing import Any

import pytest

from corral.dialects.form import (
    Answer,
    ChatRequest,
    Choice,
    Image,
    Reasoning,
    StopReason,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    text_message,
)
from corral.dialects.gathering import gather
from corral.dialects.gemini import DIALECT
from corral.dialects.ports import About
from corral.kit.errors import (
    ContentFiltered,
    ContextExceeded,
    CorralError,
    InvalidRequest,
    ModelNotFound,
    ProviderRefused,
    QuotaExhausted,
    RateLimited,
    UpstreamFailed,
    UpstreamOverloaded,
)

HI = (text_message("user", "hi"),)
ABOUT = About("r1", "gemini-2.5-pro", 0, ChatRequest("gemini-2.5-pro", HI))


def chunk(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\r\n\r\n"


# Answers


def test_a_stream_as_the_api_sends_it() -> None:
    stream = (
        chunk(
            candidates=[{"content": {"parts": [{"text": "hm", "thought": True}], "role": "model"}, "index": 0}],
            responseId="r1",
        )
        + chunk(
            candidates=[{"content": {"parts": [{"text": "Hello"}], "role": "model"}}],
            usageMetadata={"promptTokenCount": 9},
        )
        + chunk(
            candidates=[
                {
                    "content": {"parts": [{"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "s"}]},
                    "finishReason": "STOP",
                }
            ],
            usageMetadata={
                "promptTokenCount": 9,
                "candidatesTokenCount": 5,
                "thoughtsTokenCount": 3,
                "cachedContentTokenCount": 2,
            },
            modelVersion="gemini-2.5-pro",
        )
    )
    reader = DIALECT.reader()
    events = [event for place in range(len(stream)) for event in reader.feed(stream[place : place + 1])]
    assert reader.done
    answer = gather(events + reader.end())
    thought, text, call = answer.choices[0].parts
    assert (thought, text) == (Reasoning("hm"), Text("Hello"))
    assert isinstance(call, ToolCall)
    assert (call.name, call.arguments, call.signature) == ("f", '{"a": 1}', "gemini:s")
    assert call.id.startswith("call_")
    assert answer.choices[0].reason == "tool_calls"
    assert answer.usage == Usage(9, 8, 2, 0, 3)


def test_a_made_id_differs_from_answer_to_answer_and_from_call_to_call() -> None:
    def ids(response: str) -> list[str]:
        call = {"functionCall": {"name": "f", "args": {}}}
        body = {"candidates": [{"content": {"parts": [call, call]}, "finishReason": "STOP"}], "responseId": response}
        parts = DIALECT.read_answer(json.dumps(body).encode()).choices[0].parts
        return [part.id for part in parts if isinstance(part, ToolCall)]

    assert len({*ids("a"), *ids("b")}) == 4
    assert ids("a") == ids("a")


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("OTHER", "error"),
        ("SOMETHING_NEW", "error"),
    ],
)
def test_reasons(told: str, reason: StopReason) -> None:
    body = json.dumps({"candidates": [{"finishReason": told}]}).encode()
    assert DIALECT.read_answer(body).choices == (Choice((), reason),)


def test_a_prompt_against_the_rules_is_an_error_and_not_an_empty_answer() -> None:
    with pytest.raises(ContentFiltered, match="SAFETY"):
        DIALECT.read_answer(b'{"promptFeedback":{"blockReason":"SAFETY"}}')
    reader = DIALECT.reader()
    reader.feed(chunk(promptFeedback={"blockReason": "PROHIBITED_CONTENT"}))
    with pytest.raises(ContentFiltered):
        reader.end()


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"candidates":[]}', b'{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}']
)
def test_an_answer_without_an_end_is_a_failure(body: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        DIALECT.read_answer(body)


def test_an_image_that_the_model_made() -> None:
    blob = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    body = json.dumps(
        {"candidates": [{"content": {"parts": [{"text": "see"}, blob]}, "finishReason": "STOP"}]}
    ).encode()
    assert DIALECT.read_answer(body).choices[0].parts == (Text("see"), Image("image/png", "AA=="))


def test_calls_are_told_whole_and_at_once() -> None:
    writer = DIALECT.writer(ABOUT)
    assert writer.write(ToolCallDelta(0, '{"a":{"b":1}', "c", "f")) == b""
    told = json.loads(writer.write(ToolCallDelta(0, "}")).removeprefix(b"data: "))
    assert told["candidates"][0]["content"]["parts"][0]["functionCall"] == {
        "id": "c",
        "name": "f",
        "args": {"a": {"b": 1}},
    }
    assert writer.write(ToolCallDelta(0, " ")) == b""
    with pytest.raises(UpstreamFailed):
        writer.write(ToolCallDelta(0, "more"))
    with pytest.raises(UpstreamFailed):
        writer.write(ToolCallDelta(1, "{}"))


def test_a_failure_in_mid_stream() -> None:
    writer = DIALECT.writer(ABOUT)
    reader = DIALECT.reader()
    reader.feed(writer.write(TextDelta("a")))
    with pytest.raises(RateLimited, match="slowly"):
        reader.feed(writer.fail(RateLimited("slowly", retry_after=4)))


def test_a_whole_answer_has_googles_form() -> None:
    answer = Answer((Choice((Text("a"),), "length"),), Usage(5, 9, 1, 0, 4), "r1", "gemini-2.5-pro")
    assert json.loads(DIALECT.write_answer(answer, ABOUT)) == {
        "candidates": [
            {"content": {"parts": [{"text": "a"}], "role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}
        ],
        "usageMetadata": {
            "promptTokenCount": 5,
            "candidatesTokenCount": 5,
            "totalTokenCount": 14,
            "cachedContentTokenCount": 1,
            "thoughtsTokenCount": 4,
        },
        "modelVersion": "gemini-2.5-pro",
        "responseId": "r1",
    }


# Errors

PER_DAY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "RequestsPerDayPerModel"}],
}
WAIT = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.5s"}
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}


@pytest.mark.parametrize(
    ("status", "name", "message", "details", "expected"),
    [
        (400, "INVALID_ARGUMENT", "bad", [], InvalidRequest),
        (400, "INVALID_ARGUMENT", "API key not valid", [BAD_KEY], ProviderRefused),
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            [],
            ContextExceeded,
        ),
        (403, "PERMISSION_DENIED", "no", [], ProviderRefused),
        (404, "NOT_FOUND", "no model", [], ModelNotFound),
        (429, "RESOURCE_EXHAUSTED", "quota", [WAIT], RateLimited),
        (429, "RESOURCE_EXHAUSTED", "quota", [PER_DAY, WAIT], QuotaExhausted),
        (500, "INTERNAL", "oops", [], UpstreamFailed),
        (503, "UNAVAILABLE", "overloaded", [], UpstreamOverloaded),
    ],
)
def test_errors_of_the_api(
    status: int, name: str, message: str, details: list[Any], expected: type[CorralError]
) -> None:
    told = {"error": {"code": status, "message": message, "status": name, "details": details}}
    for body in (told, [told]):
        error = DIALECT.read_error(status, {}, json.dumps(body).encode())
        assert type(error) is expected
    if expected is RateLimited:
        assert error.retry_after == 37.5
    if expected is ContextExceeded:
        assert error.details == {"n_prompt_tokens": 1200000, "n_ctx": 1048576}
    with pytest.raises(expected):
        DIALECT.reader().feed(chunk(**told))
