"""What became of the table at run time: every error that was told is counted, and the bad ones are written to the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from corral.kit.clock import Clock
from corral.kit.errors import CorralError
from corral.telemetry.classification.table import classify, row_of
from corral.telemetry.classification.types import Row, Severity
from corral.telemetry.logging import get_logger

_log = get_logger("corral.errors")
Where = Literal["http", "socket", "answer"]
Metric = tuple[str, str, str, Iterable[tuple[Mapping[str, str], float | int | None]]]
QUIET = 1.0
"""Seconds after a line in which the same error writes no other one, so that a storm of them does not bury the rest."""
_LEVELS = {Severity.HIGH: "warning", Severity.CRITICAL: "error"}


class ErrorLog:
    """Notes errors where they are told."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: Counter[tuple[Where, str]] = Counter()
        self._written: dict[tuple[Where, str], float] = {}
        self._unwritten: Counter[tuple[Where, str]] = Counter()

    def note(self, error: CorralError, where: Where, **facts: Any) -> None:
        """An error was told: `http` and `socket` to a client."""
        self._note(classify(error), where, {**facts, "reason": error.message}, write=True)

    def note_answer(self, code: str, *, write: bool, **facts: Any) -> None:
        """An answer failed, in whatever way it was asked for. `write`: whether nobody else tells of it."""
        self._note(row_of(code), "answer", facts, write=write)

    def count(self, where: Where, code: str) -> int:
        """How often it was."""
        return self._counts[where, code]

    def metrics(self) -> list[Metric]:
        """For `/metrics`."""
        samples = [
            ({"type": row.type.value, "severity": row.severity.value, "code": code, "where": where}, count)
            for (where, code), count in sorted(self._counts.items())
            for row in (row_of(code),)
        ]
        return [("corral_errors_total", "counter", "Errors, by what they are about and how bad they are.", samples)]

    def _note(self, row: Row, where: Where, facts: Mapping[str, Any], *, write: bool) -> None:
        key = where, row.code
        self._counts[key] += 1
        level = _LEVELS.get(row.severity)
        # A fault of ours was written where it was caught, with its trace.
        if level is None or not write or row.code == "internal":
            return
        now, last = self._clock.monotonic(), self._written.get(key)
        if last is not None and now - last < QUIET:
            self._unwritten[key] += 1
            return
        self._written[key] = now
        more = {"unwritten": self._unwritten.pop(key)} if key in self._unwritten else {}
        getattr(_log, level)("error_told", where=where, **row.facts, **facts, **more)
