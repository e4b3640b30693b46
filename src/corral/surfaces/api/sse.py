"""Turn events as server-sent events: each with its offset as id, so that a client can go on where it was."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from corral.agents import Event
from corral.kit.faultpoints import reach
from corral.surfaces.asgi import ClientGone, EventStream


def encode_event(turn_id: str, event: Event) -> bytes:
    """One event."""
    return b"id: %d\ndata: %s\n\n" % (event.offset, msgspec.json.encode(event.as_dict(turn_id)))


class TurnStream(Response):
    """Streams a turn's events until its end, the client's leave or the server's stop.

    The generator is always closed, and a client that reads slowly holds up nobody: it is served from the log.
    """

    media_type = "text/event-stream"

    def __init__(self, turn_id: str, events: AsyncGenerator[Event, None]) -> None:
        super().__init__(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._turn_id = turn_id
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See starlette."""
        work = asyncio.create_task(self._send_all(send), name=f"events of {self._turn_id}")
        gone = asyncio.create_task(_disconnected(receive), name="disconnect watcher")
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
        finally:
            for task in (work, gone):
                task.cancel()
            await asyncio.wait({work, gone})

    async def _send_all(self, send: Send) -> None:
        stream = EventStream(send, self.raw_headers)
        try:
            await stream.begin()
            async with contextlib.aclosing(self._events) as events:
                async for event in events:
                    await stream.send(encode_event(self._turn_id, event))
                    reach("api.event_sent")
            await stream.end()
        except ClientGone:
            return
        finally:
            stream.stop()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
