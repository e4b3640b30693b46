"""Range requests of one range, and the conditions that go with them (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re
from typing import NamedTuple

from corral.kit.errors import RangeNotSatisfiable

_ONE = re.compile(r"([0-9]{0,20})[ \t]*-[ \t]*([0-9]{0,20})")
_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


class Span(NamedTuple):
    """Bytes of a file, from `first` to `last`, both counted from 0 and both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes."""
        return self.last - self.first + 1


def parse_range(value: str | None, size: int) -> Span | None:
    """What a Range header asks for of `size` bytes; None when all is asked for, in another unit too, which is ignored.

    Raises RangeNotSatisfiable when it asks for nothing that is there, for several ranges, or for what is no range.
    """
    if value is None:
        return None
    unit, equals, told = value.strip().partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    found = _ONE.fullmatch(told.strip(" \t"))
    if found is None or found.group(0) == "-" or not any(found.groups()):
        raise _unsatisfiable(size, "One range is given at a time, as in bytes=0-1023.")
    first, last = found.groups()
    if not first:
        suffix = int(last)
        if suffix == 0 or size == 0:
            raise _unsatisfiable(size, "There are no such bytes.")
        return Span(max(0, size - suffix), size - 1)
    span = Span(int(first), min(int(last), size - 1) if last else size - 1)
    if span.first >= size or (last and int(last) < span.first):
        raise _unsatisfiable(size, "There are no such bytes.")
    return span


def names_tag(value: str | None, tag: str, *, weak: bool) -> bool:
    """Whether an If-Match or If-None-Match header names `tag` (a strong one, with its quotes); weak ones count if `weak`."""
    if value is None:
        return False
    if value.strip() == "*":
        return True
    return any(one == tag or (weak and one == f"W/{tag}") for one in _TAG.findall(value))


def range_applies(if_range: str | None, tag: str) -> bool:
    """Whether a Range header counts: without If-Range always, else only for exactly this tag."""
    return if_range is None or if_range.strip() == tag


def _unsatisfiable(size: int, message: str) -> RangeNotSatisfiable:
    return RangeNotSatisfiable(
        f"{message} The file has {size} bytes.", param="Range", headers={"Content-Range": f"bytes */{size}"}
    )
