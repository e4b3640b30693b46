"""What fits, and who has to leave for whom."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.engines.residency import Memory, Place, Stage, exclude, never_fits, room, shortage, show, victims

GIB = 1 << 30


def place(key: str, need: int = 1, stage: Stage = Stage.TAKEN, **fields: Any) -> Place:
    fields.setdefault("since", 0.0)
    return Place(key, fields.pop("model", key), need, stage, **fields)


def keys(chosen: tuple[Place, ...] | None) -> list[str] | None:
    return None if chosen is None else [one.key for one in chosen]


def test_room_is_what_nobody_has_or_was_promised() -> None:
    places = [place("a", 3), place("b", 2, Stage.COMING), place("c", 1, Stage.LEAVING), place("d", 5, Stage.WAITING)]
    assert room(places, Memory(10)) == 4


def test_what_is_still_being_loaded_is_missing_from_the_machine() -> None:
    coming = [place("b", 6, Stage.COMING, used=2)]
    assert shortage(3, coming, Memory(100, 8)) == 0
    assert shortage(5, coming, Memory(100, 8)) == 1
    assert shortage(5, coming, Memory(100, None)) == 0


@pytest.mark.parametrize(
    ("places", "need", "reason"),
    [
        ([], 11, "all engines together may use"),
        ([place("a", 6, pinned=True)], 5, "pinned models keep"),
        ([place("a", 6, pinned=True)], 4, None),
        ([place("a", 6)], 10, None),
        ([place("a", 1, pinned=True, group="g")], 1, "is pinned, and its group excludes"),
        ([place("a", 1, group="g")], 1, None),
        # Another engine of the same model is no hindrance to judge by: it may be the one that is replaced.
        ([place("w#2", 9, model="w", pinned=True)], 10, None),
    ],
)
def test_what_can_never_fit_is_told(places: list[Place], need: int, reason: str | None) -> None:
    wanted = place("w", need, Stage.WAITING, group="g")
    told = never_fits(wanted, places, Memory(10))
    assert (told is None) == (reason is None)
    assert reason is None or reason in str(told)


@pytest.mark.parametrize(
    ("places", "lacking", "expected"),
    [
        # The least recently used first.
        ([place("a", 4, last_used=2.0), place("b", 4, last_used=1.0)], 4, ["b"]),
        # One without requests before one with, whenever it was used.
        ([place("a", 4, last_used=1.0, running=1), place("b", 4, last_used=2.0)], 4, ["b"]),
        # One that is closed already before all others.
        ([place("a", 4, last_used=1.0), place("b", 4, last_used=2.0, running=1, closed=True)], 4, ["b"]),
        # No more than needed: the small one that came first is spared when the large one suffices.
        ([place("a", 1, last_used=1.0), place("b", 8, last_used=2.0)], 8, ["b"]),
        ([place("a", 4, last_used=1.0), place("b", 8, last_used=2.0)], 10, ["a", "b"]),
        # Never a pinned one, never one of the same model.
        ([place("a", 9, pinned=True), place("b", 4)], 4, ["b"]),
        ([place("a", 9, pinned=True), place("b", 4)], 5, None),
        ([place("w#2", 9, model="w")], 4, None),
        # One that comes can leave too, but last.
        ([place("a", 4, Stage.COMING), place("b", 4, last_used=9.0, running=3)], 4, ["b"]),
        ([place("a", 4, Stage.COMING)], 4, ["a"]),
        ([place("a", 4, Stage.LEAVING), place("b", 4, Stage.WAITING)], 4, None),
        ([place("a", 4)], 0, []),
        # Its group leaves whatever the memory.
        ([place("a", 1, group="g"), place("b", 1, group="h"), place("c", 1)], 0, ["a"]),
    ],
)
def test_who_leaves(places: list[Place], lacking: int, expected: list[str] | None) -> None:
    assert keys(victims(place("w", 4, Stage.WAITING, group="g"), places, lacking, 0)) == expected


def test_when_the_machine_is_short_only_those_without_requests_leave() -> None:
    places = [place("a", 4, used=4, last_used=1.0, running=1), place("b", 4, used=4, last_used=2.0)]
    wanted = place("w", 4, Stage.WAITING)
    assert keys(victims(wanted, places, 0, 4)) == ["b"]
    # More than they can give: it is tried with what there is.
    assert keys(victims(wanted, places, 0, 400)) == ["b"]
    assert keys(victims(wanted, places[:1], 0, 400)) == []


def test_models_of_a_group_exclude_each_other_but_not_themselves() -> None:
    a, b = place("a", group="g"), place("b", group="g")
    assert exclude(a, b)
    assert not exclude(a, place("c"))
    assert not exclude(place("c"), place("d"))
    assert not exclude(a, place("a#2", model="a", group="g"))


PLACES = st.lists(
    st.builds(
        lambda number, need, stage, last, running, pinned, group: place(
            f"m{number}", need, stage, last_used=last, running=running, pinned=pinned, group=group
        ),
        st.integers(0, 10**6),
        st.integers(1, 10),
        st.sampled_from(Stage),
        st.floats(0, 100),
        st.integers(0, 3),
        st.booleans(),
        st.sampled_from([None, "g", "h"]),
    ),
    max_size=12,
    unique_by=lambda one: one.key,
)


@given(PLACES, st.integers(0, 40), st.integers(0, 40))
def test_the_chosen_suffice_and_none_is_superfluous(places: list[Place], lacking: int, short: int) -> None:
    wanted = place("w", 4, Stage.WAITING, group="g")
    chosen = victims(wanted, places, lacking, short)
    may = [one for one in places if one.stage in (Stage.TAKEN, Stage.COMING) and not one.pinned]
    if chosen is None:
        assert sum(one.need for one in may) < lacking
        return
    assert {one.key for one in chosen} <= {one.key for one in may}
    assert sum(one.need for one in chosen) >= lacking
    assert all(one in chosen for one in may if exclude(wanted, one))
    if not short:
        for one in chosen[:-1]:
            left = sum(other.need for other in chosen) - one.need
            assert left < lacking or exclude(wanted, one)


def test_sizes_are_told_for_people() -> None:
    assert show(3 * GIB // 2) == "1.5 GiB"
    assert show(200 << 20) == "200 MiB"
