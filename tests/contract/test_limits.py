"""Counters of limits: one suite for memory and Redis, against a plain model of what they promise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.inference.limits import redis as shared
from corral.inference.limits.memory import MemoryLedger
from corral.inference.limits.policy import budget_of
from corral.inference.limits.redis import RedisLedger
from corral.inference.limits.types import Budget, Held, Ledger, Spent, Take, Taking
from corral.kit.clock import SystemClock
from tests.support.clock import ManualClock
from tests.support.redis_server import RedisServer
from tests.support.waiting import eventually

DAY = budget_of("user", "ana", "day", ManualClock().now())


def requests(limit: int, amount: int = 1, counter: str = "user:ana/requests") -> Take:
    return Take(counter, "requests", limit, amount, amount)


def tokens(limit: int, amount: int, least: int | None = None) -> Take:
    return Take("user:ana/tokens", "tokens", limit, amount, amount if least is None else least)


def streams(limit: int) -> Take:
    return Take("user:ana/concurrent", "concurrent", limit, 1, 1)


def money(limit: int, amount: int, least: int | None = None, budget: Budget = DAY) -> Take:
    counter = f"user:ana/{budget.period}/{budget.start}"
    return Take(counter, "budget", limit, amount, amount if least is None else least, budget)


class Tried:
    """A ledger with a clock that it follows, and waiting for what it settles."""

    def __init__(self, ledger: Ledger, clock: ManualClock) -> None:
        self.ledger = ledger
        self.clock = clock
        self._count = 0

    async def take(self, *takes: Take) -> tuple[str, Taking]:
        self._count += 1
        owner = f"r{self._count}"
        return owner, await self.ledger.take(owner, takes)

    async def settle(self, owner: str, held: Sequence[Held], actual: int) -> None:
        self.ledger.settle(owner, [Spent(held, actual, actual)])
        if isinstance(self.ledger, RedisLedger):
            unsettled = self.ledger._unsettled
            await eventually(lambda: not unsettled)

    async def seed(self, take: Take, spent: int) -> None:
        self.ledger.seed(take, spent)
        if isinstance(self.ledger, RedisLedger):
            tasks = self.ledger._tasks
            await eventually(lambda: not any("seed" in name for name in tasks.names()))


@pytest.fixture(params=["memory", "redis"])
async def tried(request: pytest.FixtureRequest) -> AsyncIterator[Tried]:
    clock = ManualClock()
    ledger: Ledger
    if request.param == "memory":
        ledger = MemoryLedger(clock)
    else:
        server: RedisServer = request.getfixturevalue("redis_server")
        ledger = RedisLedger(
            server.address(), clock, patience=30.0, now=lambda: int(clock.now().timestamp() * 1000)
        )  # fmt: skip
    await ledger.start()
    yield Tried(ledger, clock)
    await ledger.stop()


async def test_as_many_as_the_limit_pass_and_then_it_is_told_when(tried: Tried) -> None:
    for number in range(5):
        _, taking = await tried.take(requests(5))
        assert taking.refused is None
        assert taking.held[0].remaining == 4 - number
        assert 60 <= taking.held[0].reset <= 61
    _, taking = await tried.take(requests(5))
    assert taking.refused is not None
    assert taking.refused.remaining == 0
    assert 60 <= taking.retry_after <= 61


async def test_a_minute_later_there_is_room_again_and_not_before(tried: Tried) -> None:
    await tried.take(requests(2))
    await tried.clock.advance(20)
    await tried.take(requests(2))
    await tried.clock.advance(39.9)
    _, taking = await tried.take(requests(2))
    assert taking.refused is not None
    assert 1.0 <= taking.retry_after <= 1.2
    await tried.clock.advance(taking.retry_after)
    assert (await tried.take(requests(2)))[1].refused is None
    assert (await tried.take(requests(2)))[1].refused is not None


async def test_never_more_than_the_limit_within_any_minute(tried: Tried) -> None:
    passed: list[float] = []
    for _ in range(400):
        _, taking = await tried.take(requests(10))
        if taking.refused is None:
            passed.append(tried.clock.monotonic())
        await tried.clock.advance(0.7)
    assert len(passed) > 30
    for moment in passed:
        assert sum(moment <= other < moment + 60 for other in passed) <= 10


async def test_all_is_taken_or_nothing(tried: Tried) -> None:
    _, first = await tried.take(streams(1))
    assert first.refused is None
    for _ in range(3):
        _, taking = await tried.take(requests(2), tokens(100, 60), money(1000, 500), streams(1))
        assert taking.refused is not None
        assert taking.refused.take.measure == "concurrent"
    await tried.settle("r1", first.held, 0)
    _, taking = await tried.take(requests(2), tokens(100, 60), money(1000, 500), streams(1))
    assert taking.refused is None
    assert [one.remaining for one in taking.held] == [1, 40, 500, 0]


async def test_what_was_not_used_goes_back(tried: Tried) -> None:
    owner, taking = await tried.take(tokens(100, 90), money(1000, 900))
    assert (await tried.take(tokens(100, 20)))[1].refused is not None
    assert (await tried.take(money(1000, 200)))[1].refused is not None
    await tried.settle(owner, taking.held[:1], 30)
    await tried.settle(owner, taking.held[1:], 100)
    assert (await tried.take(tokens(100, 70)))[1].refused is None
    assert (await tried.take(money(1000, 901)))[1].refused is not None
    assert (await tried.take(money(1000, 900)))[1].refused is None


async def test_what_was_used_beyond_it_counts(tried: Tried) -> None:
    owner, taking = await tried.take(tokens(100, 50, least=10), money(1000, 100, least=1))
    await tried.settle(owner, taking.held[:1], 95)
    await tried.settle(owner, taking.held[1:], 1200)
    _, refused = await tried.take(tokens(100, 6))
    assert refused.refused is not None
    assert refused.refused.remaining == 5
    assert (await tried.take(money(1000, 1)))[1].refused is not None


async def test_a_request_of_unknown_length_gets_what_is_left(tried: Tried) -> None:
    owner, taking = await tried.take(tokens(100, 300, least=10), money(1000, 5000, least=10))
    assert taking.refused is None
    assert [one.amount for one in taking.held] == [100, 1000]
    assert (await tried.take(tokens(100, 300, least=10)))[1].refused is not None
    await tried.settle(owner, taking.held[:1], 40)
    assert (await tried.take(tokens(100, 300, least=10)))[1].held[0].amount == 60


async def test_money_of_a_minute_ago_still_counts_and_that_of_yesterday_does_not(tried: Tried) -> None:
    owner, taking = await tried.take(money(1000, 800))
    await tried.settle(owner, taking.held, 800)
    await tried.clock.advance(3600)
    _, refused = await tried.take(money(1000, 201))
    assert refused.refused is not None
    assert refused.retry_after == pytest.approx(23 * 3600, abs=2)
    await tried.clock.advance(23 * 3600 + 1)
    tomorrow = budget_of("user", "ana", "day", tried.clock.now())
    assert tomorrow.start == DAY.end
    assert (await tried.take(money(1000, 1000, budget=tomorrow)))[1].refused is None


async def test_what_was_written_down_counts_after_a_restart(tried: Tried) -> None:
    await tried.seed(money(0, 0), 700)
    assert (await tried.take(money(1000, 301)))[1].refused is not None
    owner, taking = await tried.take(money(1000, 300))
    assert taking.refused is None
    await tried.settle(owner, taking.held, 300)
    await tried.seed(money(0, 0), 700)
    assert (await tried.take(money(1000, 1)))[1].refused is not None


async def test_several_takes_of_one_budget_settle_as_one(tried: Tried) -> None:
    _, first = await tried.take(money(1000, 300))
    second = await tried.ledger.take("r1", [money(1000, 400)])
    assert second.refused is None
    assert (await tried.take(money(1000, 301)))[1].refused is not None
    tried.ledger.settle("r1", [Spent(first.held, 0, 650), Spent(second.held, 0, 0)])
    if isinstance(tried.ledger, RedisLedger):
        unsettled = tried.ledger._unsettled
        await eventually(lambda: not unsettled)
    assert (await tried.take(money(1000, 351)))[1].refused is not None
    assert (await tried.take(money(1000, 350)))[1].refused is None


async def test_large_amounts_are_exact(tried: Tried) -> None:
    limit = 9_000_000_000_000_000
    owner, taking = await tried.take(money(limit, limit - 1))
    await tried.settle(owner, taking.held, limit - 1)
    assert (await tried.take(money(limit, 2)))[1].refused is not None
    assert (await tried.take(money(limit, 1)))[1].refused is None


@pytest.fixture
def endless_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases are renewed by real time; a clock that is moved by hand runs ahead of that."""
    monkeypatch.setattr(shared, "LEASE_MS", 10**10)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("take"), st.integers(1, 40), st.integers(0, 40)),
            st.tuples(st.just("settle"), st.integers(0, 9), st.integers(0, 60)),
            st.tuples(st.just("wait"), st.integers(1, 45), st.just(0)),
        ),
        max_size=40,
    )
)
async def test_memory_and_redis_say_the_same(
    redis_server: RedisServer, endless_leases: None, steps: list[tuple[str, int, int]]
) -> None:
    clock = ManualClock()
    memory = MemoryLedger(clock)
    redis = RedisLedger(
        redis_server.address(), clock, patience=30.0, now=lambda: int(clock.now().timestamp() * 1000)
    )  # fmt: skip
    await redis.start()
    open_: list[tuple[str, Taking, Taking]] = []
    for number, (what, one, other) in enumerate(steps):
        if what == "wait":
            await clock.advance(one)
        elif what == "take":
            takes = [requests(12), tokens(100, max(one, other), least=other), streams(3), money(300, one)]
            here, there = await memory.take(f"o{number}", takes), await redis.take(f"o{number}", takes)
            _assert_alike(here, there, apart=sum(step[0] == "wait" for step in steps[:number]))
            if here.refused is None:
                open_.append((f"o{number}", here, there))
        elif open_:
            owner, here, there = open_.pop(one % len(open_))
            memory.settle(owner, [Spent(here.held, other, other)])
            redis.settle(owner, [Spent(there.held, other, other)])
            await eventually(lambda: not redis._unsettled)
    await redis.stop()


