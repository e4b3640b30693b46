"""The spans of the last requests, in memory: bounded in number and bytes, the oldest request leaves first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from corral.telemetry.spans import Span, Value

MAX_SPANS = 8000
MAX_BYTES = 6_000_000
MAX_OF_REQUEST = 250
"""Spans of one request; what is beyond is counted."""
_SPAN, _ATTRIBUTE, _MARK = 400, 120, 90
"""Bytes, about."""


@dataclass(slots=True)
class Group:
    """What is kept of one request. lost: spans that were too many for it."""

    request: str
    spans: list[Span] = field(default_factory=list)
    size: int = 0
    lost: int = 0


class SpanRing:
    """Takes spans (`telemetry.tracing.Spans`). For one thread."""

    def __init__(self, spans: int = MAX_SPANS, size: int = MAX_BYTES, of_request: int = MAX_OF_REQUEST) -> None:
        self._max_spans, self._max_size, self._of_request = spans, size, of_request
        self._groups: OrderedDict[str, Group] = OrderedDict()
        self._turns: dict[str, str] = {}
        self.count = 0
        self.size = 0
        self.forgotten = 0
        """Spans that were pushed out."""

    def put(self, span: Span) -> None:
        """Keeps one; one without a request stands with its trace."""
        key = span.request or span.trace.trace_id
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(key)
        elif len(group.spans) >= self._of_request:
            group.lost += 1
            return
        else:
            self._groups.move_to_end(key)
        size = size_of(span)
        group.spans.append(span)
        group.size += size
        self.size += size
        self.count += 1
        turn = span.attributes.get("turn")
        if isinstance(turn, str):
            self._turns[turn] = key
        while (self.count > self._max_spans or self.size > self._max_size) and self._groups:
            self._drop()

    def of(self, key: str) -> Group | None:
        """What is kept of a request, by its id or the id of its turn."""
        return self._groups.get(key) or self._groups.get(self._turns.get(key, ""))

    def groups(self) -> Sequence[Group]:
        """All requests, the newest first."""
        return list(reversed(self._groups.values()))

    def _drop(self) -> None:
        key, group = self._groups.popitem(last=False)
        self.count -= len(group.spans)
        self.size -= group.size
        self.forgotten += len(group.spans)
        for turn in {span.attributes.get("turn") for span in group.spans}:
            if isinstance(turn, str) and self._turns.get(turn) == key:
                del self._turns[turn]


def size_of(span: Span) -> int:
    """Bytes that a span takes, about."""
    attributes: Mapping[str, Value] = span.attributes
    text = sum(len(value) for value in attributes.values() if isinstance(value, str))
    return _SPAN + _ATTRIBUTE * len(attributes) + text + _MARK * len(span.marks)
