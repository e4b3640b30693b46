"""The HTTP server's own part of a request: uvicorn's protocol over httptools, with a cheaper way in and out and a word more for the
application. What is no request (WebSockets, nonsense, the end of the server) is uvicorn's.

What ASGI has no word for:

- `scope["extensions"][PEER]`: the body when it is there already, and a call when the client has gone, so that nobody needs a task
  that waits for it.
- `message[LINES]` of a message that begins an answer: more headers, as the lines that they are on the wire.
- `message[WHOLE]` of one: the body, where that is all of the answer; no further message follows, and no header says how long it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from functools import lru_cache
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from corral.kit.context import LINES, PEER, WHOLE
from corral.kit.http.flow import Flow
from corral.kit.http.gathering import Gathering
from corral.kit.http.lines import CONTROLS

_ASGI = {"version": "3.0", "spec_version": "2.3"}
_UNWRITTEN = (204, 304)
_SHORT = 256
"""Bytes of a target up to which it is remembered how it is read: most requests go to the same few."""
_FAILED = b"Internal Server Error"
_FAILED_HEAD = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]


def _read(target: bytes) -> tuple[str, bytes, bytes]:
    """The path, the path as it was written, and the query."""
    parsed = httptools.parse_url(target)
    path: bytes = parsed.path
    text = path.decode("ascii")
    return unquote(text) if "%" in text else text, path, parsed.query or b""


_remembered = lru_cache(maxsize=256)(_read)


class ServerProtocol(HttpToolsProtocol):
    """One connection of a client."""

    cycle: Any
    flow: Any
    pipeline: Any
    """Requests that came before their turn, each with its scope."""
    _idle_until: float | None = None
    """When a connection without a request is closed; None while one is under way. One timer serves all: it looks when it goes off."""
    _timer: asyncio.TimerHandle | None = None

    def __init__(self, *parts: Any, **named: Any) -> None:
        super().__init__(*parts, **named)
        self.pipeline = []

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self.transport = cast("asyncio.Transport", Gathering(transport, self.loop))
        self.flow = Flow(transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._idle_until = None
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        self.flow.resume_writing()
        if self.cycle is not None:
            self.cycle.lost()
        if exc is None:
            self.transport.close()
        self.parser = None

    # httptools

    def on_message_begin(self) -> None:
        """See httptools."""
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """See httptools: a request begins. The first step of the application is still to come."""
        parser, target, headers = self.parser, self.url, self.headers
        method, version = parser.get_method().decode("ascii"), parser.get_http_version()
        path, raw_path, query = _remembered(target) if len(target) <= _SHORT else _read(target)
        scope: Any = {
            "type": "http", "asgi": _ASGI, "http_version": version, "server": self.server, "client": self.client, "scheme": self.scheme,
            "root_path": "", "method": method, "path": path, "raw_path": raw_path, "query_string": query, "headers": headers,
        }  # fmt: skip
        self.scope = scope
        if parser.should_upgrade() and self._should_upgrade():
            return
        before = self.cycle
        cycle = self.cycle = Cycle(self, method == "HEAD", version != "1.0" and parser.should_keep_alive())
        expected = dict(headers).get(b"expect")
        cycle.expected = expected is not None and expected.lower() == b"100-continue"
        scope["extensions"] = {PEER: cycle}
        if before is None or before.complete:
            cycle.start(scope)
        else:
            # It came before its turn: it is answered when the one before it has been.
            self.flow.pause_reading()
            self.pipeline.append((cycle, scope))

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self.cycle.take(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        cycle = self.cycle
        if not (self.parser.should_upgrade() and self._should_upgrade()):
            cycle.more_body = False
            cycle.tell()

    # for its requests

    def on_response_complete(self) -> None:
        """An answer was given: the next request may be."""
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, scope = self.pipeline.pop(0)
            cycle.start(scope)
            return
        self._idle_until = until = self.loop.time() + self.timeout_keep_alive
        if self._timer is None:
            self._timer = self.loop.call_at(until, self._look)

    def shutdown(self) -> None:
        """See uvicorn: ends with the answer under way."""
        if self.cycle is None or self.cycle.complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    def _look(self) -> None:
        self._timer = None
        until = self._idle_until
        if until is None:
            return
        if self.loop.time() >= until:
            self.transport.close()
        else:
            self._timer = self.loop.call_at(until, self._look)


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
    _tell: Callable[[], None] | None = None
    task: asyncio.Task[None] | None = None
    """What the application works in."""
    _chunked: bool | None = None
    _left = 0
    """Bytes of the answer that are still to come, where their number was told."""

    def __init__(self, protocol: ServerProtocol, head_only: bool, keep_alive: bool) -> None:
        self._protocol = protocol
        self._transport = protocol.transport
        self._flow = protocol.flow
        self._loop = protocol.loop
        self._head_only = head_only
        self.keep_alive = keep_alive
        self._parts: list[bytes] = []

    # for the connection

    def start(self, scope: Any) -> None:
        """Has the application answer."""
        task = self.task = self._loop.create_task(self._run(scope))
        self._protocol.tasks.add(task)

    def take(self, body: bytes) -> None:
        """A piece of the body has come."""
        if self.complete:
            return
        self._parts.append(body)
        self._size += len(body)
        if self._size > HIGH_WATER_LIMIT:
            self._flow.pause_reading()
        self.tell()

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
        """The body, when all of it has come and nobody has received any of it; else None."""
        if self.more_body or self.disconnected or self.expected:
            return None
        self._flow.resume_reading()
        self._news = False
        return self._taken()

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

    def when_gone(self, tell: Callable[[], None] | None) -> None:
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
        return {"type": "http.request", "body": self._taken(), "more_body": self.more_body}

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
            whole = message.get(WHOLE)
            head = self._head(message["status"], message.get("headers", ()), message.get(LINES, b""), whole)
            if whole is None:
                self._transport.write(head)
            else:
                self._transport.write(head if self._head_only else head + whole)
                self._end()
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
            logger.error("Exception in ASGI application\n", exc_info=error)
        finally:
            # By itself: a callback of the task would be a step of the loop for every request.
            protocol.tasks.discard(self.task)
        if self.started or self.disconnected:
            self._transport.close()
        else:
            await self.send({"type": "http.response.start", "status": 500, "headers": _FAILED_HEAD, WHOLE: _FAILED})

    def _leave(self) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell()

    def _taken(self) -> bytes:
        """What of the body has come and was not received yet."""
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self._size = 0
        return body

    def _head(self, status: int, headers: Any, lines: bytes, whole: bytes | None) -> bytes:
        """The head on the wire; tells how the body is framed."""
        self.started = True
        self.expected = False
        told = [STATUS_LINE[status], *[b"%b: %b\r\n" % (name, value) for name, value in headers]]
        known = dict(headers)
        closes = not self.keep_alive
        if whole is not None:
            self._chunked = False
            told.append(b"content-length: %d\r\n" % len(whole))
        elif b"content-length" in known:
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
        return b"%b%b\r\n" % (head, lines)

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
        if not self.keep_alive:
            self._transport.close()
        self._protocol.on_response_complete()
