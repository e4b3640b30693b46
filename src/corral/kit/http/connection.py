"""One connection: an asyncio protocol around httptools' parser, with back-pressure and a hard abort."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import cast

import httptools

from corral.kit.errors import UpstreamFailed, UpstreamTimeout
from corral.kit.http.gathering import Gathering
from corral.kit.http.lines import media_type

HIGH_WATER = 256 * 1024
"""Bytes of an answer that may wait for their reader before the socket is paused."""
MAX_HEADERS = 128
MAX_HEAD_BYTES = 64 * 1024
_NOWHERE: deque[tuple[bytes, bytes]] = deque(maxlen=0)
"""Where headers go that are nothing to anybody."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, until the head of the answer, and between two pieces of its body."""

    connect: float = 5.0
    head: float = 600.0
    idle: float = 600.0


class Connection(asyncio.Protocol):
    """Carries one request at a time."""

    def __init__(self, who: str = "The engine") -> None:
        self.who = who
        self.transport: asyncio.Transport | None = None
        self.used = False
        self.closed = False
        self.response: Response | None = None
        self._fields: list[tuple[bytes, bytes]] | deque[tuple[bytes, bytes]] = _NOWHERE
        self._parser = httptools.HttpResponseParser(self)
        self._writable: asyncio.Future[None] | None = None
        self._unfinished = 0
        """Bytes of an answer whose head is not whole."""
        self.loop = asyncio.get_running_loop()
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._rings = math.inf
        """When the timer goes off, by the loop's clock."""

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        # uvloop's transports are not subclasses of asyncio's.
        self.transport = cast("asyncio.Transport", Gathering(cast("asyncio.Transport", transport), self.loop))

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self.response is None:
            # Bytes that nobody asked for: the connection cannot be trusted any more.
            self.abort()
            return
        response = self.response
        response.begun = True
        if not response.status:
            self._unfinished += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(UpstreamFailed(f"{self.who} sent what is not valid HTTP."))
            return
        if not response.status and self._unfinished > MAX_HEAD_BYTES:
            # The parser keeps a header that does not end; it must not keep it for ever.
            self._fail(UpstreamFailed(f"{self.who} sent a head that does not end."))

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._writable and not self._writable.done():
            self._writable.set_result(None)
        response = self.response
        if response is not None and not response.complete:
            if response.until_close and exc is None:
                response.finish()
            else:
                response.fail(UpstreamFailed(f"{self.who} closed the connection in the middle of its answer."))

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        if self._writable and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # httptools callbacks

    def on_message_begin(self) -> None:
        """The first byte of an answer; one that comes behind a whole answer was not asked for."""
        if self.response is None:
            raise httptools.HttpParserError("an answer without a request")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of the answer; what comes behind its body is nothing to anybody."""
        self._fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is there."""
        response = self.response
        if response is None:
            return
        headers = response.told
        if self._unfinished > MAX_HEAD_BYTES and sum(map(len, chain.from_iterable(headers))) > MAX_HEAD_BYTES:
            raise httptools.HttpParserError("a head that is too long")
        if len(headers) > MAX_HEADERS:
            raise httptools.HttpParserError("too many headers")
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            headers.clear()
            return
        response.status, self._fields = status, _NOWHERE
        response.keep_alive = self._parser.should_keep_alive()
        known = response.known = dict(reversed(headers))
        if b"content-length" not in known and b"transfer-encoding" not in known:
            response.until_close = status not in (204, 304)
        response.wake()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if self.response is not None:
            self.response.push(body)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self.response is not None and self.response.status:
            self.response.finish()

    # for the pool

    def ask(self, data: bytes, response: Response) -> bool:
        """Writes a request, to which `response` is to be the answer; whether the socket took all of it, else `drain`."""
        assert self.transport is not None
        self.response, self._fields = response, response.told
        self._unfinished = 0
        self.transport.write(data)
        return self._writable is None

    async def drain(self, seconds: float) -> None:
        """Waits while the socket is full. Raises UpstreamTimeout when it stays so."""
        try:
            async with asyncio.timeout(seconds):
                while self._writable is not None and not self.closed:
                    await self._writable
        except TimeoutError:
            raise UpstreamTimeout(f"{self.who} did not take the request within {seconds:.0f} s.") from None

    def expect(self, seconds: float) -> None:
        """Something must come within `seconds`, or the response is told that nothing did.

        One timer serves all waits: it looks when it goes off whether meanwhile there was reason to wait longer.
        """
        self._due = due = self.loop.time() + seconds
        if due < self._rings:
            self._ring_at(due)

    def _ring_at(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings = due
        self._timer = self.loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer, self._rings = None, math.inf
        response = self.response
        if response is None or not response.waits:
            return
        if self.loop.time() < self._due:
            self._ring_at(self._due)
        else:
            response.time_out()

    def abort(self) -> None:
        """Closes at once; the other side sees a reset or an end."""
        self.closed = True
        if self.transport is not None:
            self.transport.abort()

    def _fail(self, error: UpstreamFailed) -> None:
        if self.response is not None:
            self.response.fail(error)
        self.abort()


class Response:
    """An answer as it arrives. Read it to its end, or `abort` it: either gives the connection back."""

    status = 0
    known: Mapping[bytes, bytes] = MappingProxyType({})
    """The headers by name (in lower case), of several of one name the first."""
    keep_alive = False
    until_close = False
    complete = False
    begun = False
    _over: Callable[[], None] | None = None
    _waiting = 0
    _paused = False
    _error: UpstreamFailed | UpstreamTimeout | None = None
    _seconds = 0.0
    _waiter: asyncio.Future[None] | None = None

    def __init__(self, connection: Connection, release: Callable[[Connection, bool], None], timeouts: Timeouts) -> None:
        self.told: list[tuple[bytes, bytes]] = []
        """The headers as they came."""
        self._connection = connection
        self._release: Callable[[Connection, bool], None] | None = release
        self._timeouts = timeouts
        self._chunks: list[bytes] = []

    def header(self, name: bytes) -> bytes | None:
        """The value of a header (name in lower case), or None."""
        return self.known.get(name)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers as text, names in lower case; of several of one name, the first."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self.known.items()}

    @property
    def media_type(self) -> str:
        """Its content type without parameters, in lower case; empty where it tells none."""
        return media_type(self.known.get(b"content-type", b"").decode("latin-1"))

    def whole(self, limit: int) -> bytes | None:
        """The body, when all of it has come, as nearly always with the head of a short one, and it has at most `limit` bytes; else None.
        Given once."""
        if not self.complete or self._waiting > limit:
            return None
        chunks, self._chunks = self._chunks, []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body in the pieces that arrive; what waits is one piece. Raises UpstreamFailed when it is cut, UpstreamTimeout on silence.
        Who leaves it before its end gives it up."""
        chunks = self._chunks
        try:
            while True:
                while chunks:
                    chunk = chunks.pop() if len(chunks) == 1 else b"".join(chunks)
                    chunks.clear()
                    self._waiting = 0
                    if self._paused:
                        self._resume()
                    yield chunk
                if self._error is not None:
                    raise self._error
                if self.complete:
                    return
                await self.news(self._timeouts.idle)
        finally:
            if self._release is not None:
                self.abort()

    async def read(self, limit: int = 64 * 1024 * 1024) -> bytes:
        """The whole body. Raises UpstreamFailed when it is longer than `limit` bytes, and as `chunks`."""
        body = self.whole(limit)
        if body is not None:
            return body
        parts: list[bytes] = []
        size = 0
        while True:
            parts += self._chunks
            size += self._waiting
            self._taken()
            if size > limit:
                self.abort()
                raise UpstreamFailed(f"{self._connection.who} sent an answer of more than {limit} bytes.")
            if self._error is not None:
                raise self._error
            if self.complete:
                return parts[0] if len(parts) == 1 else b"".join(parts)
            await self.news(self._timeouts.idle)

    def abort(self) -> None:
        """Gives up the answer; an unfinished one costs the connection."""
        if self._release is not None:
            self._connection.abort()
            self._leave(False)
        if not self.complete and self._error is None:
            self._error = UpstreamFailed("The request was given up.")
        if self._waiter is not None:
            self.wake()

    def when_over(self, tell: Callable[[], None]) -> None:
        """Has `tell` called once, when all of it has come or it was given up; at once when that is so already."""
        if self._release is None:
            tell()
        else:
            self._over = tell

    # for the pool and the connection

    def news(self, seconds: float) -> asyncio.Future[None]:
        """What is to be awaited until something comes, or nothing does for so long. Raises what has ended the answer."""
        if self._error is not None:
            raise self._error
        connection = self._connection
        self._seconds = seconds
        connection.expect(seconds)
        waiter = self._waiter = connection.loop.create_future()
        return waiter

    def push(self, body: bytes) -> None:
        """Adds a piece, pausing the socket when its reader is behind."""
        self._chunks.append(body)
        self._waiting += len(body)
        if self._waiting > HIGH_WATER and not self._paused and self._connection.transport is not None:
            self._paused = True
            self._connection.transport.pause_reading()
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def finish(self) -> None:
        """The answer is whole; the connection is free."""
        self.complete = True
        if self._paused:
            self._resume()
        if self._release is not None:
            self._leave(self.keep_alive and not self.until_close)
        if self._waiter is not None:
            self.wake()

    def fail(self, error: UpstreamFailed) -> None:
        """The answer broke off."""
        self._error = error
        if self._release is not None:
            self._leave(False)
        self.wake()

    def wake(self) -> None:
        """Lets the reader look again."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def time_out(self) -> None:
        """Nothing came in time."""
        self._error = UpstreamTimeout(f"{self._connection.who} said nothing for {self._seconds:.0f} s.")
        self.abort()

    @property
    def waits(self) -> bool:
        """Whether somebody waits for something to come."""
        return self._waiter is not None and not self._waiter.done()

    def _leave(self, reusable: bool) -> None:
        """Gives the connection back, once."""
        release, self._release = self._release, None
        self._connection.response = None
        if release is not None:
            release(self._connection, reusable)
        if self._over is not None:
            self._over()

    def _taken(self) -> None:
        self._chunks.clear()
        self._waiting = 0
        if self._paused:
            self._resume()

    def _resume(self) -> None:
        self._paused = False
        transport = self._connection.transport
        if transport is not None and not transport.is_closing():
            transport.resume_reading()
