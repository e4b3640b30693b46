"""A span that has ended, in the form in which it is kept and waits to be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from corral.kit.trace import Trace

Value = str | int | float | bool
"""What an attribute can be."""
MAX_TEXT = 1000
"""Characters of an attribute's text, at most."""


class Kind(IntEnum):
    """OTLP's numbers."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3


class Span(NamedTuple):
    """Times are nanoseconds since 1970. `error`: why it failed, empty when it did not. request: the request it belongs to.
    marks: moments within it, each with its name."""

    trace: Trace
    name: str
    kind: Kind
    start: int
    end: int
    attributes: Mapping[str, Value]
    error: str = ""
    request: str = ""
    marks: Sequence[tuple[int, str]] = ()
