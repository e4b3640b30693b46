"""A whole answer in OpenAI's form, put together from its stream.

llama.cpp looks after the client of a request without streaming only while all else in the engine is silent, so an
abandoned one would keep its slot to the end. A stream is noticed at the next token: engines are always asked for one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from corral.dialects.sse import SseReader
from corral.kit.errors import UpstreamFailed
from corral.providers.local import engine_error

_JOINED = frozenset({"content", "reasoning_content", "refusal", "text", "arguments"})


def as_stream(body: bytes) -> bytes:
    """The request `body`, asking for a stream that ends with its usage."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    fields["stream"] = msgspec.Raw(b"true")
    fields["stream_options"] = msgspec.Raw(b'{"include_usage":true}')
    return msgspec.json.encode(fields)


async def assemble(chunks: AsyncIterator[bytes]) -> bytes:
    """The answer that the stream `chunks` tells. Raises the engine's error, and UpstreamFailed for half an answer."""
    reader, answer = SseReader(), Answer()
    done = False
    async for chunk in chunks:
        for name, data in reader.feed(chunk):
            if data == b"[DONE]":
                done = True
            else:
                answer.add(name, data)
    if not done:
        raise UpstreamFailed("The engine's answer ended before it was finished.")
    return msgspec.json.encode(answer.whole())


class Answer:
    """The answer so far."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}

    def add(self, name: bytes, data: bytes) -> None:
        """Takes one event in. Raises UpstreamFailed for one that is an error or nonsense."""
        try:
            event = msgspec.json.decode(data)
        except msgspec.DecodeError:
            raise UpstreamFailed("The engine sent an event that is not JSON.") from None
        if not isinstance(event, dict):
            raise UpstreamFailed("The engine sent an event that is not an object.")
        if name == b"error" or "error" in event:
            raise engine_error(500, data)
        for choice in event.pop("choices", None) or ():
            mine = self._choices.setdefault(choice.get("index", 0), {})
            delta = choice.pop("delta", None)
            if delta is not None:
                merge(mine.setdefault("message", {"role": "assistant", "content": None}), delta)
            merge(mine, choice)
        self._fields.update((key, value) for key, value in event.items() if value is not None)

    def whole(self) -> dict[str, Any]:
        """The answer in the form that a request without streaming gets."""
        choices = [{"finish_reason": None, **self._choices[index]} for index in sorted(self._choices)]
        for choice in choices:
            for call in choice.get("message", {}).get("tool_calls") or ():
                call.pop("index", None)
        fields = dict(self._fields)
        if fields.get("object") == "chat.completion.chunk":
            fields["object"] = "chat.completion"
        return {"choices": choices, **fields}


def merge(into: dict[str, Any], piece: dict[str, Any]) -> None:
    """Adds a piece: texts and log probabilities are joined, tool calls by their index, all else is replaced."""
    for key, value in piece.items():
        known = into.get(key)
        if value is None:
            into.setdefault(key, None)
        elif key == "tool_calls":
            calls = into.setdefault(key, [])
            for call in value:
                _merge_call(calls, call)
        elif key in _JOINED and isinstance(known, str) and isinstance(value, str):
            into[key] = known + value
        elif isinstance(known, list) and isinstance(value, list):
            known.extend(value)
        elif isinstance(known, dict) and isinstance(value, dict):
            merge(known, value)
        else:
            into[key] = value


def _merge_call(calls: list[dict[str, Any]], piece: dict[str, Any]) -> None:
    for call in calls:
        if call.get("index") == piece.get("index"):
            merge(call, piece)
            return
    calls.append(piece)
