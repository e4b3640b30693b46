"""The way to an own engine: the gate of its model, the lease, and back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from corral.engines import Engines, Lease
from corral.inference.admission import Gate
from corral.kit.errors import ShuttingDown, TooManyRequests


@dataclass(frozen=True, slots=True)
class Route:
    """What the name of a local model stands for. `slots` are those of one engine."""

    name: str
    slots: int
    context_length: int | None = None


class Routes(Protocol):
    """The local models that can be asked for (a port that `app` fills)."""

    def resolve(self, name: str | None) -> Route:
        """The model `name`, the default one for None. Raises ModelNotFound."""
        ...


class Visit:
    """A slot of a model and a lease of its engine. Close it when the answer has ended."""

    __slots__ = ("_gate", "lease")

    def __init__(self, gate: Gate, lease: Lease) -> None:
        self._gate: Gate | None = gate
        self.lease = lease

    def close(self) -> None:
        """Gives both back; a second time does nothing."""
        gate, self._gate = self._gate, None
        if gate is not None:
            # The next request is known before this one ends: an engine that is wanted does not count as idle between them.
            gate.leave()
            self.lease.release()


class LocalDoor:
    """Hands out places at own engines; fills `providers.own.Places`.

    Args:
        queue: how many requests may wait for a slot of one model.
        max_wait: how many seconds one of them may wait for its turn.
    """

    def __init__(self, routes: Routes, engines: Engines, *, queue: int, max_wait: float = 300.0) -> None:
        self._routes = routes
        self._engines = engines
        self._queue = queue
        self._max_wait = max_wait
        self._gates: dict[str, Gate] = {}
        self._closing = False
        engines.watch_demand(self._demand)

    def resolve(self, name: str | None) -> Route:
        """See `Routes.resolve`."""
        return self._routes.resolve(name)

    async def place(self, model: str | None, body: bytes = b"", patience: float | None = None) -> Visit:
        """Waits for a slot of `model` and a ready engine; `body` is the request, to find an engine that has read it. `patience`: seconds
        to wait, loading included; None is the door's own.

        Raises ModelNotFound, TooManyRequests (also for a wait over the limit), EngineFailed, ShuttingDown.
        """
        if self._closing:
            raise ShuttingDown("The server is stopping.", retry_after=5)
        route = self._routes.resolve(model)
        gate = self._gates.get(route.name)
        if gate is None:
            gate = self._gates[route.name] = Gate(route.slots, self._queue)
        entered = gate.try_enter()
        if entered:
            lease = self._engines.try_lease(route.name, body)
            if lease is not None:
                return Visit(gate, lease)
        if patience is None:
            return Visit(gate, await self._in_time(route, gate, body, entered=entered))
        try:
            async with asyncio.timeout(patience):
                return Visit(gate, await self._leased(route, gate, body, entered=entered))
        except TimeoutError:
            raise TooManyRequests(
                f"The model {route.name!r} has no slot for this request within {patience:.0f} s.", retry_after=1.0
            ) from None

    def waiting(self, model: str) -> int:
        """How many requests wait for a slot of `model`."""
        gate = self._gates.get(model)
        return gate.waiting if gate else 0

    def close(self) -> None:
        """Refuses new work from now on."""
        self._closing = True

    async def _in_time(self, route: Route, gate: Gate, body: bytes, *, entered: bool) -> Lease:
        """A lease behind the gate. Raises TooManyRequests when that takes too long; to load its own engine does not count."""
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle | None = None
        try:
            async with asyncio.timeout(None) as scope:

                def look() -> None:
                    nonlocal timer
                    if self._engines.coming(route.name):
                        timer = loop.call_later(min(1.0, self._max_wait), look)
                    else:
                        scope.reschedule(loop.time())

                timer = loop.call_later(self._max_wait, look)
                return await self._leased(route, gate, body, entered=entered)
        except TimeoutError:
            raise TooManyRequests(
                f"The model {route.name!r} had no turn for this request within {self._max_wait:.0f} s.",
                retry_after=max(1.0, self._max_wait / 10),
            ) from None
        finally:
            if timer is not None:
                timer.cancel()

    async def _leased(self, route: Route, gate: Gate, body: bytes, *, entered: bool) -> Lease:
        if not entered:
            gate.resize(self._engines.capacity(route.name, route.slots))
            await gate.enter()
        try:
            lease = await self._engines.lease(route.name, body)
            gate.resize(self._engines.capacity(route.name, route.slots))
        except BaseException:
            gate.leave()
            raise
        return lease

    def _demand(self, model: str) -> int:
        gate = self._gates.get(model)
        return gate.running + gate.waiting if gate is not None else 0
