"""Brings back earlier answers, and lets those who ask the same at the same time wait for one. Fills `Layer`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from corral.accounts.types import Principal
from corral.inference.cache.asking import BYPASS, Wish, question_of, tenant_of, wish_of
from corral.inference.cache.types import MAX_ANSWER, AnswerStore, Kept
from corral.inference.coalescing import Flight, Flights, made_by
from corral.inference.ports import MakeReply, MakeStreaming
from corral.inference.replaying import kept_headers, pieces_of, with_headers
from corral.inference.routes.types import CacheRule, RouteSpec
from corral.inference.types import Ask, Record, Reply, Streaming
from corral.kit.clock import Clock

HEADER = "X-Corral-Cache"


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """What holds for routes that say nothing. max_answer: bytes of an answer that is kept, at most. version: what the answers of
    an own engine depend on beside the question, by its model's name."""

    rule: CacheRule = field(default_factory=CacheRule)
    max_answer: int = MAX_ANSWER
    version: Callable[[str], str] = str


class _Place(NamedTuple):
    """Of a request: what may be done for it, and whose answer to which question it is."""

    wish: Wish
    tenant: str
    question: str


class AnswerCache:
    """The layer of caching and coalescing.

    Only requests whose answer is always the same are looked up, unless their route or their client asks for it. Tenants never
    see each other's answers. What failed, was cut or given up is not kept.
    """

    def __init__(self, store: AnswerStore, clock: Clock, options: CacheOptions | None = None) -> None:
        self._store = store
        self._clock = clock
        self._options = options or CacheOptions()
        self._flights = Flights("answers", clock)

    async def start(self) -> None:
        """Opens the store."""
        await self._store.start()

    async def stop(self) -> None:
        """Ends what is being made and closes the store."""
        await self._flights.stop()
        await self._store.stop()

    def whole(
        self, principal: Principal, ask: Ask, route: RouteSpec, record: Record, make: MakeReply
    ) -> Awaitable[Reply]:
        """See `Layer.whole`."""
        place = self._place(principal, ask, route, record)
        return make(record) if place is None else self._whole(place, ask, record, make)

    def stream(
        self, principal: Principal, ask: Ask, route: RouteSpec, record: Record, make: MakeStreaming
    ) -> Awaitable[Streaming]:
        """See `Layer.stream`."""
        place = self._place(principal, ask, route, record)
        return make(record) if place is None else self._stream(place, ask, record, make)

    async def _whole(self, place: _Place, ask: Ask, record: Record, make: MakeReply) -> Reply:
        async def work(flight: Flight) -> None:
            flight.deliver(await make(flight.record))

        found = await self._find(place, ask, record, work)
        if isinstance(found, Kept):
            record.first_content = self._clock.monotonic()
            record.outcome, record.relayed = "completed", 1
            reply = Reply(found.body, found.media_type, found.headers)
        else:
            reply = await self._flights.whole(found, record)
        return Reply(reply.body, reply.media_type, {**reply.headers, HEADER: record.cache})

    async def _stream(self, place: _Place, ask: Ask, record: Record, make: MakeStreaming) -> Streaming:
        async def work(flight: Flight) -> None:
            await flight.relay(await make(flight.record))

        found = await self._find(place, ask, record, work)
        if isinstance(found, Kept):
            streaming = await self._replay(found, record)
        else:
            streaming = await self._flights.stream(found, record)
        return with_headers(streaming, {HEADER: record.cache})

    def _place(self, principal: Principal, ask: Ask, route: RouteSpec, record: Record) -> _Place | None:
        """Where an answer is looked for and kept; None when the request is none of a cache's business."""
        wish = wish_of(ask, route, self._options.rule)
        question = question_of(ask, route, self._version(route)) if wish is not BYPASS else None
        if question is None:
            record.cache = "bypass"
            return None
        return _Place(wish, tenant_of(principal), question)

    async def _find(
        self, found: _Place, ask: Ask, record: Record, work: Callable[[Flight], Awaitable[None]]
    ) -> Kept | Flight:
        """An earlier answer, or one that is being made, or a new making."""
        wish, tenant, question = found
        place = (tenant, question)
        if wish.join and (flight := self._flights.find(place)) is not None:
            return _joined(flight, record)
        if wish.look:
            kept = await self._store.get(tenant, question)
            if kept is not None:
                record.cache = "hit"
                return kept
            # Another may have begun while the store was asked.
            flight = self._flights.find(place)
            if flight is not None:
                return _joined(flight, record)

        async def make_and_keep(flight: Flight) -> None:
            await work(flight)
            body = flight.body
            # A stream that was cut has ended without an error of its own; its record knows.
            whole = not ask.stream or flight.record.outcome == "completed"
            flight.pay()
            flight.end()
            if wish.keep and whole and body is not None and len(body) <= self._options.max_answer:
                expires = int((self._clock.now().timestamp() + wish.ttl) * 1000)
                kept = Kept(
                    body, flight.media_type, kept_headers({**flight.headers, **made_by(flight.record)}), expires
                )
                await self._store.put(tenant, question, kept)

        record.cache = "miss"
        return self._flights.begin(place, record, make_and_keep)

    def _version(self, route: RouteSpec) -> str:
        return "\n".join(self._options.version(one.model) for one in route.candidates if one.local)

    async def _replay(self, kept: Kept, record: Record) -> Streaming:
        pieces = self._pieces(kept, record)
        return Streaming(await anext(pieces), pieces, kept.media_type, kept.headers)

    async def _pieces(self, kept: Kept, record: Record) -> AsyncGenerator[bytes, None]:
        record.first_content = self._clock.monotonic()
        for piece in pieces_of(kept.body, kept.media_type):
            record.relayed += 1
            yield piece
        record.outcome = "completed"


def _joined(flight: Flight, record: Record) -> Flight:
    record.cache = "joined"
    return flight
