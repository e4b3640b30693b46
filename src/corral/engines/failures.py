"""What an engine's failures mean: how long it rests, when it is given up, and what is told."""

from __future__ import annotations

import math
from collections.abc import Sequence

from corral.engines.health import Answer, Health
from corral.engines.policy import diagnose, restart_delay
from corral.engines.process import EngineProcess
from corral.engines.starting import unreachable
from corral.engines.types import EngineOptions, EngineProblem, EngineSpec
from corral.kit.clock import Clock
from corral.kit.rings import LineRing

_REMEMBERED = 50


class Failures:
    """The last failures of an engine."""

    def __init__(self, options: EngineOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._moments: list[float] = []

    def add(self) -> None:
        """It failed now."""
        self._moments = [*self._moments[-_REMEMBERED:], self._clock.monotonic()]

    def clear(self) -> None:
        """What was, does not count any more."""
        self._moments.clear()

    def rest(self, *, endless: bool) -> float:
        """Seconds until it may be tried again; infinite when it failed too often, unless it is asked for without end."""
        if not self._moments:
            return 0.0
        options, now = self._options, self._clock.monotonic()
        # A server of somebody else is asked again for ever: asking costs nothing.
        limit = _REMEMBERED + 1 if endless else options.crash_limit
        delay = restart_delay(self._moments, now, limit=limit, window=options.crash_window)
        return math.inf if delay is None else max(0.0, self._moments[-1] + delay - now)


class Misses:
    """Counts answers that did not come; `limit` in a row are too many."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0

    def given_up(self, health: Health, *, busy: bool) -> bool:
        """Whether this was one too many. Nobody listens: a miss. Silence: one only when it has nothing to do."""
        missed = health.answer is Answer.GONE or (health.answer is Answer.SILENT and not busy)
        self._count = self._count + 1 if missed else 0
        return self._count >= self._limit


def unanswering(spec: EngineSpec, health: Health, lines: Sequence[str], *, ours: bool) -> EngineProblem:
    """The problem of an engine that lives and does not answer."""
    if not ours:
        return unreachable(spec, health)
    text = f"The engine of {spec.model!r} does not answer any more: {health.detail}"
    return EngineProblem("unresponsive", text, "It is started again by itself.", tuple(lines[-12:]))


async def ended_process(spec: EngineSpec, process: EngineProcess, log: LineRing) -> EngineProblem:
    """Waits for its end; what it means."""
    code = await process.wait()
    return diagnose(spec.model, code, log.tail())
