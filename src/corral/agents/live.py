"""The committed events of turns under way, for those who watch them now.

Only events that are on disk get in here: this is the far side of the output gate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from weakref import WeakValueDictionary

from corral.agents.types import Event


class LiveLog:
    """The log of one turn since this server began to work on it."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._grown = asyncio.Event()

    def extend(self, events: Sequence[Event]) -> None:
        """Adds committed events and wakes the readers."""
        if self._events and events[0].offset != self._events[-1].offset + 1:
            # Another commit lies between, or this one came before those told already; readers take the rest from disk.
            late = events[0].offset <= self._events[-1].offset
            self._events = []
            if late:
                self.wake()
                return
        self._events.extend(events)
        self.wake()

    def wake(self) -> None:
        """Lets the readers look again."""
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    def after(self, start: int) -> list[Event] | None:
        """Events from `start` on, None when older ones have to be read from disk first."""
        if not self._events or start < self._events[0].offset:
            return None
        return self._events[start - self._events[0].offset :]

    @property
    def ended(self) -> bool:
        """Whether the last event of the turn is here."""
        return bool(self._events) and self._events[-1].type == "end"

    @property
    def ticket(self) -> asyncio.Event:
        """Set at the next growth; take it before looking, wait on it after."""
        return self._grown


class LiveLogs:
    """The live logs by turn. One is kept while somebody writes to it or waits on it, and no longer."""

    def __init__(self) -> None:
        self._logs: WeakValueDictionary[str, LiveLog] = WeakValueDictionary()

    def of(self, turn_id: str) -> LiveLog:
        """The live log of a turn; hold on to it while it is needed."""
        log = self._logs.get(turn_id)
        if log is None:
            log = self._logs[turn_id] = LiveLog()
        return log

    def wake_all(self) -> None:
        """Lets all readers look again."""
        for log in list(self._logs.values()):
            log.wake()

    def __len__(self) -> int:
        return len(self._logs)
