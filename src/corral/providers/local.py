"""What an engine's error answers mean."""

from __future__ import annotations

import re

import msgspec

from corral.kit.errors import (
    ContextExceeded,
    CorralError,
    InvalidRequest,
    TooManyRequests,
    Unavailable,
    UpstreamFailed,
)

_FLAG = re.compile(r"[Ss]tart it with `--(embeddings|reranking)`")
"""How llama.cpp says that a model is not run for something; the options of a model have the same names."""


def engine_error(status: int, body: bytes, retry_after: bytes | None = None) -> CorralError:
    """What an engine's error answer means."""
    try:
        error = msgspec.json.decode(body).get("error")
    except (msgspec.DecodeError, AttributeError):
        error = None
    if not isinstance(error, dict):
        told = error if isinstance(error, str) else body[:300].decode("utf-8", "replace")
        error = {"message": told or f"status {status}"}
    message = str(error.get("message") or "no reason given")[:1000]
    if error.get("type") == "exceed_context_size_error":
        prompt, context = error.get("n_prompt_tokens"), error.get("n_ctx")
        return ContextExceeded(
            f"The prompt has {prompt} tokens and the model's context holds {context}. Shorten it, or raise context_length.",
            details={"n_prompt_tokens": prompt, "n_ctx": context},
            param="messages",
        )
    seconds = float(retry_after) if retry_after is not None and retry_after.isdigit() else 1.0
    if status == 429:
        return TooManyRequests(f"The engine is overloaded: {message}", retry_after=seconds)
    if status == 503:
        return Unavailable(f"The engine takes no work now: {message}", retry_after=seconds)
    if flag := _FLAG.search(message):
        wanted = (
            f"The model is not run for {flag[1]}. Ask one that is made for that, or set the model's option `{flag[1]}`."
        )
        return InvalidRequest(wanted, param="model")
    if status == 501 or (400 <= status < 500 and status not in (401, 403, 404)):
        return InvalidRequest(f"The engine refused the request: {message}")
    return UpstreamFailed(f"The engine failed: {message}")
