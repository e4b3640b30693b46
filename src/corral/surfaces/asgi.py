"""The few ASGI gestures that the bare endpoints share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from corral.kit.errors import PayloadTooLarge

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
KEEP_ALIVE_SECONDS = 15.0
_COMMENT = b": keep-alive\n\n"


class ClientGone(Exception):
    """The client closed the connection."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body. Raises PayloadTooLarge beyond `limit` bytes, ClientGone."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise PayloadTooLarge(f"The body is larger than the {limit} bytes allowed.")
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """A whole answer."""
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def header(scope: Scope, name: bytes) -> bytes | None:
    """The value of a header (name in lower case), None when it is absent."""
    for key, value in scope["headers"]:
        if key == name:
            result: bytes = value
            return result
    return None


class KeepAlive:
    """Sends a comment whenever a stream was silent for `seconds`, beginning the answer if need be."""

    def __init__(self, send: Send, headers: Headers, seconds: float = KEEP_ALIVE_SECONDS) -> None:
        self.begun = False
        self._headers = headers
        self._send = send
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._sent_at = self._loop.time()
        self._boundary = True
        self._ping: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(seconds, self._look)

    async def begin(self) -> None:
        """Sends the head of the answer, once."""
        if not self.begun:
            self.begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": self._headers})

    def touch(self, *, boundary: bool) -> None:
        """Something is being sent; a comment may follow it only at the `boundary` of an event."""
        self._sent_at = self._loop.time()
        self._boundary = boundary

    def stop(self) -> None:
        """No comment from now on."""
        self._timer.cancel()
        if self._ping is not None:
            self._ping.cancel()

    def _look(self) -> None:
        silent = self._loop.time() - self._sent_at
        if silent >= self._seconds and self._boundary:
            self._sent_at = self._loop.time()
            self._ping = self._loop.create_task(self._comment(), name="keep-alive")
            silent = 0.0
        self._timer = self._loop.call_later(max(0.05, self._seconds - silent), self._look)

    async def _comment(self) -> None:
        await self.begin()
        await self._send({"type": "http.response.body", "body": _COMMENT, "more_body": True})
