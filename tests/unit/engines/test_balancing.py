"""Which engine of several takes a request."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.engines.balancing import BLOCK, LONGEST, REMEMBERED, Read, chain, choose


@pytest.mark.parametrize(
    ("loads", "known", "chosen"),
    [
        ([0], [0], 0),
        ([1, 0], [0, 0], 1),
        ([0, 0], [0, 0], 0),
        # Who has read it, if it is not much busier.
        ([1, 0], [3, 0], 0),
        ([2, 0], [3, 0], 1),
        ([1, 1], [1, 2], 1),
        # Nobody who is full, however much it has read.
        ([4, 2], [9, 0], 1),
        ([4, 4], [9, 0], None),
    ],
)
def test_the_least_busy_or_the_one_that_has_read_it(loads: list[int], known: list[int], chosen: int | None) -> None:
    assert choose(loads, known, 4) == chosen


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=6), st.integers(1, 4))
def test_a_choice_is_never_full_nor_much_busier_than_the_least_busy(pairs: list[tuple[int, int]], slots: int) -> None:
    loads, known = [load for load, _ in pairs], [one for _, one in pairs]
    chosen = choose(loads, known, slots)
    if chosen is None:
        assert all(load >= slots for load in loads)
    else:
        assert loads[chosen] < slots
        assert loads[chosen] <= min(loads) + 1


def body(*messages: str) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": one} for one in messages]}).encode()


def test_a_conversation_that_goes_on_is_known_by_its_beginning() -> None:
    read, long = Read(), "word " * 400
    first = chain(body(long))
    read.add(first)
    assert len(first) > 2
    longer = chain(body(long, "and more " * 200))
    assert read.known(longer) >= len(first) - 1
    assert read.known(chain(body("other" + long))) == 0
    assert read.known(chain(b"short")) == 0


def test_what_is_remembered_is_bounded() -> None:
    read = Read()
    assert len(chain(b"x" * BLOCK * LONGEST * 2)) == LONGEST
    for start in range(0, REMEMBERED * 2, LONGEST):
        read.add(range(start, start + LONGEST))
    assert len(read._known) == REMEMBERED
    assert read.known([0]) == 0
    assert read.known(range(REMEMBERED, REMEMBERED + 8)) == 8
