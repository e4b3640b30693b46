"""The load: connections that cost next to nothing, so that what they wait for is the server.

`Whole` asks again as soon as it is answered; `Streams` starts streams, keeps what arrives as it arrives and reads it afterwards.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import httptools
import msgspec

MODEL = "bench"
KEY = "sk-bench"
_SAID = b"A short answer of some words."
_NUMBER = re.compile(rb'"content":\s?"(\d+) "')


def asked(model: str, *, stream: bool, **bench: Any) -> bytes:
    """A chat request; what the upstream shall do is in its message, which every program passes on."""
    content = msgspec.json.encode({"bench": bench}).decode()
    return msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": content}], "stream": stream})


def request(port: int, body: bytes) -> bytes:
    """The request as it goes over the wire."""
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nauthorization: Bearer %s\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (port, KEY.encode(), len(body), body)
    )


@dataclass(slots=True)
class Answer:
    """One answer: when it was asked for, when its first content and its end came (seconds of the clock for timing), and all of it."""

    began: float
    first: float = 0.0
    ended: float = 0.0
    status: int = 0
    pieces: list[bytes] = field(default_factory=list)

    def numbers(self) -> list[int]:
        """The numbers of the events in it."""
        return [int(found) for found in _NUMBER.findall(b"".join(self.pieces))]

    def whole(self, events: int) -> bool:
        """Whether it is a stream of so many events in their order, with its end."""
        clean = self.status == 200 and self.ended > 0 and b"data: [DONE]" in b"".join(self.pieces[-3:])
        return clean and self.numbers() == list(range(events))


class Connection(asyncio.Protocol):
    """One connection with one request at a time; tells when an answer is whole, or that it will never be."""

    def __init__(self, told: Callable[[Connection], None]) -> None:
        self.answer: Answer | None = None
        self.alive = True
        self._told = told
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None

    def ask(self, data: bytes) -> None:
        """Sends a request."""
        assert self._transport is not None
        self.answer = Answer(time.perf_counter())
        self._transport.write(data)

    def close(self) -> None:
        """Hangs up without telling."""
        self._told = lambda _: None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.alive = False
        if self.answer is not None:
            self._told(self)

    def on_body(self, body: bytes) -> None:
        answer = self.answer
        if answer is None:
            return
        if not answer.first:
            answer.first = time.perf_counter()
        answer.pieces.append(body)

    def on_message_complete(self) -> None:
        answer = self.answer
        if answer is None:
            return
        answer.status, answer.ended = self._parser.get_status_code(), time.perf_counter()
        if not self._parser.should_keep_alive():
            self.alive = False
        self._told(self)


async def connect(port: int, told: Callable[[Connection], None]) -> Connection:
    """A connection to a server of this machine."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(told), "127.0.0.1", port)
    return connection


@dataclass(slots=True)
class Told:
    """What a closed loop of requests came to."""

    done: int = 0
    failed: int = 0
    seconds: float = 0.0


async def whole(port: int, data: bytes, connections: int, seconds: float) -> Told:
    """Requests without streaming, `connections` at once, for so long."""
    loop, told = asyncio.get_running_loop(), Told()
    left, over = connections, loop.create_future()
    until = loop.time() + seconds

    def answered(connection: Connection) -> None:
        nonlocal left
        answer = connection.answer
        good = answer is not None and answer.status == 200 and answer.ended > 0 and _SAID in b"".join(answer.pieces)
        told.done += good
        told.failed += not good
        if connection.alive and loop.time() < until:
            connection.ask(data)
            return
        connection.answer = None
        left -= 1
        if not left and not over.done():
            over.set_result(None)

    opened = [await connect(port, answered) for _ in range(connections)]
    began = loop.time()
    for connection in opened:
        connection.ask(data)
    try:
        await asyncio.wait_for(over, seconds + 30)
    except TimeoutError:
        told.failed += left
    told.seconds = loop.time() - began
    for connection in opened:
        connection.close()
    return told


class Streams:
    """Streams of one server; connections are kept for the next one."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._waiting: dict[Connection, asyncio.Future[None]] = {}
        self._idle: list[Connection] = []

    def _told(self, connection: Connection) -> None:
        waiting = self._waiting.pop(connection, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def one(self, data: bytes, until: float) -> Answer:
        """A stream, until its end or this moment of the loop's time; what has come by then. A refused connection is an empty answer."""
        loop = asyncio.get_running_loop()
        try:
            connection = await self._take()
        except OSError:
            return Answer(time.perf_counter())
        waiting = self._waiting[connection] = loop.create_future()
        connection.ask(data)
        answer = connection.answer
        assert answer is not None
        try:
            async with asyncio.timeout_at(until):
                await waiting
        except TimeoutError:
            self._waiting.pop(connection, None)
        finally:
            connection.answer = None
            if answer.ended and connection.alive:
                self._idle.append(connection)
            else:
                connection.close()
        return answer

    async def _take(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.alive:
                return connection
        return await connect(self._port, self._told)

    def close(self) -> None:
        """Hangs up everywhere."""
        for connection in (*self._idle, *self._waiting):
            connection.close()