def _assert_alike(here: Taking, there: Taking, apart: int) -> None:
    """The same decision; what remains may be `apart`: two ways of rounding make one at each wait."""
    assert _told(here) == _told(there)
    for one, other in zip(_standing(here), _standing(there), strict=True):
        assert abs(one.remaining - other.remaining) <= max(1, apart)


def _standing(taking: Taking) -> Sequence[Held]:
    return taking.held if taking.refused is None else (taking.refused,)


def _told(taking: Taking) -> Any:
    amounts = [held.amount for held in taking.held]
    counters = [one.take.counter for one in _standing(taking)]
    return amounts, counters, taking.refused and taking.refused.take.counter, round(taking.retry_after)


async def _many(ledgers: Sequence[Ledger], count: int, make: Callable[[], Take]) -> int:
    async def one(number: int) -> bool:
        ledger = ledgers[number % len(ledgers)]
        return (await ledger.take(f"{id(ledger)}-{number}", [make()])).refused is None

    passed = 0
    for start in range(0, count, 50):
        passed += sum(await asyncio.gather(*(one(number) for number in range(start, start + 50))))
    return passed


async def test_pitfall_35_a_thousand_requests_over_two_servers_and_exactly_a_hundred_pass(
    redis_server: RedisServer,
) -> None:
    address = redis_server.address()
    servers = [RedisLedger(address, SystemClock(), patience=30.0) for _ in range(2)]
    for server in servers:
        await server.start()
    # 1,000 requests take less than the minute in which they count, also on a slow machine.
    assert await _many(servers, 1000, lambda: requests(100)) == 100
    for server in servers:
        await server.stop()


