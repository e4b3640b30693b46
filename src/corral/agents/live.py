"""The committed events of turns under way, for those who watch them now.

Only events that are on disk get in here: this is the far side of the output gate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from corral.agents.types import Event


class LiveLog:
    """The log of one turn since this server began to work on it."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._grown = asyncio.Event()
        self.closed = False

    @property
    def first(self) -> int | None:
        """The lowest offset held, None while there is nothing."""
        return self._events[0].offset if self._events else None

    def extend(self, events: Sequence[Event]) -> None:
        """Adds committed events and wakes the readers."""
        self._events.extend(events)
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    def close(self) -> None:
        """Says that no more will come from here; the rest, if any, is on disk."""
        self.closed = True
        self._grown.set()

    def after(self, start: int) -> list[Event] | None:
        """Events from `start` on, None when older ones have to be read from disk first."""
        if not self._events or start < self._events[0].offset:
            return None
        return self._events[start - self._events[0].offset :]

    @property
    def ticket(self) -> asyncio.Event:
        """Set at the next growth; take it before looking, wait on it after."""
        return self._grown
