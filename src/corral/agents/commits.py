"""How the commits of one turn went: told as one span, because there are many."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from corral.agents.types import Event
from corral.kit.context import request_id
from corral.kit.trace import current_trace
from corral.telemetry.spans import Kind, Span, Value
from corral.telemetry.tracing import Tracing

MAX_MARKS = 200
"""Commits whose moments are kept; of those beyond only the count."""
FIRST = "first token on disk"


class Commits:
    """Those of one turn, from its first token to its last."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing
        self._marks: list[tuple[int, str]] = []
        self._count = 0
        self._began = self._ended = self._busy = self._longest = 0
        self._spoken = False

    @contextmanager
    def one(self, events: Sequence[Event]) -> Iterator[None]:
        """A commit of these events. One that fails counts for nothing: it is told by the turn."""
        began = time.time_ns()
        yield
        ended = time.time_ns()
        took = ended - began
        self._began = self._began or began
        self._ended, self._count = ended, self._count + 1
        self._busy, self._longest = self._busy + took, max(self._longest, took)
        if not self._spoken and any(event.type == "token" for event in events):
            self._spoken = True
            self._marks.append((ended, FIRST))
        if len(self._marks) < MAX_MARKS:
            self._marks.append((ended, f"offset {events[-1].offset}"))
        if self._tracing.samples is not None:
            self._tracing.samples.add(
                "commit the tokens", took / 1e6, {"room": "storage", "outcome": "ok"}, began / 1e9
            )

    def put(self) -> None:
        """Tells of them, once."""
        count, self._count = self._count, 0
        if not count:
            return
        facts: dict[str, Value] = {
            "room": "storage", "commits": count, "meanMs": round(self._busy / count / 1e6, 2), "longestMs": round(self._longest / 1e6, 2),
        }  # fmt: skip
        above = current_trace.get()
        trace = above.child() if above is not None else self._tracing.begin()
        span = Span(
            trace,
            "commit the tokens",
            Kind.INTERNAL,
            self._began,
            self._ended,
            facts,
            "",
            request_id.get(),
            self._marks,
        )
        self._tracing.take(span)
