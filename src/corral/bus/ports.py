"""What rooms need of the bus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Protocol, Self

Event = Mapping[str, Any]


class Lagged(Exception):
    """The subscriber was too slow and events were dropped; read the state again and subscribe anew."""


class Subscription(Protocol):
    """Events of some topics, in order. A context manager; leaving it ends the subscription."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __aiter__(self) -> AsyncIterator[tuple[str, Event]]:
        """Yields (topic, event). Raises Lagged once when events were dropped."""
        ...


class Bus(Protocol):
    """Publish and subscribe by topic."""

    def publish(self, topic: str, event: Event) -> None:
        """Hands `event` to those who listen now; never blocks, never fails."""
        ...

    def subscribe(self, *topics: str, limit: int = 256) -> Subscription:
        """Listens to `topics` from now on, holding at most `limit` events. A topic ending in `*` takes all that begin so.

        An event comes once to a subscription, however many of its topics take it.
        """
        ...
