"""Local engines, which speak OpenAI's dialect: `OwnEngines` is the provider; `stream_chat` is the older way to them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from corral.engines import Lease
from corral.kit.errors import (
    ContextExceeded,
    CorralError,
    InvalidRequest,
    TooManyRequests,
    Unavailable,
    UpstreamFailed,
)
from corral.kit.faultpoints import reach
from corral.providers.sse import SseReader
from corral.providers.types import ChatEvent, ChatRequest, Finished, ReasoningDelta, TextDelta, Usage

_PATH = b"/v1/chat/completions"
_JSON = b"content-type: application/json\r\n"
_MAX_ERROR = 1 << 20


async def stream_chat(request: ChatRequest, lease: Lease) -> AsyncGenerator[ChatEvent, None]:
    """The answer to `request` from the engine of `lease`, piece by piece, ending in Finished.

    Closing the generator closes the connection, which ends the work in the engine. Raises ContextExceeded,
    InvalidRequest, UpstreamFailed (also when the stream ends without a finish) and UpstreamTimeout.
    """
    response = await lease.pool.request(
        b"POST", _PATH, headers=lease.headers + _JSON, body=msgspec.json.encode(_payload(request, lease))
    )
    try:
        if response.status != 200:
            raise engine_error(response.status, await response.read(_MAX_ERROR))
        reach("providers.connected")
        reader = SseReader()
        finished = False
        async for chunk in response.chunks():
            for name, data in reader.feed(chunk):
                if data == b"[DONE]":
                    continue
                for event in _events(name, data):
                    finished = finished or isinstance(event, Finished)
                    yield event
        if not finished:
            raise UpstreamFailed("The engine's answer ended before it was finished.")
    finally:
        response.abort()


def _payload(request: ChatRequest, lease: Lease) -> dict[str, Any]:
    messages = [{"role": message.role, "content": message.content} for message in request.messages]
    if request.prefill:
        messages.append({"role": "assistant", "content": request.prefill})
    payload: dict[str, Any] = {
        **request.parameters,
        "model": lease.upstream_model or lease.model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.max_tokens is not None:
        payload["max_tokens"] = request.max_tokens
    return payload


def _events(name: bytes, data: bytes) -> list[ChatEvent]:
    try:
        chunk = msgspec.json.decode(data)
    except msgspec.DecodeError:
        raise UpstreamFailed("The engine sent an event that is not JSON.") from None
    if not isinstance(chunk, dict):
        raise UpstreamFailed("The engine sent an event that is not an object.")
    if name == b"error" or "error" in chunk:
        raise engine_error(500, data)
    events: list[ChatEvent] = []
    for choice in chunk.get("choices") or ():
        delta = choice.get("delta") or {}
        if delta.get("reasoning_content"):
            events.append(ReasoningDelta(delta["reasoning_content"]))
        if delta.get("content"):
            events.append(TextDelta(delta["content"]))
        if choice.get("finish_reason"):
            events.append(Finished(choice["finish_reason"]))
    usage = chunk.get("usage")
    if isinstance(usage, dict):
        events.append(Usage(usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0))
    return events


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
    if status == 501 or (400 <= status < 500 and status not in (401, 403, 404)):
        return InvalidRequest(f"The engine refused the request: {message}")
    return UpstreamFailed(f"The engine failed: {message}")
