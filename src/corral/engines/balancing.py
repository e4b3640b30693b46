"""Which of several engines of one model takes a request: the least busy one, or one that has read the text already."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Sequence

BLOCK = 512
LONGEST = 64
"""Bytes of text that are compared at once, and how many such blocks of a text are looked at."""
REMEMBERED = 4096
SLACK = 1
"""Requests by which an engine may be busier than the least busy one and still be chosen for what it has read."""
_BEGINNINGS = (b'"messages"', b'"prompt"', b'"input"')


def chain(body: bytes) -> tuple[int, ...]:
    """The beginnings of a request's text, one number for each block more; equal beginnings give equal numbers."""
    start = min((place for mark in _BEGINNINGS if (place := body.find(mark)) >= 0), default=0)
    text = body[start : start + BLOCK * LONGEST]
    numbers, number = [], 0
    for place in range(0, len(text) - BLOCK + 1, BLOCK):
        number = zlib.crc32(text[place : place + BLOCK], number)
        numbers.append(number)
    return tuple(numbers)


class Read:
    """The beginnings that one engine has read, the newest REMEMBERED of them."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, None] = OrderedDict()

    def add(self, numbers: Sequence[int]) -> None:
        """It reads a text with these beginnings."""
        for number in numbers:
            self._known[number] = None
            self._known.move_to_end(number)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def known(self, numbers: Sequence[int]) -> int:
        """How many blocks of a text it knows from the beginning on."""
        for count, number in enumerate(numbers):
            if number not in self._known:
                return count
        return len(numbers)


def choose(loads: Sequence[int], known: Sequence[int], slots: int) -> int | None:
    """The index of the engine for a request, None when all `slots` of all of them are taken.

    `loads` are the requests that run at each, `known` how much of the text each has read.
    """
    free = [index for index, load in enumerate(loads) if load < slots]
    if not free:
        return None
    least = min(loads[index] for index in free)
    near = [index for index in free if loads[index] <= least + SLACK and known[index]]
    return min(near or free, key=lambda index: (-known[index] if near else 0, loads[index], index))
