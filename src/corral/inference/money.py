"""Money as it is counted: in billionths of a US dollar, as whole numbers, so that sums are exact in every store."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from corral.inference.types import Attempt

NANOS = 1_000_000_000
"""To the dollar."""


def nanos(dollars: float) -> int:
    """Rounded up, so that many small costs never sum to less than they are."""
    return ceil(round(dollars * NANOS, 3)) if dollars else 0


def nanos_of(attempt: Attempt) -> int | None:
    """What an attempt cost, None when that is not known; worked out once for what it used."""
    usage, counted = attempt.usage, attempt.counted
    if usage is None:
        return None
    if counted is None or counted[0] is not usage:
        cost = attempt.cost
        counted = attempt.counted = usage, nanos(cost) if cost is not None else None
    return counted[1]
