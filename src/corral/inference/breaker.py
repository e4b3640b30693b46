"""The circuit breaker of one candidate. Pure: it is told the time (seconds of a monotonic clock) and keeps no task.

closed: asked freely. open: passed over until a moment. half-open: one request tries; what comes of it decides. Besides, a candidate may
rest because it asked for it (`Retry-After`), which is no failure.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

State = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When it opens, and for how long.

    in_a_row: failures without a success between them. share, least, window: this share of the results within `window` seconds, when
    there are at least `least`. first, longest: seconds open, doubling with every try that fails. trial: seconds after which a try
    that was never settled is forgotten.
    """

    in_a_row: int = 3
    share: float = 0.5
    least: int = 10
    window: float = 30.0
    first: float = 5.0
    longest: float = 300.0
    trial: float = 900.0


class Breaker:
    """One candidate's. Ask `ready`, then `take`; settle with `succeed`, `fail` or `drop` (it ended without saying anything about it)."""

    __slots__ = (
        "_failed_in_a_row",
        "_opened_times",
        "_rest_until",
        "_results",
        "_rules",
        "_tried_at",
        "_until",
        "state",
    )

    def __init__(self, rules: BreakerRules | None = None) -> None:
        self._rules = rules or BreakerRules()
        self.state: State = "closed"
        self._results: deque[tuple[float, bool]] = deque(maxlen=512)
        self._failed_in_a_row = 0
        self._opened_times = 0
        self._until = 0.0
        self._rest_until = 0.0
        self._tried_at: float | None = None

    def wait(self, now: float) -> float:
        """Seconds until it may be asked; 0 when it may now."""
        if self.state == "closed" and self._rest_until <= now:
            return 0.0
        left = max(0.0, self._rest_until - now)
        if self.state == "open":
            left = max(left, self._until - now)
        elif self.state == "half_open" and self._tried_at is not None:
            # Somebody tries just now; how long that takes nobody knows.
            left = max(left, min(1.0, self._tried_at + self._rules.trial - now))
        return max(0.0, left)

    def ready(self, now: float) -> bool:
        """Whether it may be asked now."""
        return self.wait(now) <= 0

    def take(self, now: float) -> None:
        """It is asked now: an open breaker whose time is over becomes half-open, and this is its try."""
        if self.state == "open" and now >= self._until:
            self.state = "half_open"
        if self.state == "half_open":
            self._tried_at = now

    def succeed(self, now: float) -> None:
        """An answer came, whole."""
        self._tried_at = None
        self._failed_in_a_row = 0
        if self.state == "half_open":
            self.state = "closed"
            self._opened_times = 0
            self._results.clear()
        self._add(now, failed=False)

    def fail(self, now: float) -> None:
        """It failed: before an answer or in the middle of one."""
        self._tried_at = None
        self._failed_in_a_row += 1
        self._add(now, failed=True)
        if self.state == "half_open" or (self.state == "closed" and self._too_many()):
            rules = self._rules
            self._until = now + min(rules.longest, rules.first * 2.0 ** min(self._opened_times, 16))
            self._opened_times += 1
            self.state = "open"

    def drop(self) -> None:
        """The request ended without a word about the candidate: the client left, or its request was bad."""
        self._tried_at = None

    def rest(self, now: float, seconds: float) -> None:
        """It asked not to be asked for so long."""
        self._tried_at = None
        self._rest_until = max(self._rest_until, now + min(seconds, self._rules.longest))

    def _too_many(self) -> bool:
        rules = self._rules
        if self._failed_in_a_row >= rules.in_a_row:
            return True
        count = len(self._results)
        return count >= rules.least and sum(failed for _, failed in self._results) >= rules.share * count

    def _add(self, now: float, *, failed: bool) -> None:
        results = self._results
        results.append((now, failed))
        while results and results[0][0] < now - self._rules.window:
            results.popleft()