async def test_pitfall_31_a_redis_that_hangs_costs_one_short_wait_and_then_a_share_is_given_out(
    redis_server: RedisServer,
) -> None:
    address = redis_server.address()
    servers = [RedisLedger(address, SystemClock(), patience=2.0) for _ in range(2)]
    for server in servers:
        await server.start()
    first = servers[0]
    await first._try_beat()
    assert first._replicas == 2
    owner, held = "before", await first.take("before", [money(1000, 400), streams(4)])
    redis_server.hang()
    try:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        taking = await first.take("one", [requests(10), streams(4)])
        assert loop.time() - begin < 20
        assert first.away
        assert taking.refused is None
        begin = loop.time()
        passed = 1 + await _many([first], 50, lambda: requests(10))
        assert loop.time() - begin < 2.0
        assert passed == 5
        # Of what is left of the budget, half.
        assert (await first.take("two", [money(1000, 301)])).refused is not None
        alone = await first.take("three", [money(1000, 300)])
        assert alone.refused is None
        first.settle(owner, [Spent(held.held, 0, 100)])
        first.settle("three", [Spent(alone.held, 0, 250)])
    finally:
        redis_server.go_on()
    await eventually(lambda: not first.away and not first._unsettled)
    _, second = servers
    await eventually(lambda: not second.away)
    # 100 and 250 are spent; nothing is held any more.
    assert (await second.take("four", [money(1000, 651)])).refused is not None
    assert (await second.take("five", [money(1000, 650)])).refused is None
    for server in servers:
        await server.stop()


