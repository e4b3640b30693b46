"""Routes, admission and leases: what both ways to a model share."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from corral.accounts.types import Permission, Principal
from corral.engines import Engines, Lease
from corral.inference.admission import Gate
from corral.kit.errors import ShuttingDown
from corral.providers.local import stream_chat
from corral.providers.types import ChatEvent, ChatRequest


@dataclass(frozen=True, slots=True)
class Route:
    """What a public model name stands for."""

    name: str
    slots: int
    context_length: int | None = None


class Routes(Protocol):
    """The names that can be asked for (a port that `app` fills)."""

    def resolve(self, name: str | None) -> Route:
        """The route of `name`, the default one for None. Raises ModelNotFound."""
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
            self.lease.release()
            gate.leave()


class Inference:
    """The door to models for everything above.

    Args:
        queue: how many requests may wait for a slot of one model.
    """

    def __init__(self, routes: Routes, engines: Engines, *, queue: int) -> None:
        self._routes = routes
        self._engines = engines
        self._queue = queue
        self._gates: dict[str, Gate] = {}
        self._closing = False

    def resolve(self, name: str | None) -> Route:
        """See `Routes.resolve`."""
        return self._routes.resolve(name)

    async def enter(self, principal: Principal, model: str | None) -> Visit:
        """Waits for a slot of `model` and a ready engine.

        Raises Forbidden, ModelNotFound, TooManyRequests, EngineFailed, ShuttingDown.
        """
        principal.require(Permission.INFERENCE)
        if self._closing:
            raise ShuttingDown("The server is stopping.", retry_after=5)
        route = self._routes.resolve(model)
        gate = self._gates.get(route.name)
        if gate is None:
            gate = self._gates[route.name] = Gate(route.slots, self._queue)
        if not gate.try_enter():
            await gate.enter()
        try:
            lease = self._engines.try_lease(route.name) or await self._engines.lease(route.name)
        except BaseException:
            gate.leave()
            raise
        return Visit(gate, lease)

    async def stream(self, principal: Principal, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """The answer to a chat, for agents. Closing the generator ends the work in the engine. Raises as `enter`."""
        visit = await self.enter(principal, request.model or None)
        try:
            async with aclosing(stream_chat(request, visit.lease)) as events:
                async for event in events:
                    yield event
        finally:
            visit.close()

    def waiting(self, model: str) -> int:
        """How many requests wait for a slot of `model`."""
        gate = self._gates.get(model)
        return gate.waiting if gate else 0

    def close(self) -> None:
        """Refuses new work from now on."""
        self._closing = True
