"""Asking an upstream that the test writes, through a layer that shares answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from corral.accounts.types import Permission, Principal
from corral.dialects.form import Usage
from corral.inference.cache.service import AnswerCache
from corral.inference.idempotency import Idempotency
from corral.inference.ports import Layer
from corral.inference.routes.types import Candidate, RouteSpec
from corral.inference.types import Ask, Attempt, Record, Reply, Streaming
from corral.kit.errors import UpstreamFailed

ANA, BOB = (Principal(name, frozenset({Permission.INFERENCE})) for name in ("ana", "bob"))
ROUTE = RouteSpec("m", (Candidate("cloud", "large"),))


def ask(stream: bool = True, headers: dict[str, str] | None = None, **fields: Any) -> Ask:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0, **fields}
    return Ask("chat", "openai_chat", "m", msgspec.json.encode(body), stream, headers or {})


class Upstream:
    """Makes answers in pieces, each when it is let; counts what it did."""

    def __init__(self, pieces: int = 3, *, size: int = 0, fails_at: int | None = None, cut: bool = False) -> None:
        self.pieces = pieces
        self.size = size
        self.fails_at = fails_at
        self.cut = cut
        self.calls = 0
        self.cancelled = 0
        self.given = 0
        self.gate: asyncio.Event | None = None

    def piece(self, number: int) -> bytes:
        return b"data: %d.%d%s\n\n" % (self.calls, number, b"x" * self.size)

    def _attempt(self, record: Record) -> Attempt:
        attempt = Attempt("cloud", "large", "first", 0.0)
        record.attempts.append(attempt)
        return attempt

    async def whole(self, record: Record) -> Reply:
        self.calls += 1
        attempt = self._attempt(record)
        try:
            await self._let()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fails_at is not None:
            raise UpstreamFailed("It failed.")
        attempt.usage, record.outcome = Usage(10, 5), "completed"
        return Reply(b"".join(self.piece(number) for number in range(self.pieces)))

    async def stream(self, record: Record) -> Streaming:
        self.calls += 1
        pieces = self._pieces(record, self._attempt(record))
        return Streaming(await anext(pieces), pieces, "text/event-stream", {})

    async def _pieces(self, record: Record, attempt: Attempt) -> AsyncGenerator[bytes, None]:
        try:
            for number in range(self.pieces):
                if number == self.fails_at:
                    raise UpstreamFailed("It failed.")
                if number:
                    await self._let()
                self.given += 1
                attempt.usage = Usage(10, number + 1, 0)
                yield self.piece(number)
            record.outcome = "failed" if self.cut else "completed"
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise

    async def _let(self) -> None:
        if self.gate is not None:
            await self.gate.wait()


class Asked:
    """Asks through a layer, as inference does."""

    def __init__(self, layer: Layer, upstream: Upstream) -> None:
        self.layer = layer
        self.upstream = upstream
        self.records: list[Record] = []

    def record(self, user: Principal, asked: Ask) -> Record:
        made = Record(user.user_id, asked, 0.0, route="m")
        self.records.append(made)
        return made

    async def __call__(self, asked: Ask | None = None, user: Principal = ANA, route: RouteSpec = ROUTE) -> bytes:
        asked = asked or ask()
        record = self.record(user, asked)
        if not asked.stream:
            return (await self.layer.whole(user, asked, route, record, self.upstream.whole)).body
        streaming = await self.layer.stream(user, asked, route, record, self.upstream.stream)
        try:
            return b"".join([piece async for piece in streaming])
        finally:
            await streaming.aclose()

    def begin(self, asked: Ask | None = None, user: Principal = ANA) -> asyncio.Task[bytes]:
        return asyncio.create_task(self(asked, user))

    @property
    def waiting(self) -> int:
        """How many wait for an answer that is being made."""
        assert isinstance(self.layer, AnswerCache | Idempotency)
        return sum(len(flight._waiters) for flight in self.layer._flights._flights.values())

    @property
    def caches(self) -> list[str]:
        return [record.cache for record in self.records]
