"""What all calls of the data plane share: a watcher for the client's leave, and the pace of streams."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType

from corral.surfaces.asgi import KEEP_ALIVE_SECONDS, STALL_SECONDS, ClientGone, Headers, Receive

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
    """Cancels the work within when the client leaves, and lets that end quietly. The body must have been read."""

    __slots__ = ("_gone", "_receive", "_watcher", "_work")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone = False

    async def __aenter__(self) -> None:
        work = asyncio.current_task()
        assert work is not None
        self._work = work
        self._watcher = asyncio.create_task(self._watch(), name="disconnect watcher")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
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
        self._gone = True
        self._work.cancel()
