"""What counts in memory, apart from requests."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from corral.inference.limits import memory
from corral.inference.limits.counters import Window
from corral.inference.limits.memory import MemoryLedger
from corral.inference.limits.policy import Calendar
from corral.inference.limits.types import Take
from tests.support.clock import ManualClock


def requests(limit: int, counter: str = "user:ana/requests") -> Take:
    return Take(counter, "requests", limit, 1, 1)


def test_what_a_second_counted_is_corrected_in_that_second_as_long_as_it_counts() -> None:
    window, take = Window(), Take("user:ana/tokens", "tokens", 100, 50, 50)
    first, second = window.draw(take, 10, 61.0), window.draw(take, 20, 61.0)
    assert first is not None
    assert second is not None
    assert window.draw(take, 30, 61.0) is None
    window.settle(first, 5, 30)
    assert [window.look(at) for at in (70, 71, 80, 81)] == [55, 50, 50, 0]
    # It is forgotten: what is more counts now, what is less does not matter.
    window.settle(second, 60, 90)
    window.settle(first, 0, 90)
    assert window.total == 10
    assert window.reset(90.5) == 60.5


def test_beyond_the_most_counters_those_that_were_idle_for_longest_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "MAX_COUNTERS", 20)
    clock = ManualClock()
    ledger = MemoryLedger(clock)
    for second in range(20):
        clock._elapsed = float(second)
        ledger.take_now([requests(99, f"user:{second}/requests")])
        ledger.take_now([requests(99, "user:0/requests"), Take("user:0/concurrent", "concurrent", 99, 1, 1)])
    assert ledger.counters <= 20
    assert ledger.used("user:0/requests") == 21
    assert ledger.used("user:0/concurrent") == 20
    assert ledger.used("user:1/requests") == 0


def test_a_day_ends_in_its_moment_and_a_clock_that_is_set_is_seen_within_a_second() -> None:
    clock, days = ManualClock(), 0

    class Set(ManualClock):
        def now(self) -> datetime:
            return clock.now() + timedelta(days=days)

        def monotonic(self) -> float:
            return clock.monotonic()

    calendar = Calendar(Set())

    def today() -> int:
        return calendar.budget("user", "ana", "day")[0].start // 86_400_000

    first = today()
    for elapsed, later in ((86_399.9, 0), (86_400.0, 1), (86_400.5, 1)):
        clock._elapsed = elapsed
        assert today() == first + later
    days = 3
    clock._elapsed = 86_401.5
    assert today() == first + 4
