"""Figures that are added up here and sent now and then: histograms, cumulative since the start."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from corral.telemetry.spans import Value

MAX_SERIES = 1000
"""Sets of attributes of one instrument; what is beyond is added up under `otel.metric.overflow`, as the specification of its SDKs says."""
OVERFLOW: tuple[tuple[str, Value], ...] = (("otel.metric.overflow", True),)

Labels = tuple[tuple[str, Value], ...]


@dataclass(slots=True)
class Series:
    """One histogram of one set of attributes. `counts` has one more place than there are bounds."""

    counts: list[int]
    count: int = 0
    sum: float = 0.0
    least: float = field(default=float("inf"))
    most: float = field(default=float("-inf"))


class Histogram:
    """An instrument. `bounds` are upper ones, inclusive."""

    def __init__(self, name: str, unit: str, help_: str, bounds: Sequence[float]) -> None:
        self.name = name
        self.unit = unit
        self.help = help_
        self.bounds = tuple(bounds)
        self.series: dict[Labels, Series] = {}

    def add(self, value: float, labels: Mapping[str, Value]) -> None:
        """Counts one measurement."""
        key = tuple(labels.items())
        series = self.series.get(key)
        if series is None:
            key = key if len(self.series) < MAX_SERIES else OVERFLOW
            series = self.series.setdefault(key, Series([0] * (len(self.bounds) + 1)))
        series.counts[bisect_left(self.bounds, value)] += 1
        series.count += 1
        series.sum += value
        series.least = min(series.least, value)
        series.most = max(series.most, value)


class Instruments:
    """Instruments that are sent together."""

    def __init__(self, histograms: Iterable[Histogram] = ()) -> None:
        self.histograms = list(histograms)

    def __bool__(self) -> bool:
        """Whether anything was measured."""
        return any(one.series for one in self.histograms)
