"""The arithmetic of limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import ceil, inf

from msgspec.structs import replace

from corral.inference.limits.types import WINDOW, Budget, Held, Period, Take
from corral.kit.clock import Clock

_WINDOWED = ("requests", "tokens")
_SUBJECTS = 10_000
_TITLES = {"requests": "requests a minute", "tokens": "tokens a minute", "concurrent": "requests at once"}


def share(take: Take, replicas: int, spent: int = 0) -> Take:
    """The part of a limit that one of `replicas` servers may give out alone; of a budget, of what is left of it."""
    if take.budget is not None:
        left = max(0, take.limit - spent)
        return replace(take, limit=spent + left // replicas)
    limit = max(1, take.limit // replicas)
    return replace(take, limit=limit, least=min(take.least, limit), amount=min(take.amount, limit))


def budget_of(scope: str, subject: str, period: Period, now: datetime) -> Budget:
    """The budget of the day or month (UTC) that `now` is in."""
    begin = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "month":
        begin = begin.replace(day=1)
        end = (begin + timedelta(days=32)).replace(day=1)
    else:
        end = begin + timedelta(days=1)
    return Budget(scope, subject, period, int(begin.timestamp() * 1000), int(end.timestamp() * 1000))


class Calendar:
    """The budgets of the day and the month (UTC) that it is, each worked out once a day."""

    __slots__ = ("_budgets", "_clock", "_days", "_from", "_look_at", "_until")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._budgets: dict[tuple[str, str, Period], tuple[Budget, str]] = {}
        self._days: dict[Period, tuple[int, int]] = {}
        self._from = self._until = self._look_at = 0.0

    def budget(self, scope: str, subject: str, period: Period) -> tuple[Budget, str]:
        """As `budget_of` now, and the name of its counter."""
        now = self._clock.monotonic()
        if now >= self._look_at:
            self._look(now)
        found = self._budgets.get((scope, subject, period))
        if found is None:
            if len(self._budgets) >= _SUBJECTS:
                self._budgets.clear()
            budget = Budget(scope, subject, period, *self._days[period])
            found = self._budgets[scope, subject, period] = budget, budget.counter
        return found

    def _look(self, now: float) -> None:
        """Which day it is. Until its end that is known, but for a second at most: the system's clock may be set."""
        date = self._clock.now()
        seconds = date.timestamp()
        if not self._from <= seconds < self._until:
            day, month = budget_of("", "", "day", date), budget_of("", "", "month", date)
            self._days = {"day": (day.start, day.end), "month": (month.start, month.end)}
            self._from, self._until = day.start / 1000, day.end / 1000
            self._budgets.clear()
        self._look_at = now + min(1.0, self._until - seconds)


def headers(held: Sequence[Held]) -> dict[str, str]:
    """What an answer tells of its limits: RateLimit-Policy of all, the other fields of the one nearest to its end
    (draft-ietf-httpapi-ratelimit-headers-06). Budgets are the server's own business and are not told."""
    nearest, least = None, inf
    told: tuple[tuple[str, int], ...] = ()
    for one in held:
        take = one.take
        measure = take.measure
        if measure in _WINDOWED:
            limit = take.limit
            told += ((measure, limit),)
            left = one.remaining / (limit or 1)
            if left < least:
                nearest, least = one, left
    if nearest is None:
        return {}
    remaining = nearest.remaining
    return {
        "RateLimit-Limit": f"{nearest.take.limit}",
        "RateLimit-Remaining": f"{remaining}" if remaining > 0 else "0",
        "RateLimit-Reset": f"{ceil(nearest.reset)}",
        "RateLimit-Policy": _policies(told),
    }


@lru_cache(maxsize=1024)
def _policies(told: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(f'{limit};w={WINDOW};comment="{_TITLES[measure]}"' for measure, limit in sorted(told))
