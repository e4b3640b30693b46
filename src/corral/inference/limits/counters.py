"""What counts in memory: a minute, a level, a budget. Pure: they are told the time."""

from __future__ import annotations

from collections import deque

from corral.inference.limits.types import WINDOW, Held, Take


class Window:
    """What was counted in the last minute, by whole seconds.

    A second counts until it is wholly over 60 s ago, so never more than the limit passes within any 60 s.
    """

    __slots__ = ("_before", "_past", "second", "total")

    def __init__(self) -> None:
        self._past: deque[list[int]] = deque()
        """The seconds before `second` that still count, and what each counted."""
        self._before = 0
        """Their sum; what `total` has beyond it was counted in `second`."""
        self.second = -1
        """The one that it was asked in last."""
        self.total = 0

    def look(self, second: int) -> int:
        """The sum at `second`, which never goes back; forgets what is over."""
        if self.second < second:
            if self.total != self._before:
                self._past.append([self.second, self.total - self._before])
            self.second = second
            past = self._past
            while past and past[0][0] < second - WINDOW:
                self.total -= past.popleft()[1]
            self._before = self.total
        return self.total

    def draw(self, take: Take, second: int, reset: float) -> Held | None:
        """Counts what `take` gets at `second`, of which nothing counts any more after `reset` seconds; None without room for its least."""
        if self.second < second:
            self.look(second)
        room = take.limit - self.total
        if take.least > room:
            return None
        amount = take.amount if take.amount < room else room
        self.total += amount
        return Held(take, amount, room - amount, reset, second)

    def settle(self, held: Held, actual: int, second: int) -> None:
        """What was really used of something held counts where that did; when that is forgotten, what is more counts now and what
        is less does not matter."""
        change = actual - held.amount
        if not change:
            return
        at = held.at
        if self.second < second:
            self.look(second)
        if at == self.second:
            self.total += change
            return
        for past in reversed(self._past):
            if past[0] == at:
                past[1] += change
                self._before += change
                self.total += change
                return
            if past[0] < at:
                break
        if change > 0:
            self.total += change

    def undo(self, held: Held) -> None:
        """Gives back what was held a moment ago."""
        self.total -= held.amount

    def frees(self, now: float, need: int, limit: int) -> float:
        """In how many seconds there is room for `need`; a whole window when it never fits."""
        used = self.total
        for second, amount in self._counted():
            if used + need <= limit:
                break
            used -= amount
            if used + need <= limit:
                return max(0.0, second + WINDOW + 1 - now)
        return 0.0 if used + need <= limit else float(WINDOW + 1)

    def reset(self, now: float) -> float:
        """In how many seconds all of it is free."""
        counted = self._counted()
        return max(0.0, counted[-1][0] + WINDOW + 1 - now) if counted and self.total else 0.0

    def idle(self, second: int, today: float) -> bool:
        """Whether nothing counts any more."""
        return not self.total or self.second < second - WINDOW

    def _counted(self) -> list[list[int]]:
        return [*self._past, [self.second, self.total - self._before]] if self.total != self._before else [*self._past]


class Level:
    """What is held: how many are under way."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total = 0

    def draw(self, take: Take, second: int, reset: float) -> Held | None:
        """Holds what `take` gets; None without room for its least."""
        room = take.limit - self.total
        if take.least > room:
            return None
        amount = take.amount if take.amount < room else room
        self.total += amount
        return Held(take, amount, room - amount)

    def settle(self, held: Held, actual: int, second: int) -> None:
        """It is under way no more."""
        self.total -= held.amount

    def undo(self, held: Held) -> None:
        """Gives back what was held a moment ago."""
        self.total -= held.amount

    def idle(self, second: int, today: float) -> bool:
        """Whether nothing is under way."""
        return not self.total


class Purse(Level):
    """What is spent and held of a budget that ends at `end` (milliseconds since 1970)."""

    __slots__ = ("_end", "_spent")

    def __init__(self, end: int) -> None:
        super().__init__()
        self._end = end
        self._spent = 0

    def settle(self, held: Held, actual: int, second: int) -> None:
        """So much of what was held is spent."""
        self.total += actual - held.amount
        self._spent += actual

    def seed(self, spent: int) -> None:
        """At least so much is spent."""
        more = max(0, spent - self._spent)
        self._spent += more
        self.total += more

    def idle(self, second: int, today: float) -> bool:
        """Whether its day is over and nothing is held, `today` being now in milliseconds since 1970."""
        return self._end < today and self.total == self._spent


Counter = Window | Level


def counter_for(take: Take) -> Counter:
    """A new one that counts what `take` asks for."""
    if take.budget is not None:
        return Purse(take.budget.end)
    return Level() if take.measure == "concurrent" else Window()
