"""Counters of one server, in its memory."""

from __future__ import annotations

from collections.abc import Sequence

from corral.inference.limits.counters import Counter, Purse, Window, counter_for
from corral.inference.limits.types import WINDOW, Held, Spent, Take, Taking
from corral.kit.clock import Clock

MAX_COUNTERS = 100_000
"""Counters at most. Beyond it those that were idle for longest are forgotten, which can only let somebody in."""


class MemoryLedger:
    """See `Ledger`. Each `take` is one step of the event loop, so it is all or nothing by itself.

    Args:
        clock: windows count its monotonic seconds, budgets its date.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counters: dict[str, Counter] = {}
        self._sweep_at = 0
        """The second from which on it is looked for counters that are idle."""

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
        if second >= self._sweep_at:
            self._sweep(second)
        # What was counted in this second is the last to be free again.
        reset = second + WINDOW + 1 - now
        counters = self._counters
        held: list[Held] = []
        for take in takes:
            counter = counters.get(take.counter) or self._new(take, second)
            drawn = counter.draw(take, second, reset)
            if drawn is None:
                self._undo(held)
                return self._refusal(take, counter, now)
            held.append(drawn)
        return Taking(tuple(held))

    def settle(self, owner: str, spent: Sequence[Spent]) -> None:
        """See `Ledger.settle`."""
        second = int(self._clock.monotonic())
        counters = self._counters
        for one in spent:
            tokens, money = one.tokens, one.money
            for held in one.held:
                take = held.take
                measure = take.measure
                if measure != "requests":
                    counter = counters.get(take.counter) or self._new(take, second)
                    counter.settle(held, money if measure == "budget" else tokens, second)

    def seed(self, budget: Take, spent: int) -> None:
        """See `Ledger.seed`."""
        purse = self._counters.get(budget.counter) or self._new(budget, 0)
        if isinstance(purse, Purse):
            purse.seed(spent)

    def used(self, counter: str) -> int:
        """What counts there: of a budget what is spent and held."""
        found = self._counters.get(counter)
        return found.total if found is not None else 0

    @property
    def counters(self) -> int:
        """How many there are."""
        return len(self._counters)

    def _undo(self, held: Sequence[Held]) -> None:
        """Gives back what was taken before a counter was full: all or nothing."""
        for one in held:
            counter = self._counters.get(one.take.counter)
            if counter is not None:
                counter.undo(one)

    def _refusal(self, take: Take, counter: Counter, now: float) -> Taking:
        reset, frees = 0.0, 1.0
        if isinstance(counter, Window):
            reset, frees = counter.reset(now), counter.frees(now, take.least, take.limit)
        elif take.budget is not None:
            reset = max(0.0, take.budget.end / 1000 - self._clock.now().timestamp())
            frees = max(1.0, reset)
        return Taking((), Held(take, 0, take.limit - counter.total, reset), frees)

    def _new(self, take: Take, second: int) -> Counter:
        counters = self._counters
        if len(counters) >= MAX_COUNTERS:
            self._sweep(second)
            # Several at once, so that not every new one has to look for the one that may leave.
            windows = sorted((one.second, name) for name, one in counters.items() if isinstance(one, Window))
            for _, name in windows[: max(0, len(counters) - MAX_COUNTERS * 9 // 10)]:
                del counters[name]
        made = counters[take.counter] = counter_for(take)
        return made

    def _sweep(self, second: int) -> None:
        """Forgets what counts nothing any more."""
        self._sweep_at = second + WINDOW
        today = self._clock.now().timestamp() * 1000
        over = [name for name, counter in self._counters.items() if counter.idle(second, today)]
        for name in over:
            del self._counters[name]
