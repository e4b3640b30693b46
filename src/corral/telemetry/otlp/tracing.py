"""Begins traces, or goes on with those of callers, and hands on the spans of those that are written down."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Protocol

from corral.kit.context import request_id
from corral.kit.trace import Trace, current_trace, new_span_id, new_trace_id
from corral.telemetry.otlp.spans import Kind, Span, Value

_ALL = 1 << 64
REMEMBERED = 2000
"""Requests whose traces are remembered for what they began; the oldest are forgotten."""


class Spans(Protocol):
    """Who takes spans (`Exporter`)."""

    def put(self, span: Span) -> None:
        """Takes one. Never waits."""
        ...


class Tracing:
    """What is traced here. `sample`: the share of the traces that begin here; those of callers are as the caller wants."""

    def __init__(self, spans: Spans, sample: float = 1.0) -> None:
        self._spans = spans
        self._bound = round(sample * _ALL)
        self._recent: OrderedDict[str, Trace] = OrderedDict()

    def remember(self, request: str, trace: Trace) -> None:
        """What is done under the id of this request belongs to its trace, also when that has ended."""
        recent = self._recent
        recent[request] = trace
        if len(recent) > REMEMBERED:
            recent.popitem(last=False)

    def begin(self, parent: Trace | None = None) -> Trace:
        """A span below `parent`, or below the request being served; of a new trace where there is neither."""
        above = parent or current_trace.get() or self._recent.get(request_id.get())
        if above is not None:
            return above.child()
        trace_id = new_trace_id()
        # As the specification's TraceIdRatioBased: by the id, so that all programs of a trace decide alike.
        return Trace(trace_id, new_span_id(), sampled=int(trace_id[16:], 16) < self._bound)

    def put(
        self,
        trace: Trace,
        name: str,
        kind: Kind,
        times: tuple[int, int],
        attributes: Mapping[str, Value],
        error: str = "",
    ) -> None:
        """A span has ended; `times` are its beginning and end in nanoseconds since 1970."""
        if trace.sampled:
            self._spans.put(Span(trace, name, kind, *times, attributes, error))
