"""The circuit breaker's state machine, the retry budget, pauses and keys, by a clock that only the tests move."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.inference.breaker import Breaker, BreakerRules
from corral.inference.budget import LEAST, OBEYED, WINDOW, RetryBudget, pause
from corral.inference.keys import REFUSED, KeyRing
from corral.providers.types import ProviderKey

RULES = BreakerRules()


def state(breaker: Breaker) -> str:
    return breaker.state


def opened(at: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(RULES.in_a_row):
        breaker.take(at)
        breaker.fail(at)
    return breaker


def test_failures_in_a_row_open_it_and_a_success_between_does_not() -> None:
    breaker = Breaker()
    for number in range(20):
        breaker.take(number)
        (breaker.succeed if number % RULES.in_a_row == 2 else breaker.fail)(100.0 * number)
        assert breaker.state == "closed", number
    assert opened().state == "open"


def test_half_of_many_failures_open_it_though_never_three_in_a_row() -> None:
    breaker = Breaker()
    for number in range(RULES.least - 1):
        (breaker.fail if number % 2 else breaker.succeed)(0.1 * number)
        assert breaker.state == "closed"
    breaker.fail(1.0)
    assert breaker.state == "open"


def test_old_failures_do_not_count() -> None:
    breaker = Breaker()
    for number in range(40):
        (breaker.fail if number % 2 else breaker.succeed)(number * RULES.window)
    assert breaker.state == "closed"


def test_open_then_one_try_then_closed() -> None:
    breaker = opened(at=10.0)
    assert breaker.wait(10.0) == RULES.first
    assert not breaker.ready(10.0 + RULES.first - 0.1)
    now = 10.0 + RULES.first
    assert breaker.ready(now)
    breaker.take(now)
    assert breaker.state == "half_open"
    # Everybody else waits for what the one try finds out.
    assert not breaker.ready(now)
    breaker.succeed(now + 1)
    assert state(breaker) == "closed"
    assert breaker.ready(now + 1)
    breaker.fail(now + 2)
    assert state(breaker) == "closed", "what was before the try is forgotten"


def test_every_try_that_fails_doubles_the_pause_up_to_the_longest() -> None:
    breaker, now, waits = opened(), 0.0, []
    for _ in range(10):
        waits.append(breaker.wait(now))
        now += breaker.wait(now)
        breaker.take(now)
        breaker.fail(now)
    assert waits == [min(RULES.longest, RULES.first * 2**number) for number in range(10)]


def test_a_try_whose_client_left_lets_the_next_one_try() -> None:
    breaker = opened()
    breaker.take(RULES.first)
    assert not breaker.ready(RULES.first)
    breaker.drop()
    assert breaker.state == "half_open"
    assert breaker.ready(RULES.first)


def test_a_client_that_leaves_trips_nothing() -> None:
    breaker = Breaker()
    for number in range(100):
        breaker.take(number)
        breaker.drop()
    assert breaker.state == "closed"
    assert breaker.ready(100)


def test_rest_is_no_failure_and_has_an_end() -> None:
    breaker = Breaker()
    for _ in range(10):
        breaker.rest(0.0, 7.0)
    assert breaker.state == "closed"
    assert breaker.wait(3.0) == 4.0
    assert breaker.ready(7.0)
    breaker.rest(7.0, 1e9)
    assert breaker.wait(7.0) == RULES.longest


@given(st.lists(st.tuples(st.sampled_from(["take", "succeed", "fail", "drop", "rest"]), st.floats(0, 50)), max_size=60))
def test_it_can_always_be_asked_again(steps: list[tuple[str, float]]) -> None:
    breaker, now = Breaker(), 0.0
    for step, passed in steps:
        now += passed
        if step == "take":
            if breaker.ready(now):
                breaker.take(now)
        elif step == "drop":
            breaker.drop()
        elif step == "rest":
            breaker.rest(now, passed)
        else:
            getattr(breaker, step)(now)
        assert breaker.wait(now) <= RULES.longest
    later = now + RULES.longest
    if breaker.state == "half_open":
        breaker.drop()
    assert breaker.ready(later)


def test_retries_are_a_tenth_of_what_is_asked_in_a_window() -> None:
    budget, retried = RetryBudget(), 0
    for number in range(1000):
        now = number * WINDOW / 2000
        budget.ask(now)
        retried += budget.retry(now)
    assert LEAST <= retried <= 100
    assert budget.retry(WINDOW * 3), "what is long ago does not count"


def test_a_few_retries_are_always_there() -> None:
    budget = RetryBudget()
    budget.ask(0.0)
    assert [budget.retry(0.0) for _ in range(LEAST + 2)] == [True] * LEAST + [False] * 2
    assert budget.retry(WINDOW * 1.1)


def test_pauses_are_drawn_below_a_doubling_bound_and_obey_the_provider() -> None:
    chance = random.Random(1)
    for number, bound in enumerate((0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 8.0, 8.0)):
        drawn = [pause(number, None, chance) or 0.0 for _ in range(300)]
        assert max(drawn) <= bound
        assert min(drawn) < bound / 10, "full jitter"
        assert max(drawn) > bound * 0.9
    assert (pause(0, 3.0, chance) or 0.0) >= 3.0
    assert pause(0, OBEYED + 1, chance) is None


KEYS = tuple(ProviderKey(label, "secret") for label in "abc")


def test_keys_take_turns_and_those_that_rest_are_passed_over() -> None:
    ring = KeyRing()
    turns = [ring.choose(KEYS, 0.0) for _ in range(6)]
    assert [key.label for key in turns if key] == list("abcabc")
    ring.rest(KEYS[1], 0.0, REFUSED)
    found = [ring.choose(KEYS, 1.0) for _ in range(4)]
    assert [key.label for key in found if key] == list("acac")
    ring.rest(KEYS[0], 1.0, 5.0)
    ring.rest(KEYS[2], 1.0, 9.0)
    assert ring.choose(KEYS, 2.0) is None
    assert ring.wait(KEYS, 2.0) == pytest.approx(4.0)
    key = ring.choose(KEYS, 6.0)
    assert key is not None
    assert key.label == "a"


def test_a_key_that_was_taken_away_is_forgotten() -> None:
    ring = KeyRing()
    ring.rest(KEYS[0], 0.0, 100.0)
    assert ring.resting(KEYS, 1.0) == {"a": 99.0}
    assert ring.resting(KEYS[1:], 1.0) == {}
    assert ring.resting(KEYS, 1.0) == {}
