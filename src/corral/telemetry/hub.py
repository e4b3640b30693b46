"""Where all lines come together: the last ones stay in memory for those who watch, all go to the console and the files."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Protocol

from corral.telemetry.levels import Levels
from corral.telemetry.lines import LogLine, moment

KEPT_LINES = 4000
KEPT_CHARACTERS = 2_000_000
MAX_SOURCES = 2000


class Sink(Protocol):
    """Takes lines without ever waiting."""

    def put(self, line: LogLine) -> None: ...

    def flush(self, seconds: float) -> bool: ...

    @property
    def lost(self) -> int: ...


class LogHub:
    """The lines of this process. For any thread.

    Args:
        levels: the levels in force.
    """

    def __init__(self, levels: Levels) -> None:
        self.levels = levels
        self._sinks: list[Sink] = []
        self._lines: deque[LogLine] = deque()
        self._characters = 0
        self._count = 0
        self._last_id = 0
        self._sources: dict[str, None] = {}
        # An object that is thrown away at any moment may log, also within `take`.
        self._lock = threading.RLock()

    def add_sink(self, sink: Sink) -> None:
        """Gives `sink` all lines from now on, and those that are still here."""
        with self._lock:
            for line in self._lines:
                sink.put(line)
            self._sinks = [*self._sinks, sink]

    def remove_sink(self, sink: Sink) -> None:
        """Gives it no more."""
        self._sinks = [one for one in self._sinks if one is not sink]

    def take(self, created: float, level: str, source: str, message: str, about: tuple[str, dict[str, Any]]) -> None:
        """Takes a line: its moment in seconds since 1970, and `about` the request id (may be empty) and the facts."""
        request_id, fields = about
        at = moment(created)
        with self._lock:
            self._last_id = max(self._last_id + 1, int(created * 1_000_000))
            line = LogLine(str(self._last_id), at, level, source, message, request_id, fields)
            self._lines.append(line)
            self._characters += len(message) + 200
            self._count += 1
            while len(self._lines) > KEPT_LINES or self._characters > KEPT_CHARACTERS:
                self._characters -= len(self._lines.popleft().message) + 200
            if source not in self._sources and len(self._sources) < MAX_SOURCES:
                self._sources[source] = None
            # Within the lock, so that every sink has the lines in the order of their ids.
            for sink in self._sinks:
                sink.put(line)

    def recent(self) -> list[LogLine]:
        """The lines in memory, the oldest first."""
        with self._lock:
            return list(self._lines)

    def since(self, number: int) -> tuple[list[LogLine], int, int]:
        """The lines from `number` on, the number of the next one, and how many of them are forgotten already."""
        with self._lock:
            first = self._count - len(self._lines)
            lost = max(0, first - number)
            return list(self._lines)[max(0, number - first) :], self._count, lost

    @property
    def count(self) -> int:
        """The number that the next line gets."""
        return self._count

    @property
    def sources(self) -> list[str]:
        """All sources seen so far, sorted."""
        with self._lock:
            return sorted(self._sources)

    @property
    def lost(self) -> int:
        """Lines that a sink could not take."""
        return sum(sink.lost for sink in self._sinks)

    def flush(self, seconds: float = 2.0) -> None:
        """Waits for the sinks, but not for ever."""
        for sink in self._sinks:
            sink.flush(seconds)
