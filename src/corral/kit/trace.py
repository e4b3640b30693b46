"""Where in a distributed trace something happens, as it goes from program to program.

The headers `traceparent` and `tracestate`: https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from dataclasses import dataclass

from corral.kit.ids import new_id

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE = re.compile(r"[\x20-\x7e]{1,512}")
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class Trace:
    """A span of a trace, and who it belongs to. Ids are hexadecimal, 32 and 16 characters; `parent_id` is empty at the root.

    sampled: whether the trace is sent to a collector; ids go along either way. state: the vendors' own words, passed on as they are.
    told: whether who is called within it is told of it.
    """

    trace_id: str
    span_id: str
    parent_id: str = ""
    sampled: bool = True
    state: str = ""
    told: bool = True

    def child(self, span_id: str | None = None) -> Trace:
        """A span below this one."""
        return Trace(self.trace_id, span_id or new_span_id(), self.span_id, self.sampled, self.state, self.told)

    @property
    def parent_header(self) -> str:
        """`traceparent` for whoever is called within this span."""
        return f"00-{self.trace_id}-{self.span_id}-0{_SAMPLED if self.sampled else 0}"

    @property
    def headers(self) -> dict[str, str]:
        """What tells of this span who is called within it."""
        state = {"tracestate": self.state} if self.state else {}
        return {"traceparent": self.parent_header, **state}


current_trace: ContextVar[Trace | None] = ContextVar("current_trace", default=None)
"""The span that the request being served is in; None where nothing is traced."""


def new_trace_id() -> str:
    """A random id of a trace."""
    return new_id.random_hex(16)


def new_span_id() -> str:
    """A random id of a span."""
    return new_id.random_hex(8)


def read_trace(parent: str, state: str = "") -> Trace | None:
    """The caller's span; None when `parent` is none of the standard's, and then `state` counts for nothing either."""
    found = _PARENT.fullmatch(parent.strip())
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    kept = state.strip() if _STATE.fullmatch(state.strip()) else ""
    return Trace(trace_id, span_id, sampled=bool(int(flags, 16) & _SAMPLED), state=kept)
