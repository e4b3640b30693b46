"""Answers that are sent a second time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from corral.inference.types import Streaming

_PIECE = 32 * 1024
_OF_ONE_REQUEST = ("x-corral-cache", "x-corral-attempts", "x-request-id", "idempotent-replayed")


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that belong to an answer and not to the request that it was first made for."""
    return {
        name: value
        for name, value in headers.items()
        if name.lower() not in _OF_ONE_REQUEST and not name.lower().startswith("ratelimit")
    }


def with_headers(streaming: Streaming, more: Mapping[str, str]) -> Streaming:
    """The same answer with more headers."""
    streaming.headers = {**streaming.headers, **more}
    return streaming


def pieces_of(body: bytes, media_type: str) -> Iterator[bytes]:
    """A stream in pieces of some size, each a whole number of events (or lines)."""
    if not body:
        yield body
        return
    mark = b"\n\n" if media_type.startswith("text/event-stream") else b"\n"
    begin = 0
    while begin < len(body):
        end = body.find(mark, begin + _PIECE)
        end = len(body) if end < 0 else end + len(mark)
        yield body[begin:end]
        begin = end
