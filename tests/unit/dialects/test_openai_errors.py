"""OpenAI's errors in all the forms that servers give them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from corral.dialects.openai_chat import DIALECT
from corral.kit.errors import (
    ContentFiltered,
    ContextExceeded,
    CorralError,
    InvalidRequest,
    ProviderRefused,
    QuotaExhausted,
    RateLimited,
    UpstreamFailed,
    UpstreamOverloaded,
)


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens. Please reduce the length.",
        "This model's maximum context length is 8192 tokens. However, you requested 9101 tokens (9001 in the messages, 100 in the completion).",
        "This endpoint's maximum context length is 8192 tokens. However, you requested about 9001 tokens (9000 of text input).",
    ],
)
def test_a_prompt_that_is_too_long_has_both_numbers(message: str) -> None:
    body = json.dumps(
        {"error": {"message": message, "type": "invalid_request_error", "code": "context_length_exceeded"}}
    )
    found = DIALECT.read_error(400, {}, body.encode())
    assert isinstance(found, ContextExceeded)
    assert found.details == {"n_prompt_tokens": 9001, "n_ctx": 8192}
    bare = DIALECT.read_error(400, {}, json.dumps({"object": "error", "message": message, "code": 400}).encode())
    assert isinstance(bare, ContextExceeded)


def test_llamacpps_words_for_it() -> None:
    body = b'{"error":{"code":400,"message":"too long","type":"exceed_context_size_error","n_prompt_tokens":9001,"n_ctx":8192}}'
    found = DIALECT.read_error(400, {}, body)
    assert isinstance(found, ContextExceeded) and "9001" in found.message and "8192" in found.message


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (
            429,
            {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota"},
            QuotaExhausted,
        ),
        (402, {"message": "Insufficient credits"}, QuotaExhausted),
        (429, {"message": "Slow down", "code": "rate_limit_exceeded"}, RateLimited),
        (400, {"message": "filtered", "code": "content_filter"}, ContentFiltered),
        (401, {"message": "Incorrect API key provided: sk-abc***xyz"}, ProviderRefused),
        (403, {"message": "no"}, ProviderRefused),
        (422, {"message": [{"loc": ["body"], "msg": "bad"}]}, InvalidRequest),
        (503, {"message": "loading"}, UpstreamOverloaded),
        (500, {"message": "boom"}, UpstreamFailed),
    ],
)
def test_kinds_of_errors(status: int, error: dict[str, Any], kind: type[CorralError]) -> None:
    found = DIALECT.read_error(status, {}, json.dumps({"error": error}).encode())
    assert isinstance(found, kind)
    assert "sk-abc" not in found.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Fri, 20 Nov 2026 10:00:30 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 30),
        ({"retry-after": "Fri, 20 Nov 2026 10:00:30 GMT"}, None),
        ({"x-ratelimit-reset-requests": "1m2.5s"}, 62.5),
        ({"x-ratelimit-reset-tokens": "120ms"}, 0.12),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "1e300"}, 86400),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-5"}, 0),
        ({}, None),
    ],
)
def test_how_long_a_provider_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    found = DIALECT.read_error(429, headers, b"{}")
    assert isinstance(found, RateLimited) and found.retry_after == seconds


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad gateway</html>",
        b'"no"',
        b'{"detail":"no"}',
        b'[{"error":{"message":"no"}}]',
        b'{"error":{"message":null}}',
    ],
)
def test_errors_in_other_forms(body: bytes) -> None:
    found = DIALECT.read_error(502, {}, body)
    assert isinstance(found, UpstreamFailed) and found.message
