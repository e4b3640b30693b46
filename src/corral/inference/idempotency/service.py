"""Answers a repeated request with its first answer. Fills `Layer`; stands outermost."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from corral.accounts.types import Principal
from corral.inference.cache.asking import tenant_of
from corral.inference.coalescing import Flight, Flights, made_by
from corral.inference.idempotency.repository import Found, Records
from corral.inference.ports import MakeReply, MakeStreaming
from corral.inference.replaying import kept_headers, pieces_of, with_headers
from corral.inference.routes.types import RouteSpec
from corral.inference.types import Ask, Record, Reply, Streaming
from corral.kit.clock import Clock
from corral.kit.errors import Conflict, CorralError, IdempotencyConflict, InvalidRequest
from corral.telemetry import get_logger

_log = get_logger("corral.idempotency")
_REPLAYED = {"Idempotent-Replayed": "true", "X-Corral-Cache": "replayed"}
_LONGEST = 255


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """A request under way; `digest` is the hash of what it asks."""

    digest: str


class Idempotency:
    """The layer of `Idempotency-Key`.

    A key belongs to a tenant for 24 hours. The same body gets the same bytes again, also as a stream; while the first answer is
    being made others with the key join it. Another body is refused. An answer that failed, was cut or given up frees its key, so
    that the next try makes it anew.
    """

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._flights = Flights("idempotency", clock)
        self._claims: dict[tuple[str, str], Claim] = {}
        """Of the requests under way."""

    async def start(self) -> None:
        """Opens the records. Raises StorageUnavailable."""
        await self._records.start()

    async def stop(self) -> None:
        """Ends what is being made."""
        await self._flights.stop()
        await self._records.stop()

    def whole(
        self, principal: Principal, ask: Ask, route: RouteSpec, record: Record, make: MakeReply
    ) -> Awaitable[Reply]:
        """See `Layer.whole`. Raises IdempotencyConflict, Conflict, InvalidRequest, StorageUnavailable."""
        key = key_of(ask)
        return make(record) if key is None else self._whole(principal, ask, key, record, make)

    def stream(
        self, principal: Principal, ask: Ask, route: RouteSpec, record: Record, make: MakeStreaming
    ) -> Awaitable[Streaming]:
        """See `Layer.stream`. Raises as `whole`."""
        key = key_of(ask)
        return make(record) if key is None else self._stream(principal, ask, key, record, make)

    async def _whole(self, principal: Principal, ask: Ask, key: str, record: Record, make: MakeReply) -> Reply:
        async def work(flight: Flight) -> None:
            flight.deliver(await make(flight.record))

        flight, joined = await self._flight(principal, ask, key, record, work)
        reply = await self._flights.whole(flight, record)
        return Reply(reply.body, reply.media_type, {**reply.headers, **(_REPLAYED if joined else {})})

    async def _stream(self, principal: Principal, ask: Ask, key: str, record: Record, make: MakeStreaming) -> Streaming:
        async def work(flight: Flight) -> None:
            await flight.relay(await make(flight.record))

        flight, joined = await self._flight(principal, ask, key, record, work)
        streaming = await self._flights.stream(flight, record)
        return with_headers(streaming, _REPLAYED) if joined else streaming

    async def _flight(
        self, principal: Principal, ask: Ask, key: str, record: Record, work: Callable[[Flight], Awaitable[None]]
    ) -> tuple[Flight, bool]:
        """The making of the answer, and whether another request began it."""
        place = (tenant_of(principal), key)
        digest = hash_of(ask)
        # A client that hung up and tries again comes while its first try is still being given up.
        await self._flights.settled(place)
        known = self._claims.get(place)
        if known is not None and known.digest != digest:
            raise conflict(key)
        flight = self._flights.find(place)
        if flight is not None:
            record.cache = "replayed"
            return flight, True
        if known is not None:
            raise Conflict("The answer to this idempotency key is under way and too long to be joined.", retry_after=5)
        claim = self._claims[place] = Claim(digest)

        def free() -> None:
            if self._claims.get(place) is claim:
                del self._claims[place]

        async def claim_and_make(flight: Flight) -> None:
            try:
                found = await self._records.claim(*place, digest, stream=ask.stream)
                if found is None:
                    await self._make(place, flight, ask, work)
                else:
                    _replay(flight, found, digest, key)
            finally:
                free()

        begun = self._flights.begin(place, record, claim_and_make)
        assert begun.task is not None
        begun.task.add_done_callback(lambda _: free())
        return begun, False

    async def _make(
        self, place: tuple[str, str], flight: Flight, ask: Ask, work: Callable[[Flight], Awaitable[None]]
    ) -> None:
        kept = False
        try:
            await work(flight)
            if ask.stream and flight.record.outcome != "completed":
                return
            try:
                headers = kept_headers({**flight.headers, **made_by(flight.record)})
                await self._records.keep(*place, flight.media_type, headers, flight.body)
                kept = True
            except CorralError as error:
                # The answer is there and is given; only a repetition would make it anew.
                _log.warning("idempotent_answer_not_kept", reason=error.message)
        finally:
            if not kept:
                await self._records.release(*place)


def _replay(flight: Flight, found: Found, digest: str, key: str) -> None:
    if found.request_hash != digest:
        raise conflict(key)
    if found.body is None:
        raise Conflict(
            "This request was answered, and the answer was too large to be kept. Use a new idempotency key to ask again.",
            param="Idempotency-Key",
        )
    flight.record.cache, flight.record.outcome = "replayed", "completed"
    flight.replay(pieces_of(found.body, found.media_type), found.media_type, {**found.headers, **_REPLAYED})


def key_of(ask: Ask) -> str | None:
    """The idempotency key of a request, None without one. Raises InvalidRequest for one that is no key."""
    key = ask.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= _LONGEST or not key.isascii() or not key.isprintable():
        raise InvalidRequest("Idempotency-Key takes 1 to 255 visible characters.", param="Idempotency-Key")
    return key


def hash_of(ask: Ask) -> str:
    """What must be alike for two requests to be the same."""
    digest = hashlib.sha256()
    for part in (ask.operation.encode(), ask.dialect.encode(), (ask.model or "").encode(), ask.body):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def conflict(key: str) -> IdempotencyConflict:
    """The error for a key that was used with another body."""
    return IdempotencyConflict(
        f"The idempotency key {key!r} was used with another request within the last 24 hours.", param="Idempotency-Key"
    )
