"""Counters of one server, in its memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from corral.inference.limits.policy import Window
from corral.inference.limits.types import WINDOW, Held, Spent, Standing, Take, Taking
from corral.kit.clock import Clock

MAX_COUNTERS = 100_000
"""Counters at most. Beyond it the one that was idle for longest is forgotten, which can only let somebody in."""
_SWEEP_EVERY = 4096
_WINDOWED = ("requests", "tokens")


class MemoryLedger:
    """See `Ledger`. Each `take` is one step of the event loop, so it is all or nothing by itself.

    Args:
        clock: windows count its monotonic seconds, budgets its date.
    """

    def __init__(self, clock: Clock, *, local: bool = False) -> None:
        self._clock = clock
        self._local = local
        self._windows: OrderedDict[str, Window] = OrderedDict()
        self._levels: dict[str, int] = {}
        self._spent: dict[str, list[int]] = {}
        """By counter of a budget: what is spent, what is held, and when it ends (milliseconds)."""
        self._takes = 0

    async def start(self) -> None:
        """See `Ledger.start`."""

    async def stop(self) -> None:
        """See `Ledger.stop`."""

    async def take(self, owner: str, takes: Sequence[Take]) -> Taking:
        """See `Ledger.take`."""
        return self.take_now(takes)

    def take_now(self, takes: Sequence[Take]) -> Taking:
        """See `Ledger.take_now`: nobody ever waits here."""
        now = self._clock.monotonic()
        second = int(now)
        self._takes += 1
        if self._takes % _SWEEP_EVERY == 0:
            self._sweep(second)
        # What was counted in this second is the last to be free again.
        last = second + WINDOW + 1 - now
        held: list[Held] = []
        standings: list[Standing] = []
        local = self._local
        for take in takes:
            windowed = take.measure in _WINDOWED
            amount, left = self._window(take.counter).draw(second, take) if windowed else self._draw(take)
            if amount < 0:
                self._undo(held, second)
                standing = Standing(take, left, self._reset(take, now))
                return Taking((), (standing,), standing, self._frees(take, now))
            held.append(Held(take, amount, second, local))
            standings.append(Standing(take, left, last if windowed else 0.0))
        return Taking(tuple(held), tuple(standings))

    def _draw(self, take: Take) -> tuple[int, int]:
        """What a take gets of a level or a budget, -1 when there is no room for its least, and what is left."""
        if take.budget is None:
            used = self._levels.get(take.counter, 0)
            room = take.limit - used
            if take.least > room:
                return -1, room
            amount = take.amount if take.amount < room else room
            self._levels[take.counter] = used + amount
            return amount, room - amount
        entry = self._budget(take)
        room = take.limit - entry[0] - entry[1]
        if take.least > room:
            return -1, room
        amount = take.amount if take.amount < room else room
        entry[1] += amount
        return amount, room - amount

    def _undo(self, held: Sequence[Held], second: int) -> None:
        """Gives back what was taken before a counter was full: all or nothing."""
        for one in held:
            take = one.take
            if take.budget is not None:
                self._budget(take)[1] -= one.amount
            elif take.measure == "concurrent":
                self._leave(take.counter, one.amount)
            else:
                self._window(take.counter).correct(second, -one.amount, second)

    def settle(self, owner: str, spent: Sequence[Spent]) -> None:
        """See `Ledger.settle`."""
        now = int(self._clock.monotonic())
        for one in spent:
            held, actual = one.held, one.actual
            take = held.take
            if take.measure == "concurrent":
                self._leave(take.counter, held.amount)
            elif take.measure == "budget":
                entry = self._budget(take)
                entry[1] -= held.amount
                entry[0] += held.amount if actual is None else actual
            elif actual is not None and actual != held.amount:
                self._window(take.counter).correct(held.at, actual - held.amount, now)

    def seed(self, budget: Take, spent: int) -> None:
        """See `Ledger.seed`."""
        entry = self._budget(budget)
        entry[0] = max(entry[0], spent)

    def spent(self, budget: Take) -> int:
        """What is spent and held of a budget."""
        entry = self._spent.get(budget.counter)
        return entry[0] + entry[1] if entry else 0

    @property
    def counters(self) -> int:
        """How many there are."""
        return len(self._windows) + len(self._levels) + len(self._spent)

    def _reset(self, take: Take, now: float) -> float:
        if take.measure == "concurrent":
            return 0.0
        if take.budget is not None:
            return max(0.0, take.budget.end / 1000 - self._clock.now().timestamp())
        return self._window(take.counter).reset(now)

    def _frees(self, take: Take, now: float) -> float:
        if take.measure == "concurrent":
            return 1.0
        if take.budget is not None:
            return max(1.0, take.budget.end / 1000 - self._clock.now().timestamp())
        return self._window(take.counter).frees(now, take.least, take.limit)

    def _window(self, counter: str) -> Window:
        found = self._windows.get(counter)
        if found is None:
            found = self._windows[counter] = Window()
            if len(self._windows) > MAX_COUNTERS:
                self._windows.popitem(last=False)
        else:
            self._windows.move_to_end(counter)
        return found

    def _budget(self, take: Take) -> list[int]:
        found = self._spent.get(take.counter)
        if found is None:
            end = take.budget.end if take.budget is not None else 0
            found = self._spent[take.counter] = [0, 0, end]
        return found

    def _leave(self, counter: str, amount: int) -> None:
        left = self._levels.get(counter, 0) - amount
        if left > 0:
            self._levels[counter] = left
        else:
            self._levels.pop(counter, None)

    def _sweep(self, second: int) -> None:
        """Forgets windows in which nothing counts any more, and budgets of days that are over."""
        idle = [name for name, window in self._windows.items() if not window.look(second)]
        for name in idle:
            del self._windows[name]
        today = self._clock.now().timestamp() * 1000
        over = [name for name, entry in self._spent.items() if entry[2] < today and not entry[1]]
        for name in over:
            del self._spent[name]
