"""The few ASGI gestures that the bare endpoints share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol

from corral.kit.context import PEER

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
_NO_HEADERS: Headers = []
KEEP_ALIVE_SECONDS = 15.0
STALL_SECONDS = 60.0
COMMENT = b": keep-alive\n\n"
"""Keeps a stream of server-sent events open; every client skips it."""


class Peer(Protocol):
    """What the server under an application tells beyond ASGI (`kit.http.cycle`); not every server does."""

    task: asyncio.Task[None] | None
    """What the application works in. That it was cancelled after the client had gone is no failure to the server."""
    known: Mapping[bytes, bytes]
    """The headers of the request by name (in lower case); of several of one name the last."""
    lines: bytes
    """More headers of the answer, whatever it will be, each with the end of its line. The edge's to say."""
    most: float
    """Bytes of a body that `whole` gives; a longer one is received in pieces. The edge's to say."""
    request_id: str
    """The edge's to say, for who looks at the request from around it."""

    @property
    def given(self) -> bool:
        """Whether `whole` has given the body."""
        ...

    @property
    def started(self) -> bool:
        """Whether the answer has begun."""
        ...

    @property
    def status(self) -> int:
        """Of an answer that has begun."""
        ...

    def whole(self) -> bytes | None:
        """The body, when all of it has come, nobody has received any of it and it has at most `most` bytes; else None."""
        ...

    def answer(self, lines: bytes, body: bytes) -> bool:
        """Sends a whole answer with status 200, where that can be done at once; else False, and nothing is sent. `lines` are its headers
        as they are on the wire; how long it is says the server."""
        ...

    def write(self, piece: bytes) -> bool:
        """Sends a piece of an answer that has begun and goes on behind it, where that can be done at once; else False."""
        ...

    def when_gone(self, tell: Callable[[], object] | None) -> None:
        """Has `tell` called once, when the client goes before its answer is whole; at once when it has gone already."""
        ...


def peer_of(scope: Scope) -> Peer | None:
    """Who tells it for this request."""
    peer: Peer | None = scope.get(PEER)
    return peer


class ClientGone(Exception):
    """The client closed the connection, or takes nothing any more."""


async def read_body(receive: Receive) -> bytes:
    """The whole body; its size and pace are the edge's to bound. Raises ClientGone."""
    message = await receive()
    if message["type"] != "http.disconnect" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        return body
    parts: list[bytes] = []
    while message["type"] != "http.disconnect":
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
    raise ClientGone


async def respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """A whole answer."""
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def header(scope: Scope, name: bytes) -> bytes | None:
    """The value of a header (name in lower case), None when it is absent."""
    for key, value in scope["headers"]:
        if key == name:
            result: bytes = value
            return result
    return None


class EventStream:
    """An answer in events (server-sent ones, or lines).

    `comment` is sent whenever it was silent for `keep_alive` seconds, beginning the answer if need be; without one only
    the beginning is. A client that takes nothing for `stall` seconds is given up with ClientGone, so that it cannot hold
    what the answer holds.
    """

    def __init__(
        self,
        send: Send,
        headers: Headers,
        *,
        keep_alive: float = KEEP_ALIVE_SECONDS,
        stall: float = STALL_SECONDS,
        comment: bytes = COMMENT,
        peer: Peer | None = None,
    ) -> None:
        self.begun = False
        self._comment_bytes = comment
        self._headers = headers
        self._send = send
        self._peer = peer
        self._keep_alive = keep_alive
        self._stall = stall
        self._loop = asyncio.get_running_loop()
        self._owner = asyncio.current_task()
        self._since = self._loop.time()
        self._sending = False
        self._stalled = False
        self._boundary = True
        self._ping: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(min(keep_alive, stall), self._look)

    async def begin(self, headers: Headers = _NO_HEADERS) -> None:
        """Sends the head of the answer, once; with `headers` when no keep-alive had to begin it before they were known."""
        if self._ping is not None:
            await self._ping
        if headers and not self.begun:
            self._headers = [*self._headers, *headers]
        await self._head()

    def push(self, piece: bytes) -> bool:
        """Sends a piece that an event ends with, where nobody has to wait for that; else False, and `send` is for it."""
        if self._peer is None or self._ping is not None or not self.begun or not self._peer.write(piece):
            return False
        self._since = self._loop.time()
        self._boundary = True
        return True

    async def send(self, piece: bytes, *, boundary: bool = True) -> None:
        """Sends a piece, waiting while the client is behind; `boundary` tells whether an event ends with it.

        Raises ClientGone when the client takes nothing any more.
        """
        self._since = self._loop.time()
        self._sending = True
        try:
            if self._ping is not None:
                await self._ping
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        except asyncio.CancelledError:
            if self._stalled and self._owner is not None and self._owner.uncancel() == 0:
                raise ClientGone from None
            raise
        finally:
            self._sending = False
        self._boundary = boundary

    async def end(self, last: bytes = b"") -> None:
        """Sends the last piece."""
        self._timer.cancel()
        if self._ping is not None:
            await self._ping
        await self._send({"type": "http.response.body", "body": last, "more_body": False})

    def stop(self) -> None:
        """No comment from now on."""
        self._timer.cancel()
        if self._ping is not None:
            self._ping.cancel()

    def _look(self) -> None:
        silent = self._loop.time() - self._since
        limit = self._keep_alive
        if self._sending:
            limit = self._stall
            if silent >= limit and self._owner is not None:
                self._stalled = True
                self._owner.cancel()
                return
        elif silent >= limit and self._boundary and self._ping is None:
            self._since = self._loop.time()
            self._ping = self._loop.create_task(self._comment(), name="keep-alive")
            silent = 0.0
        self._timer = self._loop.call_later(max(0.05, limit - silent), self._look)

    async def _head(self) -> None:
        if not self.begun:
            self.begun = True
            headers, self._headers = self._headers, _NO_HEADERS
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _comment(self) -> None:
        try:
            await self._head()
            if self._comment_bytes:
                await self._send({"type": "http.response.body", "body": self._comment_bytes, "more_body": True})
        finally:
            self._ping = None
