"""The bus within one process."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from corral.bus.ports import Event, Lagged


class MemoryBus:
    """See `corral.bus.ports.Bus`. For one event loop."""

    def __init__(self) -> None:
        self._exact: defaultdict[str, set[MemorySubscription]] = defaultdict(set)
        self._prefix: defaultdict[str, set[MemorySubscription]] = defaultdict(set)

    def publish(self, topic: str, event: Event) -> None:
        """See `Bus.publish`."""
        listeners = set(self._exact.get(topic, ()))
        for prefix, subscriptions in self._prefix.items():
            if topic.startswith(prefix):
                listeners |= subscriptions
        for subscription in listeners:
            subscription.push(topic, event)

    def subscribe(self, *topics: str, limit: int = 256) -> MemorySubscription:
        """See `Bus.subscribe`."""
        subscription = MemorySubscription(self, topics, limit)
        for topic in topics:
            self._room(topic)[topic.removesuffix("*")].add(subscription)
        return subscription

    def forget(self, subscription: MemorySubscription) -> None:
        """Ends a subscription."""
        for topic in subscription.topics:
            room, name = self._room(topic), topic.removesuffix("*")
            room[name].discard(subscription)
            if not room[name]:
                del room[name]

    def _room(self, topic: str) -> defaultdict[str, set[MemorySubscription]]:
        return self._prefix if topic.endswith("*") else self._exact


class MemorySubscription:
    """See `corral.bus.ports.Subscription`."""

    def __init__(self, bus: MemoryBus, topics: tuple[str, ...], limit: int) -> None:
        self.topics = topics
        self._bus = bus
        self._limit = limit
        self._events: deque[tuple[str, Event]] = deque()
        self._wake = asyncio.Event()
        self._lagged = False
        self._closed = False

    def push(self, topic: str, event: Event) -> None:
        """Adds an event, or marks the subscriber as lagging."""
        if self._lagged:
            return
        if len(self._events) >= self._limit:
            self._lagged = True
            self._bus.forget(self)
        else:
            self._events.append((topic, event))
        self._wake.set()

    def close(self) -> None:
        """Ends the subscription; a waiting reader ends."""
        if not self._closed:
            self._closed = True
            self._bus.forget(self)
            self._wake.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aiter__(self) -> AsyncIterator[tuple[str, Event]]:
        while True:
            while self._events:
                yield self._events.popleft()
            if self._closed:
                return
            if self._lagged:
                self.close()
                raise Lagged("events were dropped for a slow reader")
            self._wake.clear()
            await self._wake.wait()
