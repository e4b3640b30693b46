"""Whose turn it is: single decisions by tables, and long traffic on a simulated machine."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.engines.residency import Memory, Place, Rules, Stage
from corral.engines.scheduling import decide, may_go_at, turn
from tests.support.scale import scaled
from tests.unit.engines.simulation import Model, World
from tests.unit.engines.test_residency import place

RULES = Rules(min_residency=1.0, max_wait=60.0)


def waiting(key: str, need: int = 1, since: float = 0.0, requests: int = 1, **fields: Any) -> Place:
    return place(key, need, Stage.WAITING, since=since, waiting=requests, **fields)


def orders(now: float, *places: Place, limit: int = 2, available: int | None = None) -> dict[str, Any]:
    made = decide(now, places, Memory(limit, available), RULES)
    found = {name: getattr(made, name) for name in made.__slots__}
    return {name: value for name, value in found.items() if value and value != math.inf}


def test_what_fits_starts_at_once() -> None:
    assert orders(0.0, place("a"), waiting("b"))["grant"] == ["b"]


def test_an_idle_model_leaves_after_its_least_stay() -> None:
    young, old = place("a", 2, since=9.5), place("a", 2, since=3.0)
    assert orders(10.0, young, waiting("b", 2)) == {"look_again": 10.5}
    assert orders(10.0, old, waiting("b", 2)) == {"close": ["a"], "leave": ["a"], "prepare": ["b"]}


def test_a_wanted_model_stays_for_its_turn_and_finishes_what_runs() -> None:
    busy = place("a", 2, since=6.0, running=1, load_seconds=5.0)
    assert orders(10.0, busy, waiting("b", 2)) == {"look_again": 11.0}
    assert orders(11.0, busy, waiting("b", 2)) == {"close": ["a"]}
    closed = place("a", 2, since=6.0, running=1, load_seconds=5.0, closed=True)
    assert orders(11.1, closed, waiting("b", 2)) == {}
    emptied = place("a", 2, since=6.0, waiting=3, load_seconds=5.0, closed=True)
    assert orders(11.2, emptied, waiting("b", 2)) == {"leave": ["a"], "prepare": ["b"]}


def test_it_is_opened_again_when_nobody_waits_any_more() -> None:
    assert orders(11.0, place("a", 2, running=1, closed=True)) == {"reopen": ["a"]}


def test_while_one_leaves_the_next_waits_prepared() -> None:
    assert orders(5.0, place("a", 2, Stage.LEAVING), waiting("b", 2)) == {"prepare": ["b"]}


def test_the_oldest_request_is_served_first_and_its_memory_kept() -> None:
    # The small one would fit now, but then the large one would never.
    first, second = waiting("big", 3, since=1.0), waiting("small", 1, since=2.0)
    made = orders(9.0, place("a", 3, running=1, since=0.0), first, second, limit=4)
    assert made == {"grant": ["small"], "close": ["a"]}
    made = orders(9.0, place("a", 3, running=1, since=0.0), waiting("big", 4, since=1.0), second, limit=4)
    assert made == {"close": ["a"]}


def test_what_nobody_waits_for_makes_nobody_leave() -> None:
    assert orders(9.0, place("a", 2), waiting("b", 2, requests=0)) == {"withdraw": ["b"]}
    assert orders(9.0, place("a", 1), waiting("b", 1, requests=0)) == {"grant": ["b"]}
    assert orders(9.0, place("a", 2), waiting("b", 2, gentle=True))["refuse"].keys() == {"b"}


def test_too_large_and_pinned_are_refused_with_both_numbers() -> None:
    assert "MiB" in orders(0.0, waiting("b", 3))["refuse"]["b"]
    assert "pinned" in orders(0.0, place("a", 2, pinned=True), waiting("b", 1))["refuse"]["b"]


def test_a_group_takes_turns_although_there_is_memory() -> None:
    one, other = place("a", 1, group="g", since=0.0), waiting("b", 1, group="g")
    assert orders(9.0, one, other, limit=99) == {"close": ["a"], "leave": ["a"], "prepare": ["b"]}
    assert orders(9.0, place("a", 1, Stage.LEAVING, group="g"), other, limit=99)["prepare"] == ["b"]
    # Two that wait are not let in together.
    third = waiting("c", 1, since=5.0, group="g")
    assert orders(9.0, other, third, limit=99) == {"grant": ["b"]}


def test_a_machine_short_of_memory_sends_idle_models_away_first() -> None:
    idle, busy = place("a", 1, used=1, last_used=1.0), place("c", 1, used=1, running=1)
    made = orders(9.0, idle, busy, waiting("b", 1), limit=99, available=0)
    assert made == {"close": ["a"], "leave": ["a"], "prepare": ["b"]}
    # Nobody left to send away: it is tried.
    assert orders(9.0, busy, waiting("b", 1), limit=99, available=0) == {"grant": ["b"]}


def test_what_idles_too_long_ends_but_not_what_is_pinned_or_wanted() -> None:
    idle: dict[str, Any] = {"last_used": 10.0, "idle_stop": 5.0}
    assert orders(14.0, place("a", **idle)) == {"look_again": 15.0}
    assert orders(15.0, place("a", **idle)) == {"close": ["a"], "leave": ["a"]}
    assert orders(99.0, place("a", pinned=True, **idle)) == {}
    assert orders(99.0, place("a", waiting=1, **idle)) == {}


@pytest.mark.parametrize(
    ("load", "contenders", "seconds"),
    [(0.1, 1, 1.0), (5.0, 1, 5.0), (500.0, 1, 15.0), (500.0, 5, 5.0), (500.0, 99, 1.0)],
)
def test_a_turn_is_as_long_as_the_loading_within_bounds(load: float, contenders: int, seconds: float) -> None:
    assert turn(place("a", load_seconds=load), contenders, RULES) == seconds


def test_what_comes_is_not_sent_away_before_it_was_there() -> None:
    assert may_go_at(place("a", 1, Stage.COMING), 1, RULES) == math.inf
    assert orders(9.0, place("a", 2, Stage.COMING), waiting("b", 2)) == {}


# long traffic


def alternating(world: World, clients: int, rounds: int, names: list[str]) -> None:
    """Clients that each ask for one model after the other, the next as soon as the last was answered."""

    def client(number: int, left: int) -> None:
        def again(wait: float) -> None:
            if left:
                client(number + 1, left - 1)

        world.ask(names[number % len(names)], again)

    for number in range(clients):
        world.at(number * 0.003, lambda number=number: client(number, rounds))  # type: ignore[misc]


def swaps_a_second(world: World) -> float:
    """The most starts within any second, without the first of each model."""
    seen: set[str] = set()
    moments = [moment for moment, name in world.starts if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
    return max((sum(start <= other < start + 1.0 for other in moments) for start in moments), default=0)


def test_pitfall_12_alternation_at_concurrency_20_swaps_at_most_once_a_second() -> None:
    world = World({"a": Model(2), "b": Model(2)}, 2, RULES)
    alternating(world, 20, scaled(100, 1000), ["a", "b"])
    world.run()
    assert len(world.waits) == 20 * (scaled(100, 1000) + 1)
    assert swaps_a_second(world) <= 1
    # One turn of the other, its drain, and two swaps.
    assert max(wait for _, wait in world.waits) <= 2 * (1.0 + 0.05 + 0.22) + 0.1
    # Batches: many requests for each swap.
    assert len(world.waits) / len(world.starts) >= 15


def test_a_model_that_takes_long_to_load_spends_half_of_the_time_answering() -> None:
    world = World({"a": Model(2, load=4.0), "b": Model(2, load=4.0)}, 2, Rules(1.0, 300.0))
    alternating(world, 64, 60, ["a", "b"])
    world.run()
    starts = [moment for moment, _ in world.starts]
    assert all(later - earlier >= 5.0 for earlier, later in itertools.pairwise(starts))
    assert max(wait for _, wait in world.waits) <= 20.0


def test_many_models_in_turn_keep_within_the_bound() -> None:
    names = [f"m{number}" for number in range(8)]
    world = World({name: Model(1, load=2.0) for name in names}, 1, RULES)
    alternating(world, 24, 30, names)
    world.run()
    assert max(wait for _, wait in world.waits) <= RULES.max_wait


def test_a_steady_stream_for_one_model_does_not_starve_another() -> None:
    world = World({"a": Model(1, answer=0.4), "b": Model(1)}, 1, RULES)
    # Twice as many as it can answer.
    for number in range(2000):
        world.at(number * 0.05, lambda: world.ask("a"))
    waits: list[float] = []
    for number in range(20):
        world.at(3.0 + number * 4.0, lambda: world.ask("b", waits.append))
    world.run()
    assert len(waits) == 20
    assert max(waits) <= 5.0


@given(st.integers(0, 2**32))
def test_any_traffic_is_answered_within_bounds_and_memory(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"m{number}" for number in range(chance.randint(2, 6))]
    models = {
        name: Model(
            chance.randint(1, 5), chance.uniform(0.05, 3.0), chance.uniform(0.0, 0.3), chance.randint(2, 6),
            chance.uniform(0.01, 0.3), group=chance.choice([None, None, None, "g"]),
        )
        for name in names
    }  # fmt: skip
    world = World(models, chance.randint(5, 9), RULES)

    def client(left: int) -> None:
        world.ask(chance.choice(names), lambda wait: client(left - 1) if left else None)

    for _ in range(10):
        world.at(chance.uniform(0, 5), lambda: client(30))
    world.run()
    assert (len(world.waits), world.refused) == (310, 0)
    # A turn answers at least six of ten clients, so everybody is served in the second turn of his model at the latest.
    cycle = sum(max(1.0, model.load) + model.answer + model.load + model.end for model in models.values())
    assert max(wait for _, wait in world.waits) <= 2 * cycle + 1.0


@given(
    st.lists(
        st.builds(
            lambda key, need, stage, since, requests, running, closed, pinned, group, last: place(
                f"m{key}", need, stage, since=since, waiting=requests, running=running if stage is Stage.TAKEN else 0,
                closed=closed and stage is Stage.TAKEN, pinned=pinned, group=group, last_used=last, idle_stop=20.0,
            ),
            st.integers(0, 10**6), st.integers(1, 6), st.sampled_from(Stage), st.floats(0, 50), st.integers(0, 3),
            st.integers(0, 3), st.booleans(), st.booleans(), st.sampled_from([None, "g"]), st.floats(0, 50),
        ),
        max_size=10, unique_by=lambda one: one.key,
    ),
    st.integers(1, 12),
)  # fmt: skip
def test_orders_are_sound_whatever_the_picture(places: list[Place], limit: int) -> None:
    made = decide(50.0, places, Memory(limit), RULES)
    by_key = {one.key: one for one in places}
    had = sum(one.need for one in places if one.stage is not Stage.WAITING)
    promised = sum(by_key[key].need for key in made.grant)
    assert not made.grant or had + promised <= limit
    for key in (*made.grant, *made.refuse, *made.withdraw, *made.prepare):
        assert by_key[key].stage is Stage.WAITING
    for key in (*made.close, *made.reopen, *made.leave):
        assert by_key[key].stage is Stage.TAKEN
    for key in made.leave:
        assert not by_key[key].pinned
        assert not by_key[key].running
        assert key in made.close or by_key[key].closed
    assert not set(made.close) & set(made.reopen)
    assert not set(made.grant) & {*made.refuse, *made.withdraw}
    assert decide(50.0, places, Memory(limit), RULES) == made
