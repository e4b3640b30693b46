"""Reading an engine's errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from corral.kit.errors import (
    ContextExceeded,
    CorralError,
    InvalidRequest,
    TooManyRequests,
    Unavailable,
    UpstreamFailed,
)
from corral.providers.local import engine_error


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (
            400,
            {"error": {"type": "exceed_context_size_error", "message": "m", "n_prompt_tokens": 9000, "n_ctx": 4096}},
            ContextExceeded,
            "9000",
        ),
        (400, {"error": {"message": "temperature must be a number"}}, InvalidRequest, "temperature"),
        (501, {"error": {"message": "no embeddings here"}}, InvalidRequest, "embeddings"),
        (501, {"error": {"message": "No. Start it with `--reranking`"}}, InvalidRequest, "option `reranking`"),
        (429, {"error": {"message": "busy"}}, TooManyRequests, "busy"),
        (500, {"error": {"message": "it broke"}}, UpstreamFailed, "it broke"),
        (401, {"error": {"message": "who are you"}}, UpstreamFailed, "who"),
        (503, "plain words", Unavailable, "plain words"),
        (500, {"error": "a text"}, UpstreamFailed, "a text"),
        (500, "", UpstreamFailed, "500"),
    ],
)
def test_engine_errors_become_ours(status: int, body: Any, kind: type[CorralError], says: str) -> None:
    error = engine_error(status, body.encode() if isinstance(body, str) else json.dumps(body).encode())
    assert type(error) is kind
    assert says in error.message
