"""Calls of the data plane: a body comes in, inference answers it, and the answer goes out as it arrives.

Bare ASGI. The body is parsed here only for what the surface itself needs; a watcher ends the work when the client leaves,
in the queue, before and after the first token. After a keep-alive began the answer, a failure is an event of the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import msgspec

from corral.accounts.types import Principal
from corral.dialects.form import ChatRequest
from corral.dialects.ports import About, Dialect
from corral.dialects.registry import DIALECTS
from corral.inference.types import Ask, Reply, Streaming
from corral.kit.context import request_id
from corral.kit.errors import CorralError
from corral.kit.http.lines import lines_of
from corral.providers.types import Operation
from corral.surfaces.asgi import (
    ClientGone,
    EventStream,
    Headers,
    Receive,
    Scope,
    Send,
    read_body,
    respond,
)
from corral.surfaces.bodies import LARGE, require_json
from corral.surfaces.door import Pace, Watched
from corral.surfaces.table import Visitor

OPENAI = "openai"
"""The dialect of what is no chat."""


class Asked(msgspec.Struct, frozen=True):
    """What a surface reads in a body. `comment` keeps the stream open; None is the dialect's own."""

    model: str | None
    stream: bool
    comment: bytes | None = None


class Answers(Protocol):
    """Who answers (`inference.Inference`)."""

    async def whole(self, principal: Principal, ask: Ask) -> Reply:
        """A whole answer. Raises CorralError."""
        ...

    async def stream(self, principal: Principal, ask: Ask) -> Streaming:
        """An answer as it arrives. Raises CorralError before it begins."""
        ...


@dataclass(frozen=True, slots=True)
class Manner:
    """How one kind of call is read. `read` raises InvalidRequest naming the field at fault."""

    operation: Operation
    dialect: str
    read: Callable[[bytes, Visitor], Asked]


class Calls:
    """The endpoint of one kind of call."""

    def __init__(self, answers: Answers, manner: Manner, pace: Pace) -> None:
        self._answers = answers
        self._manner = manner
        self._pace = pace

    def __call__(self, scope: Scope, receive: Receive, send: Send, visitor: Visitor) -> Awaitable[None]:
        """See `table.Endpoint`. Raises CorralError before the answer has begun."""
        require_json(visitor.headers.get("content-type"))
        body = visitor.peer.whole() if visitor.peer is not None else None
        if body is None or len(body) >= LARGE:
            return self._read(receive, send, visitor, body)
        return self._answer(receive, send, visitor, body, self._manner.read(body, visitor))

    async def _read(self, receive: Receive, send: Send, visitor: Visitor, body: bytes | None) -> None:
        """The same for a body that has not come whole yet, or takes long to read."""
        try:
            await self.answer(receive, send, visitor, body if body is not None else await read_body(receive))
        except ClientGone:
            return

    async def answer(self, receive: Receive, send: Send, visitor: Visitor, body: bytes) -> None:
        """Answers a body that was read. Raises CorralError before the answer has begun."""
        read = self._manner.read
        asked = read(body, visitor) if len(body) < LARGE else await asyncio.to_thread(read, body, visitor)
        await self._answer(receive, send, visitor, body, asked)

    def _answer(self, receive: Receive, send: Send, visitor: Visitor, body: bytes, asked: Asked) -> Awaitable[None]:
        manner, peer = self._manner, visitor.peer
        ask = Ask(
            manner.operation, manner.dialect, asked.model, body, asked.stream, visitor.headers, request_id.get()
        )  # fmt: skip
        work = self._stream(send, visitor, ask, asked.comment) if asked.stream else self._whole(send, visitor, ask)
        if peer is None or peer.task is None:
            return _watched(receive, work)
        # There is nothing around this work that has to end in another way when the client leaves.
        peer.when_gone(peer.task.cancel)
        return work

    async def _whole(self, send: Send, visitor: Visitor, ask: Ask) -> None:
        reply, peer = await self._answers.whole(visitor.principal, ask), visitor.peer
        if peer is None or not peer.answer(_lines(ask, reply), reply.body):
            headers = [(b"content-type", reply.media_type.encode()), *told(ask, reply.headers)]
            await respond(send, 200, headers, reply.body)

    async def _stream(self, send: Send, visitor: Visitor, ask: Ask, comment: bytes | None) -> None:
        dialect = spoken(ask.dialect)
        stream = EventStream(
            send,
            stream_headers(dialect.media_type),
            keep_alive=self._pace.keep_alive,
            stall=self._pace.stall,
            comment=dialect.keep_alive if comment is None else comment,
            peer=visitor.peer,
        )
        last = b""
        try:
            async with aclosing(await self._answers.stream(visitor.principal, ask)) as answer:
                await stream.begin(told(ask, answer.headers))
                async for piece in answer:
                    if not stream.push(piece):
                        await stream.send(piece)
        except ClientGone:
            return
        except CorralError as error:
            if not stream.begun:
                raise
            last = dialect.writer(About("", ask.model or "", 0, ChatRequest(ask.model or "", ()))).fail(error)
        finally:
            stream.stop()
        await stream.end(last)


def spoken(name: str) -> Dialect:
    """The dialect of a stream."""
    return DIALECTS["openai_chat" if name == OPENAI else name]


def stream_headers(media_type: str) -> Headers:
    """What begins every stream: nobody between may keep it back, change it or store it."""
    kind = media_type if media_type != "text/event-stream" else "text/event-stream; charset=utf-8"
    return [
        (b"content-type", kind.encode()),
        (b"cache-control", b"no-cache, no-transform"),
        (b"x-accel-buffering", b"no"),
    ]


def told(ask: Ask, headers: Mapping[str, str]) -> Headers:
    """What inference tells beside an answer; Anthropic's clients look for the request's id under a name of their own."""
    found = as_bytes(headers)
    if ask.dialect == "anthropic":
        found.append((b"request-id", ask.request_id.encode("latin-1")))
    return found


def _lines(ask: Ask, reply: Reply) -> bytes:
    """The headers of an answer as they are on the wire."""
    headers = {"content-type": reply.media_type, **reply.headers}
    if ask.dialect == "anthropic":
        headers["Request-Id"] = ask.request_id
    return lines_of(headers)


async def _watched(receive: Receive, work: Awaitable[None]) -> None:
    with Watched(receive):
        await work


def as_bytes(headers: Mapping[str, str]) -> Headers:
    """Headers as ASGI has them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
