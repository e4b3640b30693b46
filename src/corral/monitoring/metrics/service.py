"""What the doors ask about metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from corral.kit.clock import Clock
from corral.monitoring.metrics.collector import EVERY, Collector
from corral.monitoring.metrics.exposition import Gathered, exposition
from corral.monitoring.metrics.history import History
from corral.monitoring.metrics.types import Snapshot

Usage = Callable[[], Mapping[str, Mapping[str, int]]]
Gateway = Callable[[], Iterable[Gathered]]


def _none() -> Iterable[Gathered]:
    return ()


class Metrics:
    """Figures of now and of earlier.

    Args:
        usage: by model, what was asked through the API since the start.
        gateway: metrics of what was asked of providers.
    """

    def __init__(
        self,
        collector: Collector,
        history: History,
        clock: Clock,
        *,
        version: str,
        usage: Usage,
        gateway: Gateway = _none,
    ) -> None:
        self._collector = collector
        self._history = history
        self._clock = clock
        self._version = version
        self._usage = usage
        self._gateway = gateway

    async def latest(self) -> dict[str, Any]:
        """The newest sample; one is taken when there is none yet."""
        return (await self._snapshot()).as_dict()

    async def history(self, range_: str, engine: str | None = None) -> dict[str, Any]:
        """The points of a range. Raises InvalidRequest."""
        return await self._history.query(range_, engine)

    async def overview(self) -> dict[str, Any]:
        """The newest sample and the last ten minutes."""
        return {"interval": EVERY, "latest": await self.latest(), "history": await self.history("10m")}

    async def exposition(self) -> str:
        """The newest sample in Prometheus' text format."""
        return exposition(await self._snapshot(), self._version, self._usage(), self._gateway())

    async def _snapshot(self) -> Snapshot:
        latest = self._collector.latest
        old = latest is None or (self._clock.now() - latest.at).total_seconds() > 3 * EVERY
        return await self._collector.sample() if latest is None or old else latest
