"""Who may use a model now: as many as it has slots, the rest wait in the order they came."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from corral.kit.errors import TooManyRequests


class Gate:
    """The slots of one model and the queue before them."""

    def __init__(self, slots: int, queue: int) -> None:
        self._running = 0
        self._slots = slots
        self._limit = queue
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """How many are in."""
        return self._running

    def resize(self, slots: int) -> None:
        """There are `slots` from now on; whoever is in stays in."""
        self._slots = slots
        self._admit()

    def try_enter(self) -> bool:
        """Enters when a slot is free and nobody waits."""
        if self._running < self._slots and not self._waiting:
            self._running += 1
            return True
        return False

    async def enter(self) -> None:
        """Enters, waiting in turn. Raises TooManyRequests when the queue is full; leaving the wait leaves the queue."""
        if self.try_enter():
            return
        if len(self._waiting) >= self._limit:
            raise TooManyRequests(
                f"The model is busy: {self.running} requests run and {len(self._waiting)} wait.",
                retry_after=1 + len(self._waiting) // max(1, self._slots),
            )
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                # The slot was handed over in the moment that the wait was given up.
                self.leave()
            else:
                with contextlib.suppress(ValueError):
                    self._waiting.remove(place)
            raise

    def leave(self) -> None:
        """Gives the slot to the first who waits."""
        self._running -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._running < self._slots:
            place = self._waiting.popleft()
            if not place.done():
                self._running += 1
                place.set_result(None)
