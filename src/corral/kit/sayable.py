"""Values from elsewhere that can be said again: every text can be written, nothing is nested without end."""

from __future__ import annotations

import math
from typing import Any, TypeVar

DEEPEST = 40
T = TypeVar("T", bound="dict[str, Any] | list[Any]")


def sayable(value: T) -> T:
    """`value` when all its texts can be written as UTF-8 and it is not nested without end. Raises ValueError."""
    layer: list[Any] = [value]
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for one in layer:
            if isinstance(one, dict):
                inner += one.keys()
                inner += one.values()
            elif isinstance(one, list):
                inner += one
            elif isinstance(one, str):
                _must_encode(one)
        if not inner:
            return value
        layer = inner
    raise ValueError(f"is nested deeper than {DEEPEST} levels")


def storable(value: T) -> T:
    """A sayable `value` that JSON and a database can keep: no NUL, no number that JSON lacks or that is too long. Raises ValueError."""
    sayable(value)
    waiting: list[Any] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += one.keys()
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str) and "\0" in one:
            raise ValueError("holds a NUL character")
        elif isinstance(one, float) and not math.isfinite(one):
            raise ValueError("holds a number that JSON has no form for")
        elif isinstance(one, int) and not -(2**63) <= one < 2**63:
            raise ValueError("holds a number that is too large")
    return value


def _must_encode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("holds half of a character") from None
