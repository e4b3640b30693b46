"""How long each resolution is kept, and how rows become the points of a chart. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from corral.kit.errors import InvalidRequest

FINEST = 10
KEPT = {10: 15 * 60, 60: 2 * 3600, 300: 25 * 3600, 900: 8 * 86_400, 3600: 30 * 86_400}
"""Seconds that rows of each resolution (in seconds) are kept. Each is rolled up from the one before it."""
ROLLS = tuple(zip(list(KEPT), list(KEPT)[1:], strict=False))
SPANS = {"10m": (600, 10), "1h": (3600, 60), "24h": (86_400, 300), "7d": (7 * 86_400, 900), "30d": (30 * 86_400, 3600)}
"""Ranges that can be asked for: their seconds and the step of their points."""
VALUES = (
    "cpu", "memory", "disk", "gpu", "gpu_memory", "tokens_per_second", "prompt_tokens_per_second", "slots_busy",
    "kv_use", "queue",
)  # fmt: skip
MAX_ENGINES = 64
"""Engines of which one sample is kept, the busiest."""
SHOWN_ENGINES = 20


class Row(NamedTuple):
    """One row: `resolution` in seconds, `at` in milliseconds since 1970, the values in the order of `VALUES`."""

    resolution: int
    subject: str
    at: int
    values: tuple[float | None, ...]


def span(range_: str) -> tuple[int, int]:
    """Seconds and step of a range. Raises InvalidRequest."""
    found = SPANS.get(range_)
    if found is None:
        raise InvalidRequest(f"range is one of {', '.join(SPANS)}, not {range_[:40]!r}.", param="range")
    return found


def bucket(at: int, resolution: int) -> int:
    """The beginning of the step that a moment lies in (milliseconds)."""
    return at - at % (resolution * 1000)


def points(rows: Iterable[Row], step: int) -> dict[str, dict[int, tuple[float | None, ...]]]:
    """The mean of each subject's rows in each step, by the step's beginning; rows count by the time they stand for.

    Samples of the finest resolution keep their own moments where the step is as fine.
    """
    found: dict[str, dict[int, tuple[float | None, ...]]] = defaultdict(dict)
    finer: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in rows:
        if row.resolution >= step:
            found[row.subject][row.at] = row.values
        else:
            finer[row.subject, bucket(row.at, step)].append(row)
    for (subject, at), part in finer.items():
        whole = found[subject].get(at)
        if whole is not None:
            part.append(Row(step, subject, at, whole))
        found[subject][at] = tuple(_mean(part, place) for place in range(len(VALUES)))
    return found


def _mean(rows: list[Row], place: int) -> float | None:
    told = [(value, row.resolution) for row in rows if (value := row.values[place]) is not None]
    weight = sum(resolution for _, resolution in told)
    return sum(value * resolution for value, resolution in told) / weight if weight else None


def busiest(totals: Mapping[str, tuple[float, float]], limit: int) -> tuple[list[str], int]:
    """The names with the highest totals, sorted by name, and how many were left out."""
    ordered = sorted(totals, key=lambda name: (totals[name], name), reverse=True)
    return sorted(ordered[:limit]), max(0, len(ordered) - limit)
