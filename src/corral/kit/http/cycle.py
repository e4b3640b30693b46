"""A request at the server and its answer: ASGI's three callables, and what ASGI has no word for (`surfaces.asgi.Peer`).

- The body when it is there already, and an answer that is whole, each without a message.
- Headers of whatever is answered, as the lines that they are on the wire.
- A call when the client has gone, so that nobody needs a task that waits for it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from corral.kit.http.lines import CONTROLS

_UNWRITTEN = (204, 304)
_OK = STATUS_LINE[200]
_FAILED = b"Internal Server Error"
_FAILED_HEAD = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", b"%d" % len(_FAILED)),
    (b"connection", b"close"),
]


class Cycle:
    """A request and its answer."""

    expected = False
    """Whether the client waits to be told before it sends its body."""
    more_body = True
    disconnected = started = complete = False
    _size = 0
    _news = False
    """Whether there is something to receive; `_event` is for who waits for that."""
    _event: asyncio.Event | None = None
    _tell: Callable[[], object] | None = None
    task: asyncio.Task[None] | None = None
    """What the application works in."""
    lines = b""
    """More headers of the answer, each with the end of its line."""
    most: float = math.inf
    """Bytes of a body that is given at once; more is received in pieces."""
    given = False
    """Whether the body was given at once."""
    _received = False
    """Whether any of the body was, in whichever way."""
    status = 0
    """Of the answer that has begun."""
    request_id = ""
    """For who looks at the request from without; the server has none."""
    _chunked: bool | None = None
    _left = 0
    """Bytes of the answer that are still to come, where their number was told."""

    def __init__(self, protocol: Any, known: Mapping[bytes, bytes], head_only: bool, keep_alive: bool) -> None:
        self.known = known
        """The headers by name (in lower case); of several of one name the last."""
        self._protocol = protocol
        self._transport = protocol.transport
        self._flow = protocol.flow
        self._head_only = head_only
        self.keep_alive = keep_alive
        self._parts: list[bytes] = []

    # for the connection

    def start(self, scope: Any) -> None:
        """Has the application answer."""
        protocol = self._protocol
        task = self.task = protocol.loop.create_task(self._run(scope))
        protocol.tasks.add(task)

    def take(self, body: bytes) -> None:
        """A piece of the body has come."""
        if self.complete:
            return
        self._parts.append(body)
        self._size += len(body)
        if self._size > HIGH_WATER_LIMIT:
            self._flow.pause_reading()
        self._news = True
        if self._event is not None:
            self._event.set()

    def tell(self) -> None:
        """There is something to receive."""
        self._news = True
        if self._event is not None:
            self._event.set()

    def lost(self) -> None:
        """The connection is gone."""
        if not self.complete:
            self.disconnected = True
            self._leave()
        self.tell()

    # for the application

    def whole(self) -> bytes | None:
        """The body, when all of it has come, nobody has received any of it and it has at most `most` bytes; else None."""
        if self.more_body or self.disconnected or self.expected or self._received or self._size > self.most:
            return None
        if self._flow.read_paused:
            self._flow.resume_reading()
        self._news = False
        self.given = self._received = True
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write(self, piece: bytes) -> bool:
        """Sends a piece of an answer that has begun and goes on behind it, where that can be done at once; else False."""
        if self._flow.write_paused or self.disconnected or self.complete or not self.started:
            return False
        if self._chunked and not self._head_only and piece:
            # Nearly always: the next piece of a stream.
            self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        else:
            self._body(piece, more=True)
        return True

    def answer(self, lines: bytes, body: bytes) -> bool:
        """Sends a whole answer with status 200, where that can be done at once; else False. `lines` are its headers but for its length."""
        if self._flow.write_paused or self.disconnected or self.started:
            return False
        self.started, self.status, self.expected = True, 200, False
        closes = b"" if self.keep_alive else b"connection: close\r\n"
        head = b"%b%bcontent-length: %d\r\n%b%b\r\n" % (_OK, lines, len(body), closes, self.lines)
        self._transport.write(head if self._head_only else head + body)
        self._end()
        return True

    def when_gone(self, tell: Callable[[], object] | None) -> None:
        """Has `tell` called once, when the client goes before its answer is whole; at once when it has gone already."""
        self._tell = tell
        if self.disconnected:
            self._leave()

    async def receive(self) -> MutableMapping[str, Any]:
        """See ASGI."""
        if self.expected and not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.expected = False
        if not (self.disconnected or self.complete):
            self._flow.resume_reading()
            if not self._news:
                event = self._event = self._event or asyncio.Event()
                event.clear()
                await event.wait()
            self._news = False
        if self.disconnected or self.complete:
            return {"type": "http.disconnect"}
        self._received = True
        parts, self._parts = self._parts, []
        self._size = 0
        return {"type": "http.request", "body": b"".join(parts), "more_body": self.more_body}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """See ASGI. Raises RuntimeError for what is out of order, and for a header that would end the head early."""
        if self._flow.write_paused and not self.disconnected:
            await self._flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.body" and self.started and not self.complete:
            self._body(message.get("body", b""), more=message.get("more_body", False))
        elif kind == "http.response.start" and not self.started:
            self._transport.write(self._head(message["status"], message.get("headers", ())))
        else:
            raise RuntimeError(f"{kind} is out of order in an answer")

    # within

    async def _run(self, scope: Any) -> None:
        """The application's work, and what is to be said when it fails."""
        protocol = self._protocol
        logger = protocol.logger
        try:
            await protocol.app(scope, self.receive, self.send)
            if self.complete or self.disconnected:
                return
            logger.error("The ASGI application returned before its answer was whole.")
        except BaseException as error:
            if self.disconnected and isinstance(error, asyncio.CancelledError):
                # Nobody is there to be answered, so the work has ended.
                return
            logger.error("Exception in ASGI application\n", exc_info=error)
        finally:
            # By itself: a callback of the task would be a step of the loop for every request.
            protocol.tasks.discard(self.task)
        if self.started or self.disconnected:
            self._transport.close()
        else:
            await self.send({"type": "http.response.start", "status": 500, "headers": _FAILED_HEAD})
            await self.send({"type": "http.response.body", "body": _FAILED})

    def _leave(self) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell()

    def _head(self, status: int, headers: Any) -> bytes:
        """The head on the wire; tells how the body is framed."""
        self.started, self.status = True, status
        self.expected = False
        told = [STATUS_LINE[status], *[b"%b: %b\r\n" % (name, value) for name, value in headers]]
        known = dict(headers)
        closes = not self.keep_alive
        if b"content-length" in known:
            self._left, self._chunked = int(known[b"content-length"]), False
        elif b"transfer-encoding" in known:
            self._chunked = known[b"transfer-encoding"].lower() == b"chunked"
        if b"close" in known.get(b"connection", b"").lower():
            self.keep_alive, closes = False, False
        if closes:
            told.append(b"connection: close\r\n")
        if self._chunked is None and not self._head_only and status not in _UNWRITTEN:
            self._chunked = True
            told.append(b"transfer-encoding: chunked\r\n")
        head = b"".join(told)
        if len(head) - len(head.translate(None, CONTROLS)) != 2 * len(told):
            raise RuntimeError("a header holds what a header cannot")
        return b"%b%b\r\n" % (head, self.lines)

    def _body(self, body: bytes, *, more: bool) -> None:
        if self._head_only:
            self._left = 0
            body = b""
        elif self._chunked:
            if body:
                body = b"%x\r\n%b\r\n" % (len(body), body) if more else b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            elif not more:
                body = b"0\r\n\r\n"
        else:
            self._left -= len(body)
            if self._left < 0:
                raise RuntimeError("the answer is longer than its content-length")
        if body:
            self._transport.write(body)
        if not more:
            self._end()

    def _end(self) -> None:
        if self._left:
            raise RuntimeError("the answer is shorter than its content-length")
        self.complete = True
        if self._event is not None:
            self._event.set()
        if self.keep_alive:
            self._protocol.on_response_complete()
        elif self.more_body:
            self._protocol.linger()
        else:
            self._transport.close()
