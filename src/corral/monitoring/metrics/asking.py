"""Asks engines for their figures, many at once, none for long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from corral.kit.clock import Clock
from corral.kit.errors import UpstreamFailed, UpstreamTimeout
from corral.kit.http import HttpPool, Timeouts
from corral.monitoring.metrics.figures import (
    Counters,
    SlotFigures,
    Totals,
    is_awake,
    parse_counters,
    parse_slots,
    rate,
)
from corral.monitoring.metrics.types import EngineView

_TIMEOUTS = Timeouts(connect=1.0, head=2.0, idle=2.0)
_LIMIT = 4 << 20
_AT_ONCE = 8


@dataclass(slots=True)
class Known:
    """What is known of one run of an engine."""

    counters: Counters | None = None
    totals: Totals | None = None
    slots: SlotFigures | None = None
    rates: tuple[float, float] | None = None
    requests: int = -1
    silent: set[bytes] = field(default_factory=set)
    """Paths that it does not have; they are not asked for again."""


class Asking:
    """Remembers what engines said, so that those with nothing to tell need not be asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[HttpPool, Known] = {}
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._before: float | None = None
        self._round: float | None = None

    async def ask(self, views: Sequence[EngineView]) -> list[Known | None]:
        """What each of the engines says now; None for those that cannot be asked.

        A run of an engine is known by its pool, so the counters of two runs are never compared.
        """
        ready = [(view, view.pool) for view in views if view.pool is not None]
        self._known = {pool: self._known.get(pool) or Known() for _, pool in ready}
        self._before, self._round = self._round, self._clock.monotonic()
        await asyncio.gather(*(self._one(view, self._known[pool]) for view, pool in ready))
        return [self._known[view.pool] if view.pool is not None else None for view in views]

    async def _one(self, view: EngineView, known: Known) -> None:
        idle = view.pid is not None and not view.busy and known.requests == view.requests and _settled(known)
        if idle:
            # All that it ever does it does for us, so nothing has changed.
            known.totals = _moved(known.totals, self._clock.monotonic())
            known.rates = (0.0, 0.0) if known.totals is not None else None
            return
        async with self._at_once:
            working = view.busy or (known.counters is not None and known.counters.running)
            if not working and view.pid is not None and known.requests != view.requests:
                # It has worked since: what its slots hold is of interest, unless asking would wake it.
                working = await self._awake(view, known)
            metrics, slots = await asyncio.gather(
                self._get(view, known, b"/metrics"),
                self._get(view, known, b"/slots") if working else _nothing(),
            )
        counters = parse_counters(metrics) if metrics else None
        if metrics and counters is None:
            known.silent.add(b"/metrics")
        if counters is None:
            # It did not answer in time, as in a long prompt: what it said before is better than nothing.
            return
        known.slots = (parse_slots(slots) if slots else None) or (
            None if known.slots is None else _at_rest(known.slots)
        )
        pending = known.slots.pending_tokens if known.slots is not None else 0
        now = Totals(self._clock.monotonic(), counters.tokens, counters.prompt_tokens, pending)
        before = known.totals
        if before is None and view.pid is not None and self._before is not None:
            # One of ours that was not there the last time began to count at nothing.
            before = Totals(self._before, 0.0, 0.0)
        known.rates, known.totals, known.counters = rate(before, now), now, counters
        known.requests = view.requests

    async def _awake(self, view: EngineView, known: Known) -> bool:
        props = await self._get(view, known, b"/props")
        return props is not None and is_awake(props)

    async def _get(self, view: EngineView, known: Known, path: bytes) -> bytes | None:
        if path in known.silent or view.pool is None:
            return None
        try:
            response = await view.pool.request(b"GET", path, headers=view.headers, timeouts=_TIMEOUTS)
            body = await response.read(_LIMIT)
        except (UpstreamFailed, UpstreamTimeout):
            return None
        if response.status in (401, 403, 404, 405, 501):
            known.silent.add(path)
        return body if response.status == 200 else None


async def _nothing() -> None:
    return None


def _settled(known: Known) -> bool:
    return known.counters is None or (not known.counters.running and not (known.slots and known.slots.busy))


def _at_rest(slots: SlotFigures) -> SlotFigures:
    """The slots when nothing runs: what they hold stays."""
    return SlotFigures(0, slots.count, 0, slots.kv_use)


def _moved(totals: Totals | None, moment: float) -> Totals | None:
    if totals is None:
        return None
    return Totals(moment, totals.tokens, totals.prompt_tokens, totals.pending)