async def test_what_a_dead_server_held_is_free_after_its_lease_and_its_money_is_spent(
    redis_server: RedisServer,
) -> None:
    address, clock = redis_server.address(), ManualClock()
    dead, other = [
        RedisLedger(address, clock, patience=30.0, now=lambda: int(clock.now().timestamp() * 1000)) for _ in range(2)
    ]
    await dead.start()
    await other.start()
    assert (await dead.take("gone", [streams(1), money(1000, 400)])).refused is None
    await dead._tasks.stop()
    assert (await other.take("a", [streams(1)])).refused is not None
    await clock.advance(61)
    assert (await other.take("b", [streams(1), money(1000, 601)])).refused is not None
    assert (await other.take("c", [streams(1), money(1000, 600)])).refused is None
    await dead.stop()
    await other.stop()


async def test_a_living_server_keeps_its_leases(redis_server: RedisServer) -> None:
    address, clock = redis_server.address(), ManualClock()
    ledger = RedisLedger(address, clock, patience=30.0, now=lambda: int(clock.now().timestamp() * 1000))
    await ledger.start()
    assert (await ledger.take("long", [streams(1), money(1000, 400)])).refused is None
    for _ in range(5):
        await clock.advance(40)
        await ledger._try_beat()
    assert (await ledger.take("a", [streams(1)])).refused is not None
    assert (await ledger.take("b", [money(1000, 601)])).refused is not None
    await ledger.stop()


async def test_settling_twice_changes_nothing(redis_server: RedisServer) -> None:
    ledger = RedisLedger(redis_server.address(), SystemClock(), patience=30.0)
    await ledger.start()
    taking = await ledger.take("one", [money(1000, 400)])
    ledger.settle("one", [Spent(taking.held, 0, 300)])
    again = ledger._unsettled[0]
    await eventually(lambda: not ledger._unsettled)
    ledger._unsettled.append(again)
    await ledger._settle_some()
    assert (await ledger.take("two", [money(1000, 701)])).refused is not None
    assert (await ledger.take("three", [money(1000, 700)])).refused is None
    await ledger.stop()


async def test_a_redis_that_is_not_there_at_the_start_does_not_hold_it_up() -> None:
    ledger = RedisLedger("unix:///nowhere/redis.sock", SystemClock())
    await ledger.start()
    assert ledger.away
    assert await _many([ledger], 50, lambda: requests(10)) == 10
    await ledger.stop()


async def test_counters_in_memory_are_bounded() -> None:
    clock = ManualClock()
    ledger = MemoryLedger(clock)
    for number in range(5000):
        ledger.take_now([requests(5, counter=f"user:{number}/requests")])
    assert ledger.counters > 4000
    await clock.advance(120)
    for _ in range(5000):
        ledger.take_now([requests(5, counter="user:x/requests")])
    assert ledger.counters == 1
