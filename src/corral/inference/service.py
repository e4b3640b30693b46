"""The door to models for everything above. See docs/rooms/inference.md."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

from msgspec.structs import replace

from corral.accounts.types import Permission, Principal
from corral.dialects.form import ChatEvent, ChatRequest
from corral.dialects.ports import About
from corral.dialects.registry import DIALECTS
from corral.engines import Engines
from corral.inference.attempts.asking import Asking, Question
from corral.inference.attempts.candidates import Candidates
from corral.inference.attempts.opening import Attempts, Parts
from corral.inference.attempts.relays import EventRelay, NativeRelay, PlainRelay, Relay
from corral.inference.attempts.streaming import StreamRun
from corral.inference.attempts.whole import WholeRun
from corral.inference.health import Health
from corral.inference.local import LocalDoor, Route, Routes, Visit
from corral.inference.mirroring import Mirror
from corral.inference.outlets import BytesOutlet, EventsOutlet, PlainOutlet
from corral.inference.ports import Directory, Gatekeeper, Layer, Recorder, Reservation
from corral.inference.routes.ordering import order
from corral.inference.routes.types import LOCAL, Candidate, RouteSpec, single
from corral.inference.structured import StructuredAsking, StructuredRun, structured_events, structured_pieces, wanted_by
from corral.inference.types import Ask, Record, Reply, Streaming
from corral.kit.clock import Clock, SystemClock
from corral.kit.errors import CorralError, ShuttingDown, Unavailable
from corral.kit.ids import new_id
from corral.kit.trace import Trace
from corral.providers.own import OwnEngines
from corral.providers.types import Prices, Provider, ProviderModel

_IDS = {"openai_chat": "chatcmpl", "openai_responses": "resp", "anthropic": "msg"}


@dataclass(frozen=True, slots=True)
class Hooks:
    """What stands around every request; see `ports`. What is None costs nothing."""

    idempotency: Layer | None = None
    gatekeeper: Gatekeeper | None = None
    cache: Layer | None = None
    recorder: Recorder | None = None
    trace: Callable[[], Trace | None] | None = None
    """Begins the span of a request, or says that it is not traced."""


class OwnOnly:
    """The directory of a server without providers and routes: every name is one of its own models."""

    def __init__(self, local: LocalDoor, own: Provider) -> None:
        self._local = local
        self._own = own

    def resolve(self, name: str | None) -> RouteSpec:
        """See `Directory.resolve`."""
        found = self._local.resolve(name).name
        return single(found, LOCAL, found)

    def provider(self, name: str) -> Provider:
        """See `Directory.provider`."""
        if name != LOCAL:
            raise Unavailable(f"There is no provider {name[:100]!r}.")
        return self._own


class Inference:
    """Answers requests by their routes.

    Args:
        routes: the local models.
        queue: how many requests may wait for a slot of one local model.
        max_wait: how many seconds one of them may wait for its turn.
        listing: what is known of the local models.
    """

    def __init__(
        self,
        routes: Routes,
        engines: Engines,
        *,
        queue: int,
        max_wait: float = 300.0,
        listing: Callable[[], Sequence[ProviderModel]] = tuple,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self.local = LocalDoor(routes, engines, queue=queue, max_wait=max_wait)
        self.own = OwnEngines(self.local, listing, self._clock)
        self.health = Health()
        self._directory: Directory = OwnOnly(self.local, self.own)
        self._hooks = Hooks()
        # For the order of candidates and for pauses; nobody gains by guessing it.
        self._chance = random.Random()  # noqa: S311
        self._parts = Parts(self._directory, self.health, self._clock, self._chance, self.local.waiting)
        self._mirror = Mirror()
        self._closing = False

    def use(self, directory: Directory, hooks: Hooks | None = None) -> None:
        """From now on routes and providers are asked of `directory`, and `hooks` stand around requests."""
        self._directory = directory
        self._parts = self._parts._replace(directory=directory)
        if hooks is not None:
            self._hooks = hooks

    # own engines

    def resolve(self, name: str | None) -> Route:
        """The local model `name`, the default one for None. Raises ModelNotFound."""
        return self.local.resolve(name)

    async def enter(self, principal: Principal, model: str | None, body: bytes = b"") -> Visit:
        """A place at an own engine, for what is no request of a dialect. Raises Forbidden, and as `LocalDoor.place`."""
        principal.require(Permission.INFERENCE)
        return await self.local.place(model, body)

    def waiting(self, model: str) -> int:
        """How many requests wait for a slot of a local model."""
        return self.local.waiting(model)

    # requests

    async def whole(self, principal: Principal, ask: Ask) -> Reply:
        """A whole answer. Raises CorralError."""
        route, record = self._begin(principal, ask)
        make = partial(self._limited_whole, principal, ask, route)
        layer = self._hooks.idempotency
        try:
            if layer is None:
                return await make(record)
            return await layer.whole(principal, ask, route, record, make)
        except BaseException as error:
            _blame(record, error)
            raise
        finally:
            self._end(record)

    async def stream(self, principal: Principal, ask: Ask) -> Streaming:
        """An answer as it arrives, once it has begun well. Raises CorralError before. Close it (`contextlib.aclosing`)."""
        route, record = self._begin(principal, ask)
        make = partial(self._limited_stream, principal, ask, route)
        layer = self._hooks.idempotency
        try:
            streaming = await make(record) if layer is None else await layer.stream(principal, ask, route, record, make)
        except BaseException as error:
            _blame(record, error)
            self._end(record)
            raise
        streaming.when_closed(partial(self._end, record))
        return streaming

    async def chat(self, principal: Principal, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """The answer to a request of our own, as events, ending in Finished and Usage. Closing it ends the work. Raises CorralError."""
        model = request.model or None
        body = DIALECTS["openai_chat"].write_request(request, request.model).body
        ask = Ask("chat", "openai_chat", model, body, stream=True)
        route, record = self._begin(principal, ask)
        gatekeeper, reservation = self._hooks.gatekeeper, None
        outlet = EventsOutlet()
        try:
            if gatekeeper is not None:
                reservation = await gatekeeper.reserve(principal, ask, route)
            wanted = wanted_by(ask, request)
            candidates = self._candidates(ask, route, record, reservation)
            if wanted is None:
                run = StreamRun(
                    candidates, Asking(ask, route, request), outlet, lambda q: EventRelay(DIALECTS[q.dialect], outlet)
                )
                told = run.pieces()
            else:
                told = structured_events(candidates, StructuredAsking(ask, route, wanted, request))
            async with aclosing(told) as pieces:
                async for events in pieces:
                    for event in events:
                        yield event
        except BaseException as error:
            _blame(record, error)
            raise
        finally:
            if gatekeeper is not None and reservation is not None:
                gatekeeper.settle(reservation, record)
            self._end(record)

    # for pages

    def condition(self, candidate: Candidate) -> dict[str, Any]:
        """How a candidate is doing: breaker, latency, keys that rest."""
        try:
            provider: Provider | None = self._directory.provider(candidate.provider)
        except CorralError:
            provider = None
        return self.health.told(candidate, provider, self._clock.monotonic())

    def close(self) -> None:
        """Refuses new work from now on."""
        self._closing = True
        self.local.close()

    async def stop(self) -> None:
        """Ends what runs beside requests."""
        self.close()
        await self._mirror.stop()

    # within

    def _begin(self, principal: Principal, ask: Ask) -> tuple[RouteSpec, Record]:
        principal.require(Permission.INFERENCE)
        if self._closing:
            raise ShuttingDown("The server is stopping.", retry_after=5)
        route = self._directory.resolve(ask.model)
        record = Record(principal.user_id, ask, self._clock.monotonic(), principal.key_id, route.name)
        if self._hooks.trace is not None:
            record.trace = self._hooks.trace()
        return route, record

    def _end(self, record: Record) -> None:
        record.ended = self._clock.monotonic()
        if record.outcome == "running":
            record.outcome = "cancelled"
        if self._hooks.recorder is not None:
            self._hooks.recorder.record(record)

    async def _limited_whole(self, principal: Principal, ask: Ask, route: RouteSpec, record: Record) -> Reply:
        gatekeeper, cache = self._hooks.gatekeeper, self._hooks.cache
        reservation = await gatekeeper.reserve(principal, ask, route) if gatekeeper is not None else None
        try:
            make = partial(self._whole, ask, route, reservation)
            if cache is None:
                reply = await make(record)
            else:
                reply = await cache.whole(principal, ask, route, record, make)
        except BaseException as error:
            _blame(record, error)
            raise
        finally:
            if gatekeeper is not None and reservation is not None:
                gatekeeper.settle(reservation, record)
        return Reply(reply.body, reply.media_type, self._headers(reply.headers, record, reservation))

    async def _limited_stream(self, principal: Principal, ask: Ask, route: RouteSpec, record: Record) -> Streaming:
        gatekeeper, cache = self._hooks.gatekeeper, self._hooks.cache
        reservation = await gatekeeper.reserve(principal, ask, route) if gatekeeper is not None else None
        settle = (
            partial(gatekeeper.settle, reservation, record)
            if gatekeeper is not None and reservation is not None
            else None
        )
        try:
            make = partial(self._stream, ask, route, reservation)
            if cache is None:
                streaming = await make(record)
            else:
                streaming = await cache.stream(principal, ask, route, record, make)
        except BaseException as error:
            _blame(record, error)
            if settle is not None:
                settle()
            raise
        if settle is not None:
            streaming.when_closed(settle)
        streaming.headers = self._headers(streaming.headers, record, reservation)
        return streaming

    def _whole(self, ask: Ask, route: RouteSpec, reservation: Reservation | None, record: Record) -> Awaitable[Reply]:
        wanted = wanted_by(ask)
        if route.mirror is not None:
            self._reflect(ask, route, route.mirror, record.user_id)
        candidates = self._candidates(ask, route, record, reservation)
        if wanted is None:
            asking = Asking(ask, route, ask.request)
            return WholeRun(candidates, asking, partial(self._about, asking, route, record.began)).reply()
        structured = StructuredAsking(ask, route, wanted, ask.request)
        about = partial(self._about, structured, route, record.began)
        return StructuredRun(candidates, structured, wanted, about).reply()

    async def _stream(self, ask: Ask, route: RouteSpec, reservation: Reservation | None, record: Record) -> Streaming:
        wanted = wanted_by(ask)
        own = ask.request
        asking = Asking(ask, route, own) if wanted is None else StructuredAsking(ask, route, wanted, own)
        if route.mirror is not None:
            self._reflect(ask, route, route.mirror, record.user_id)
        candidates = self._candidates(ask, route, record, reservation)
        if isinstance(asking, StructuredAsking):
            pieces = structured_pieces(candidates, asking, partial(self._about, asking, route, record.began))
            media_type = DIALECTS[ask.dialect].media_type
        elif ask.operation == "chat":
            dialect = DIALECTS[ask.dialect]
            outlet = BytesOutlet(dialect, partial(self._about, asking, route, record.began))

            def relay(question: Question) -> Relay[bytes]:
                spoken = DIALECTS[question.dialect]
                return NativeRelay(spoken, outlet) if question.native else EventRelay(spoken, outlet)

            pieces, media_type = StreamRun(candidates, asking, outlet, relay).pieces(), dialect.media_type
        else:
            plain = PlainOutlet()
            pieces, media_type = (
                StreamRun(candidates, asking, plain, lambda _: PlainRelay(plain)).pieces(),
                "text/event-stream",
            )
        first = await anext(pieces, b"")
        return Streaming(first, pieces, media_type, {})

    def _candidates(self, ask: Ask, route: RouteSpec, record: Record, reservation: Reservation | None) -> Candidates:
        gatekeeper = self._hooks.gatekeeper
        admit = partial(gatekeeper.admit, reservation) if gatekeeper is not None and reservation is not None else None
        ordered: Sequence[Candidate] = route.candidates
        if route.strategy != "ordered":
            ordered = order(route, self._chance, self._latency, self._price)
        return Candidates(Attempts(self._parts, ask, route, record, admit), ordered, self._chance, self._clock)

    def _about(self, asking: Asking, route: RouteSpec, began: float) -> About:
        ask, clock = asking.ask, self._clock
        identity, now = new_id(_IDS.get(ask.dialect, "gen")), int(clock.now().timestamp())
        return About(identity, ask.model or route.name, now, asking.request, lambda: clock.monotonic() - began)

    def _headers(self, before: Mapping[str, str], record: Record, reservation: Reservation | None) -> Mapping[str, str]:
        by = record.answered_by
        found = {**before, "X-Corral-Attempts": str(len(record.attempts))}
        if by is not None:
            found["X-Corral-Provider"], found["X-Corral-Model"] = by.provider, by.model
        if record.structured:
            found["X-Corral-Structured"] = record.structured
        if record.cache:
            found["X-Corral-Cache"] = record.cache
        if reservation is not None:
            found.update(reservation.headers)
        return found

    def _latency(self, candidate: Candidate) -> float | None:
        return self.health.of(candidate).latency

    def _price(self, candidate: Candidate) -> Prices | None:
        if candidate.price is not None:
            return candidate.price
        try:
            return self._directory.provider(candidate.provider).prices(candidate.model)
        except CorralError:
            return None

    def _reflect(self, ask: Ask, route: RouteSpec, mirror: Candidate, user_id: str) -> None:
        """Has the route's mirror asked too, for its share of the requests."""
        if self._chance.random() >= route.mirror_share:
            return
        record = Record(user_id, ask, self._clock.monotonic(), route=route.name)
        alone = RouteSpec(route.name, (mirror,), parameters=route.parameters, attempts=1)
        if ask.operation == "chat" or not ask.stream:
            self._mirror.start(self._mirrored(replace(ask, stream=False), alone, record))

    async def _mirrored(self, ask: Ask, route: RouteSpec, record: Record) -> None:
        # A chat that asks for a stream is put in other words: nobody waits for its first piece.
        asking = Asking(ask, route, Asking(ask, route).request if ask.operation == "chat" else None)
        run = WholeRun(
            self._candidates(ask, route, record, None), asking, partial(self._about, asking, route, record.began)
        )
        try:
            await run.reply()
        except CorralError as error:
            _blame(record, error)
        finally:
            for attempt in record.attempts:
                attempt.kind = "mirror"
            self._end(record)


def _blame(record: Record, error: BaseException) -> None:
    """Notes why a request has no answer. A client that left is no failure."""
    if isinstance(error, CorralError) and record.outcome == "running":
        record.outcome, record.error = "failed", error.code
