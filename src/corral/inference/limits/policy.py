"""The arithmetic of limits, without a clock of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import ceil, inf

from msgspec.structs import replace

from corral.inference.limits.types import WINDOW, Budget, Period, Standing, Take

_WINDOWED = ("requests", "tokens")
_SUBJECTS = 10_000
_TITLES = {"requests": "requests a minute", "tokens": "tokens a minute", "concurrent": "requests at once"}


class Window:
    """What was counted in the last minute, by whole seconds.

    A second counts until it is wholly over 60 s ago, so never more than the limit passes within any 60 s.
    """

    __slots__ = ("_last", "_seconds", "total")

    def __init__(self) -> None:
        self._seconds: deque[list[int]] = deque()
        self._last = [-1, 0]
        """The last of them. While it is the present second, nothing can be over that was not when it began."""
        self.total = 0

    def look(self, now: int) -> int:
        """The sum at second `now`; forgets what is over."""
        seconds = self._seconds
        while seconds and seconds[0][0] < now - WINDOW:
            self.total -= seconds.popleft()[1]
        if not seconds:
            self._last = [-1, 0]
        return self.total

    def draw(self, now: int, take: Take) -> tuple[int, int]:
        """Counts what `take` gets at second `now`, which never goes back: that, -1 when there is no room for its least, and what is left."""
        last = self._last
        if last[0] < now:
            self.look(now)
        room = take.limit - self.total
        if take.least > room:
            return -1, room
        amount = take.amount if take.amount < room else room
        if last[0] < now:
            self.add(now, amount)
        else:
            last[1] += amount
            self.total += amount
        return amount, room - amount

    def add(self, now: int, amount: int) -> None:
        """Counts `amount` at second `now`, which never goes back."""
        if self._last[0] < now:
            self._last = [now, 0]
            self._seconds.append(self._last)
        self._last[1] += amount
        self.total += amount

    def correct(self, at: int, change: int, now: int) -> None:
        """Changes what second `at` counted; when that is forgotten, what is more counts now and what is less does not matter."""
        if self._last[0] == at == now:
            self._last[1] += change
            self.total += change
            return
        self.look(now)
        for second in reversed(self._seconds):
            if second[0] == at:
                second[1] += change
                self.total += change
                return
            if second[0] < at:
                break
        if change > 0:
            self.add(now, change)

    def frees(self, now: float, need: int, limit: int) -> float:
        """In how many seconds there is room for `need`; a whole window when it never fits."""
        used = self.total
        for second, amount in self._seconds:
            if used + need <= limit:
                break
            used -= amount
            if used + need <= limit:
                return max(0.0, second + WINDOW + 1 - now)
        return 0.0 if used + need <= limit else float(WINDOW + 1)

    def reset(self, now: float) -> float:
        """In how many seconds all of it is free."""
        return max(0.0, self._seconds[-1][0] + WINDOW + 1 - now) if self._seconds and self.total else 0.0


def granted(take: Take, used: int) -> int | None:
    """How much `take` gets where `used` is used; None when there is no room for its least."""
    if used + take.least > take.limit:
        return None
    return min(take.amount, take.limit - used)


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
    """The budgets of the day and the month (UTC) that a moment is in, each worked out once a day."""

    __slots__ = ("_budgets", "_days", "_from", "_until")

    def __init__(self) -> None:
        self._budgets: dict[tuple[str, str, Period], tuple[Budget, str]] = {}
        self._days: dict[Period, tuple[int, int]] = {}
        self._from = self._until = 0.0

    def budget(self, scope: str, subject: str, period: Period, now: datetime) -> tuple[Budget, str]:
        """As `budget_of`, and the name of its counter."""
        seconds = now.timestamp()
        if not self._from <= seconds < self._until:
            day, month = budget_of("", "", "day", now), budget_of("", "", "month", now)
            self._days = {"day": (day.start, day.end), "month": (month.start, month.end)}
            self._from, self._until = day.start / 1000, day.end / 1000
            self._budgets.clear()
        found = self._budgets.get((scope, subject, period))
        if found is None:
            if len(self._budgets) >= _SUBJECTS:
                self._budgets.clear()
            budget = Budget(scope, subject, period, *self._days[period])
            found = self._budgets[scope, subject, period] = budget, budget.counter
        return found


def headers(standings: Sequence[Standing]) -> dict[str, str]:
    """What an answer tells of its limits: RateLimit-Policy of all, the other fields of the one nearest to its end
    (draft-ietf-httpapi-ratelimit-headers-06). Budgets are the server's own business and are not told."""
    nearest, least = None, inf
    told: list[tuple[str, int]] = []
    for one in standings:
        measure, limit = one.take.measure, one.take.limit
        if measure in _WINDOWED:
            told.append((measure, limit))
            left = one.remaining / (limit or 1)
            if left < least:
                nearest, least = one, left
    if nearest is None:
        return {}
    return {
        "RateLimit-Limit": str(nearest.take.limit),
        "RateLimit-Remaining": str(max(0, nearest.remaining)),
        "RateLimit-Reset": str(ceil(nearest.reset)),
        "RateLimit-Policy": _policies(tuple(told)),
    }


@lru_cache(maxsize=1024)
def _policies(told: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(f'{limit};w={WINDOW};comment="{_TITLES[measure]}"' for measure, limit in sorted(told))
