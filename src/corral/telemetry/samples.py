"""Samples of figures by name and tags, in memory: bounded, asked for by time, added up when somebody asks."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from corral.telemetry.spans import Value

MAX_SERIES = 400
"""Sets of a name and its tags; what is beyond is kept under the name alone, with the tag `overflow`."""
MAX_SAMPLES = 1000
"""Samples of one series; the oldest leave."""
PERCENTILES = (50, 90, 95, 99)
Tags = tuple[tuple[str, Value], ...]


class Sample(NamedTuple):
    """A figure, and when it was taken in seconds since 1970."""

    at: float
    value: float


class Tagged(NamedTuple):
    """A sample of a name with its tags."""

    name: str
    tags: Mapping[str, Value]
    at: float
    value: float


Source = Callable[[], Iterable[Tagged]]
"""Figures that are kept elsewhere already, read when somebody asks."""


class Samples:
    """The store. `add` is for the thread of the loop."""

    def __init__(self, series: int = MAX_SERIES, samples: int = MAX_SAMPLES) -> None:
        self._max_series, self._max_samples = series, samples
        self._series: OrderedDict[tuple[str, Tags], deque[Sample]] = OrderedDict()
        self._sources: list[Source] = []

    def add(self, name: str, value: float, tags: Mapping[str, Value], at: float) -> None:
        """Takes a sample."""
        key = name, tuple(sorted(tags.items()))
        series = self._series.get(key)
        if series is None:
            if len(self._series) >= self._max_series:
                key = name, (("overflow", True),)
            series = self._series.get(key)
            if series is None:
                # A name of its own for what overflows may still be one too many: the series that is oldest leaves.
                while len(self._series) >= self._max_series + 50:
                    self._series.popitem(last=False)
                series = self._series[key] = deque(maxlen=self._max_samples)
        series.append(Sample(at, value))

    def add_source(self, source: Source) -> None:
        """Asks `source` too from now on."""
        self._sources.append(source)

    def names(self) -> dict[str, int]:
        """All names, with how many samples are kept of each."""
        found: dict[str, int] = {}
        for one in self._all():
            found[one.name] = found.get(one.name, 0) + 1
        return dict(sorted(found.items()))

    def select(
        self, name: str, tags: Mapping[str, str], since: float = -math.inf, until: float = math.inf
    ) -> list[Tagged]:
        """The samples of a name that have all these tags (compared as text) and lie in the time, in its order."""
        found = [
            one
            for one in self._all(name)
            if one.name == name
            and since <= one.at <= until
            and all(_text(one.tags.get(key)) == value for key, value in tags.items())
        ]
        return sorted(found, key=lambda one: one.at)

    def _all(self, name: str | None = None) -> Iterator[Tagged]:
        for (known, tags), series in self._series.items():
            if name is None or known == name:
                told = dict(tags)
                for sample in series:
                    yield Tagged(known, told, *sample)
        for source in self._sources:
            yield from source()


def aggregate(values: Iterable[float]) -> dict[str, float | int | None]:
    """Count, sum, avg, min, max and percentiles by nearest rank; null where there is nothing."""
    ordered = sorted(values)
    count = len(ordered)
    if not count:
        return {"count": 0, "sum": 0.0, **dict.fromkeys(["avg", "min", "max", *(f"p{p}" for p in PERCENTILES)])}
    total = math.fsum(ordered)
    ranks = {f"p{p}": ordered[max(0, math.ceil(p / 100 * count) - 1)] for p in PERCENTILES}
    # Of many equal figures the mean would otherwise be a rounding below or above all of them.
    mean = min(max(total / count, ordered[0]), ordered[-1])
    return {"count": count, "sum": total, "avg": mean, "min": ordered[0], "max": ordered[-1], **ranks}


def _text(value: Value | None) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
