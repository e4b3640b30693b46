"""How long each resolution is kept, and how rows become the points of a chart. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Row:
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
    sums: dict[str, dict[int, list[list[float]]]] = defaultdict(dict)
    for row in rows:
        at = row.at if step <= FINEST else bucket(row.at, step)
        cells = sums[row.subject].setdefault(at, [[0.0, 0.0] for _ in VALUES])
        for cell, value in zip(cells, row.values, strict=True):
            if value is not None:
                cell[0] += value * row.resolution
                cell[1] += row.resolution
    return {
        subject: {
            at: tuple(total / weight if weight else None for total, weight in cells) for at, cells in by_time.items()
        }
        for subject, by_time in sums.items()
    }


def busiest(totals: Mapping[str, tuple[float, float]], limit: int) -> tuple[list[str], int]:
    """The names with the highest totals, sorted by name, and how many were left out."""
    ordered = sorted(totals, key=lambda name: (totals[name], name), reverse=True)
    return sorted(ordered[:limit]), max(0, len(ordered) - limit)
