"""What an engine says: its last lines, and the same lines in the log of the program, each with its level.

llama.cpp says which of its tasks a line is about. The requests that hold a lease and have not been seen to begin are
known, so the line that begins a task leads from the request's id to all lines of that task. When several requests begin
in the same moment nobody can tell which is which: such lines carry all their ids as `candidates`.
"""

from __future__ import annotations

import logging
import re
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from corral.kit.rings import LineRing
from corral.telemetry.levels import engine_logger

_STAMPED = re.compile(r"(?:\d+\.\d{2}\.\d{3}\.\d{3} )?([DIWE]) (?=\S)")
_TASK = re.compile(r"\bid +(-?\d+) \| task +(-?\d+) \|")
_LAUNCH = "| processing task"
_LEVELS = {"D": logging.DEBUG, "I": logging.INFO, "W": logging.WARNING, "E": logging.ERROR}
_TASKS_KEPT = 256
_WAITING_KEPT = 256
_LATE = 0.5
"""Seconds that the line of a task may come after the end of its request."""
LINES_A_SECOND = 2000
"""More lines of one engine are counted and left out of the log; its own last lines are always kept."""


def read_line(line: str) -> tuple[int, str]:
    """The level of a line and its text without llama.cpp's clock; what says no level is information."""
    found = _STAMPED.match(line)
    if found is None:
        return logging.INFO, line
    return _LEVELS[found.group(1)], line[found.end() :]


@dataclass(slots=True, eq=False)
class Leased:
    """A request that has not been seen to begin. `peers` are those that it was taken for together with."""

    request_id: str
    leased: int
    released: int | None = None
    gone_at: float = 0.0
    peers: set[str] = field(default_factory=set)


class Trail:
    """Leads from requests to the tasks of an engine.

    An engine's lines and its answers come by different ways, so a request may have ended before the line that it begins
    is read; it is remembered for a moment.
    """

    def __init__(self) -> None:
        self._count = 0
        self._waiting: list[Leased] = []
        self._tasks: OrderedDict[int, tuple[str, ...]] = OrderedDict()

    def leased(self, request_id: str) -> Leased:
        """A request will begin."""
        self._count += 1
        one = Leased(request_id, self._count)
        self._waiting.append(one)
        if len(self._waiting) > _WAITING_KEPT:
            self._forget()
            del self._waiting[:-_WAITING_KEPT]
        return one

    def released(self, one: Leased) -> None:
        """A request has ended; it may never have begun."""
        self._count += 1
        one.released, one.gone_at = self._count, time.monotonic()

    def _forget(self) -> None:
        late = time.monotonic() - _LATE
        self._waiting = [one for one in self._waiting if one.released is None or one.gone_at > late]

    def launched(self, task: int) -> None:
        """A task begins."""
        self._forget()
        if not self._waiting:
            return
        # What has ended begins before anything that was leased after its end, unless it may have begun already.
        ends = (one.released for one in self._waiting if one.released is not None and not one.peers)
        first_end = min(ends, default=self._count + 1)
        able = [one for one in self._waiting if one.leased < first_end]
        told = able
        if all(one.released is not None for one in able):
            # Or it never began, and this is one of those that came later.
            told = [*able, *(one for one in self._waiting if one.released is None)]
        ids = {name for one in told for name in (one.request_id, *one.peers)}
        for one in told:
            one.peers |= ids if len(ids) > 1 else set()
        # One that has ended has begun, so of those that it may be it is the one to take off the list.
        ended = [one for one in able if one.released is not None]
        self._waiting.remove(min(ended, key=lambda one: one.released or 0, default=able[0]))
        # A request without an id, as of our own housekeeping, is nobody to lead to.
        self._tasks[task] = tuple(sorted(ids - {""}))
        while len(self._tasks) > _TASKS_KEPT:
            self._tasks.popitem(last=False)

    def ids(self, task: int) -> tuple[str, ...]:
        """The request that a task belongs to, several when it cannot be told, none when it is unknown."""
        return self._tasks.get(task, ())


class EngineLog(LineRing):
    """The last lines of one engine; each also goes into the log under the source `engine:MODEL`."""

    def __init__(self, model: str, max_lines: int = 200) -> None:
        super().__init__(max_lines)
        self._source = f"engine:{model}"
        self._logger = logging.getLogger(engine_logger(model))
        self._trail = Trail()
        self._second = 0
        self._count = 0

    def append(self, line: str) -> None:
        """Adds a line."""
        super().append(line)
        if line.strip(" .\t"):
            level, text = read_line(line)
            if self._logger.isEnabledFor(level) and self._admitted():
                self._about_task(level, text)

    def leased(self, request_id: str) -> Leased:
        """A request holds a lease from now on."""
        if self._logger.isEnabledFor(logging.DEBUG):
            self._log(logging.DEBUG, "a request takes a lease", request_id, {})
        return self._trail.leased(request_id)

    def released(self, one: Leased) -> None:
        """It gives the lease back."""
        self._trail.released(one)

    def _about_task(self, level: int, text: str) -> None:
        facts: dict[str, object] = {}
        request_id, found = "", _TASK.search(text)
        if found is not None:
            slot, task = int(found.group(1)), int(found.group(2))
            if task >= 0:
                if _LAUNCH in text:
                    self._trail.launched(task)
                facts = {"slot": slot, "task": task}
                ids = self._trail.ids(task)
                if len(ids) == 1:
                    request_id = ids[0]
                elif ids:
                    facts["candidates"] = list(ids)
        self._log(level, text, request_id, facts)

    def _admitted(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            left_out, self._second, self._count = self._count - LINES_A_SECOND, second, 0
            if left_out > 0:
                text = f"{left_out} lines of one second were left out: the engine says too much"
                self._log(logging.WARNING, text, "", {})
        self._count += 1
        return self._count <= LINES_A_SECOND

    def _log(self, level: int, text: str, request_id: str, facts: dict[str, object]) -> None:
        # A record of our own making: the logger's would look for the calling line of code, which says nothing here.
        record = logging.LogRecord(self._logger.name, level, "", 0, text, None, None)
        record.source = self._source
        record.request_id = request_id
        record.facts = facts
        self._logger.handle(record)
