"""Takes a sample of everything every few seconds and tells it on the bus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol, TypeVar

from corral.bus import Bus
from corral.kit.clock import Clock
from corral.kit.tasks import Tasks
from corral.monitoring.metrics.asking import Asking, Known
from corral.monitoring.metrics.host import Readings
from corral.monitoring.metrics.processes import Use
from corral.monitoring.metrics.types import EngineFigures, Engines, EngineView, ServerFigures, Snapshot
from corral.telemetry import get_logger

TOPIC = "metrics"
EVERY = 10.0
_ORDER = ("busy", "ready", "loading", "starting", "stopping", "failed", "stopped")
"""Of several engines of a model the first of these states is told."""
_log = get_logger("corral.monitoring")


class Reader(Protocol):
    """Looks at the machine; may block."""

    def read(self, pids: set[int]) -> Readings: ...


class Keeper(Protocol):
    """Keeps samples; may not raise for a storage that is full or away."""

    async def keep(self, snapshot: Snapshot) -> None: ...


class Collector:
    """The samples of this server.

    Args:
        engines: tells what engines there are.
        about_us: open sockets, and lines of the log that were dropped.
    """

    def __init__(
        self, reader: Reader, engines: Engines, about_us: Callable[[], tuple[int, int]], *, clock: Clock, bus: Bus
    ) -> None:
        self._reader = reader
        self._engines = engines
        self._about_us = about_us
        self._clock = clock
        self._bus = bus
        self._asking = Asking(clock)
        self._tasks = Tasks("metrics")
        self._began = clock.monotonic()
        self._before: Readings | None = None
        self._sampling = asyncio.Lock()
        self.latest: Snapshot | None = None

    def start(self, keeper: Keeper, every: float = EVERY) -> None:
        """Takes a sample every `every` seconds, the first one at once."""
        self._tasks.start("collector", self._run(keeper, every))

    async def stop(self) -> None:
        """Takes no more."""
        await self._tasks.stop()

    async def _run(self, keeper: Keeper, every: float) -> None:
        due = self._clock.monotonic()
        while True:
            [outcome] = await asyncio.gather(self._take(keeper), return_exceptions=True)
            if isinstance(outcome, Exception):
                _log.error("sample_failed", exc_info=outcome)
            # Samples that were missed, as while the machine slept, are not made up for.
            due = max(due + every, self._clock.monotonic())
            await self._clock.sleep(max(0.0, due - self._clock.monotonic()))

    async def _take(self, keeper: Keeper) -> None:
        snapshot = await self.sample()
        self._bus.publish(TOPIC, {"event": "metrics:update", **snapshot.as_dict()})
        await keeper.keep(snapshot)

    async def sample(self) -> Snapshot:
        """A sample of this moment."""
        async with self._sampling:
            views = self._engines()
            pids = {view.pid for view in views if view.pid is not None}
            readings, known = await asyncio.gather(asyncio.to_thread(self._reader.read, pids), self._asking.ask(views))
            before, self._before = self._before, readings
            sockets, dropped = self._about_us()
            seconds = readings.moment - before.moment if before is not None else 0.0
            own = cores(before.own if before is not None else None, readings.own, seconds)
            server = ServerFigures(readings.own.rss, own, self._clock.monotonic() - self._began, sockets, dropped)
            engines = together(figures(view, one, readings, before) for view, one in zip(views, known, strict=True))
            self.latest = Snapshot(self._clock.now(), readings.host, server, engines)
            return self.latest


def cores(before: Use | None, now: Use | None, seconds: float) -> float | None:
    """Processors in use between two readings, None without two."""
    if before is None or now is None or seconds <= 0 or now.cpu_seconds < before.cpu_seconds:
        return None
    return round((now.cpu_seconds - before.cpu_seconds) / seconds, 4)


def figures(view: EngineView, known: Known | None, now: Readings, before: Readings | None) -> EngineFigures:
    """An engine's figures from all that is known of it."""
    use = now.engines.get(view.pid) if view.pid is not None else None
    earlier = before.engines.get(view.pid) if before is not None and view.pid is not None else None
    counters = known.counters if known is not None else None
    slots = known.slots if known is not None else None
    rates = (known.rates if known is not None else None) or (None, None)
    kv_use = counters.kv_use if counters is not None else None
    if kv_use is None and slots is not None:
        kv_use = slots.kv_use
    if view.sleeping:
        # It has given its memory back.
        kv_use = 0.0
    running = counters.running if counters is not None and view.pid is None else 0
    return EngineFigures(
        name=view.name,
        state=view.state,
        rss=use.rss if use is not None else None,
        cpu=cores(earlier, use, now.moment - before.moment) if before is not None else None,
        tokens_per_second=rates[0],
        prompt_tokens_per_second=rates[1],
        slots_busy=max(view.busy, running),
        slots=view.slots,
        kv_use=round(kv_use, 4) if kv_use is not None else None,
        queue=view.queue + (counters.deferred if counters is not None and view.pid is None else 0),
        requests=view.requests,
        tokens=int(counters.tokens) if counters is not None else 0,
        prompt_tokens=int(counters.prompt_tokens) if counters is not None else 0,
        sleeping=view.sleeping,
    )


def together(engines: Iterable[EngineFigures]) -> tuple[EngineFigures, ...]:
    """The figures of engines, those of one model added up, sorted by name."""
    by_name: dict[str, list[EngineFigures]] = {}
    for one in engines:
        by_name.setdefault(one.name, []).append(one)
    return tuple(found[0] if len(found) == 1 else _added(found) for _, found in sorted(by_name.items()))


def _added(found: list[EngineFigures]) -> EngineFigures:
    state = min((one.state for one in found), key=lambda state: _ORDER.index(state) if state in _ORDER else len(_ORDER))
    told = [(one.kv_use, max(1, one.slots)) for one in found if one.kv_use is not None]
    return replace(
        found[0],
        state=state,
        rss=_sum(one.rss for one in found),
        cpu=_sum(one.cpu for one in found),
        tokens_per_second=_sum(one.tokens_per_second for one in found),
        prompt_tokens_per_second=_sum(one.prompt_tokens_per_second for one in found),
        slots_busy=sum(one.slots_busy for one in found),
        slots=sum(one.slots for one in found),
        kv_use=round(sum(use * slots for use, slots in told) / sum(slots for _, slots in told), 4) if told else None,
        # Those who wait do so for the model, not for one of its engines.
        queue=max(one.queue for one in found),
        requests=sum(one.requests for one in found),
        tokens=sum(one.tokens for one in found),
        prompt_tokens=sum(one.prompt_tokens for one in found),
        sleeping=all(one.sleeping for one in found),
    )


N = TypeVar("N", int, float)


def _sum(values: Iterable[N | None]) -> N | None:
    told = [value for value in values if value is not None]
    return sum(told[1:], told[0]) if told else None
