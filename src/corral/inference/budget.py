"""How often a provider may be asked again: a bounded share of what it is asked at all, so that retries never make a bad time worse."""

from __future__ import annotations

import random
from collections import deque

SHARE = 0.10
LEAST = 3
WINDOW = 60.0
"""Of the requests of the last WINDOW seconds this share may be retries, and always LEAST."""
_SLICES = 12


class RetryBudget:
    """One provider's. Counts in slices of WINDOW / 12 seconds, so it takes the same room however many requests there are."""

    __slots__ = ("_asked", "_retried", "_slices")

    def __init__(self) -> None:
        self._slices: deque[list[int]] = deque()
        self._asked = 0
        self._retried = 0

    def ask(self, now: float) -> None:
        """It is asked for the first time within a request."""
        self._slice(now)[1] += 1
        self._asked += 1

    def retry(self, now: float) -> bool:
        """Whether it may be asked again; taken from the budget when so."""
        current = self._slice(now)
        if self._retried >= max(LEAST, int(self._asked * SHARE)):
            return False
        current[2] += 1
        self._retried += 1
        return True

    def _slice(self, now: float) -> list[int]:
        number = int(now / WINDOW * _SLICES)
        slices = self._slices
        if slices and slices[-1][0] == number:
            return slices[-1]
        while slices and slices[0][0] <= number - _SLICES:
            _, asked, retried = slices.popleft()
            self._asked -= asked
            self._retried -= retried
        slices.append([number, 0, 0])
        return slices[-1]


FIRST_PAUSE, LONGEST_PAUSE = 0.2, 8.0
OBEYED = 10.0
"""Seconds: the first pause and the longest; a `Retry-After` up to OBEYED is waited for here, a longer one is the client's to wait for."""


def pause(number: int, asked_for: float | None, chance: random.Random) -> float | None:
    """Seconds before the retry `number` (from 0): exponential with full jitter, at least what was asked for. None: do not wait."""
    if asked_for is not None and asked_for > OBEYED:
        return None
    drawn = chance.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(number, 16)))
    return max(drawn, asked_for or 0.0)
