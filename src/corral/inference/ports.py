"""What inference asks of others (`app` wires them), and the hooks around a request, in the order in which they are called.

idempotency (`Layer`) → `Gatekeeper.reserve` → cache and coalescing (`Layer`) → the route's candidates → `Gatekeeper.settle` →
`Recorder.record`. Every one may be absent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from corral.accounts.types import Principal
from corral.inference.routes.types import Candidate, RouteSpec
from corral.inference.types import Ask, Record, Reply, Streaming
from corral.providers.types import Prices, Provider

MakeReply = Callable[[Record], Awaitable[Reply]]
"""Makes a whole answer, and fills the record that it is given."""
MakeStreaming = Callable[[Record], Awaitable[Streaming]]
"""The same of one that is told as it arrives."""


class Directory(Protocol):
    """Where routes and providers are known. Asked for every request, so it answers from memory; a change is seen by the next one."""

    def resolve(self, name: str | None) -> RouteSpec:
        """The route of a public name: a route's, a local model's, or `provider/model`; the default one for None. Raises ModelNotFound."""
        ...

    def provider(self, name: str) -> Provider:
        """The provider of that name, `local` among them. Raises Unavailable for one that is gone or switched off."""
        ...


class Reservation(Protocol):
    """What a request has been let in with."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What the answer tells of the limits: RateLimit-Limit, -Remaining, -Reset, RateLimit-Policy."""
        ...


class Gatekeeper(Protocol):
    """Limits and budgets."""

    async def reserve(self, principal: Principal, ask: Ask, route: RouteSpec) -> Reservation:
        """Lets a request in, taking what it may use from its limits. Raises TooManyRequests with `retry_after`."""
        ...

    async def admit(self, reservation: Reservation, candidate: Candidate, prices: Prices | None) -> None:
        """Whether the provider of `candidate` may be asked too, which costs `prices`. Raises TooManyRequests; then the next candidate is."""
        ...

    def settle(self, reservation: Reservation, record: Record) -> None:
        """The request has ended (completed, failed or cancelled): what it did not use goes back. Called once, never blocks, never raises."""
        ...


class Layer(Protocol):
    """Stands around the making of an answer: may make it, bring back an earlier one, or join one that is being made.

    `make` does the work and fills the record it is given: that of the request, unless the work is shared by several, which then
    get what they need of it from the layer. Writes `record.cache`. A request that is none of its business, as most are, is handed on
    without a step of its own: what is to be awaited is what `make` gives.
    """

    def whole(
        self, principal: Principal, ask: Ask, route: RouteSpec, record: Record, make: MakeReply
    ) -> Awaitable[Reply]:
        """A whole answer. Raises CorralError."""
        ...

    def stream(
        self, principal: Principal, ask: Ask, route: RouteSpec, record: Record, make: MakeStreaming
    ) -> Awaitable[Streaming]:
        """An answer as it arrives. Raises CorralError before its first piece. `record.outcome` of what `make` was given tells after
        the last piece whether it is whole; cut ones must not be kept."""
        ...


class Recorder(Protocol):
    """Takes what became of requests: usage events, totals."""

    def record(self, record: Record) -> None:
        """Once a request, at its end. Never blocks, never raises."""
        ...
