"""What all calls of the data plane share: a watcher for the client's leave, and the pace of streams."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType

from corral.surfaces.asgi import KEEP_ALIVE_SECONDS, STALL_SECONDS, ClientGone, Headers, Peer, Receive

STREAM_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of silence before a keep-alive, and until a client that takes nothing is given up."""

    keep_alive: float = KEEP_ALIVE_SECONDS
    stall: float = STALL_SECONDS


class Watched:
    """Cancels the work within when the client leaves, and lets that end quietly. The body must have been read.

    Without a `peer` that tells it, a task waits for the client's leave.
    """

    __slots__ = ("_gone", "_peer", "_receive", "_watcher", "_work")

    def __init__(self, receive: Receive, peer: Peer | None = None) -> None:
        self._receive = receive
        self._peer = peer
        self._watcher: asyncio.Task[None] | None = None
        self._gone = False

    def __enter__(self) -> None:
        # Not asked of asyncio where the server knows it: that is written in Python, and every request would pay for it.
        work = self._peer.task if self._peer is not None else asyncio.current_task()
        assert work is not None
        self._work = work
        if self._peer is not None:
            self._peer.when_gone(self._leave)
        else:
            self._watcher = asyncio.create_task(self._watch(), name="disconnect watcher")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._peer is not None:
            self._peer.when_gone(None)
        elif self._watcher is not None:
            self._watcher.cancel()
        if kind is None:
            return False
        if issubclass(kind, asyncio.CancelledError) and self._gone:
            self._work.uncancel()
            return True
        return issubclass(kind, ClientGone)

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        self._gone = True
        self._work.cancel()
