"""Begins traces, or goes on with those of callers, and hands on their spans: to a bounded memory always, to a collector where there is one."""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextvars import Token
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self, TypeVar, cast

from corral.kit.context import request_id
from corral.kit.errors import CorralError
from corral.kit.trace import Trace, current_trace, new_span_id, new_trace_id, read_trace
from corral.telemetry.failures import Failure, Failures
from corral.telemetry.samples import Samples
from corral.telemetry.spans import Kind, Span, Value

_ALL = 1 << 64
REMEMBERED = 2000
"""Requests whose traces are remembered for what they began; the oldest are forgotten."""
F = TypeVar("F", bound=Callable[..., Any])


class Spans(Protocol):
    """Who takes spans (`Exporter`, `SpanRing`)."""

    def put(self, span: Span) -> None:
        """Takes one. Never waits."""
        ...


class Known(NamedTuple):
    """A span that others go on from, the id of its request, and when it was remembered, in nanoseconds since 1970."""

    trace: Trace
    request: str
    at: int


class Tracing:
    """What is traced here.

    Args:
        export: who sends the spans of sampled traces to a collector; None where there is none.
        sample: the share of the traces that begin here and are sent; those of callers are as the caller wants.
        ring: who keeps all spans for a while.
        samples: where durations of what is measured are kept.
        failures: where what went wrong is kept.
    """

    def __init__(
        self,
        export: Spans | None = None,
        sample: float = 1.0,
        *,
        ring: Spans | None = None,
        samples: Samples | None = None,
        failures: Failures | None = None,
    ) -> None:
        self._export = export
        self._bound = round(sample * _ALL)
        self._ring = ring
        self._recent: OrderedDict[str, Known] = OrderedDict()
        self.samples = samples
        self.failures = failures

    @property
    def sends(self) -> bool:
        """Whether there is a collector."""
        return self._export is not None

    def remember(self, key: str, trace: Trace, request: str = "") -> None:
        """What is done under this key (the id of a request or a turn) belongs to its trace, also when that has ended."""
        recent = self._recent
        recent[key] = Known(trace, request or key, time.time_ns())
        if len(recent) > REMEMBERED:
            recent.popitem(last=False)

    def recall(self, key: str) -> Known | None:
        """What was remembered under a key."""
        return self._recent.get(key)

    def begin(self, parent: Trace | None = None) -> Trace:
        """A span below `parent`, or below the request being served; of a new trace where there is neither."""
        above = parent or current_trace.get()
        if above is None:
            known = self._recent.get(request_id.get())
            above = known.trace if known is not None else None
        if above is not None:
            return above.child()
        return self.new(new_trace_id())

    def new(self, trace_id: str, parent_id: str = "", span_id: str = "") -> Trace:
        """A span of a trace that begins here or in a page of ours."""
        # As the specification's TraceIdRatioBased: by the id, so that all programs of a trace decide alike.
        sampled = self.sends and int(trace_id[16:], 16) < self._bound
        return Trace(trace_id, span_id or new_span_id(), parent_id, sampled=sampled, told=self.sends)

    def continued(self, parent: str) -> Trace | None:
        """The span of a page of ours, by its `traceparent`: whether it is sent is decided here, not by the page. None for what is none."""
        told = read_trace(parent) if parent else None
        return self.new(told.trace_id, span_id=told.span_id) if told is not None else None

    def within(self) -> Trace | None:
        """A span below what is being done, where that is traced; None where it is not."""
        above = current_trace.get()
        return above.child() if above is not None else None

    def put(
        self,
        trace: Trace,
        name: str,
        kind: Kind,
        times: tuple[int, int],
        attributes: Mapping[str, Value],
        error: str = "",
    ) -> None:
        """A span of the request being served has ended; `times` are its beginning and end in nanoseconds since 1970."""
        self.take(Span(trace, name, kind, *times, attributes, error, request_id.get()))

    def take(self, span: Span, *, keep: bool = True) -> None:
        """A span has ended. Without `keep` it is only sent."""
        if keep and self._ring is not None:
            self._ring.put(span)
        if self._export is not None and span.trace.sampled:
            self._export.put(span)

    def measured(self, name: str, /, kind: Kind = Kind.INTERNAL, **tags: Value) -> Measured:
        """Measures an operation: `with tracing.measured("commit", room="agents"):` around it, or `@tracing.measured("commit")` above a
        function or a coroutine function. It becomes a span, and its milliseconds a sample of that name with these tags: few names and few tags.
        """
        return Measured(self, name, kind, tags)


class Measured:
    """One operation being measured (see `Tracing.measured`). `trace`: its span, once it is entered."""

    __slots__ = (
        "_failed",
        "_kind",
        "_name",
        "_notes",
        "_since",
        "_start",
        "_tags",
        "_token",
        "_tracing",
        "marks",
        "trace",
    )

    def __init__(self, tracing: Tracing, name: str, kind: Kind, tags: dict[str, Value]) -> None:
        self._tracing = tracing
        self._name = name
        self._kind = kind
        self._tags = tags
        self._notes: dict[str, Value] = {}
        self._failed = ""
        self._token: Token[Trace | None] | None = None
        self._start = self._since = 0
        self.marks: list[tuple[int, str]] = []
        self.trace: Trace

    def note(self, **facts: Value) -> None:
        """Tells more of it. Facts are told by its span alone."""
        self._notes |= facts

    def fail(self, reason: str) -> None:
        """It has failed, of which no error tells here: whoever handled it notes it among the failures."""
        self._failed = reason

    def __enter__(self) -> Self:
        self.trace = self._tracing.begin()
        self._token = current_trace.set(self.trace)
        self._start, self._since = time.time_ns(), time.perf_counter_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        took = time.perf_counter_ns() - self._since
        assert self._token is not None
        current_trace.reset(self._token)
        tracing, reason = self._tracing, self._failed
        outcome = "failed" if reason else "ok"
        if error is not None:
            reason, outcome = _reason(error)
        told: dict[str, Value] = {**self._tags, **self._notes}
        if outcome == "cancelled":
            told["cancelled"] = True
        if tracing.samples is not None:
            tracing.samples.add(self._name, took / 1e6, {**self._tags, "outcome": outcome}, self._start / 1e9)
        if reason and tracing.failures is not None and error is not None:
            message = error.message if isinstance(error, CorralError) else type(error).__name__
            about = {key: str(value) for key, value in told.items()}
            tracing.failures.add(Failure(reason, message, self._name, request_id.get(), self._start / 1e9, about))
        ended, request = self._start + took, request_id.get()
        tracing.take(Span(self.trace, self._name, self._kind, self._start, ended, told, reason, request, self.marks))

    def __call__(self, function: F) -> F:
        """Decorates: each call is measured by itself. Raises TypeError for generators, which end when nobody can tell."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__qualname__} is a generator: measure what is done with it")
        tracing, name, kind, tags = self._tracing, self._name, self._kind, self._tags

        @functools.wraps(function)
        async def waiting(*args: Any, **given: Any) -> Any:
            with Measured(tracing, name, kind, dict(tags)):
                return await function(*args, **given)

        @functools.wraps(function)
        def doing(*args: Any, **given: Any) -> Any:
            with Measured(tracing, name, kind, dict(tags)):
                return function(*args, **given)

        return cast("F", waiting if inspect.iscoroutinefunction(function) else doing)


def _reason(error: BaseException) -> tuple[str, str]:
    """Why it failed, and how it came out. Whoever was cancelled, and a generator that is closed, did not fail."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return "", "cancelled"
    return (error.code if isinstance(error, CorralError) else type(error).__name__), "failed"
