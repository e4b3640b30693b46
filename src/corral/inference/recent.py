"""The last requests, as little of each as costs next to nothing: its times. Spans are made of them when somebody looks.

A request that begins in a turn or in the control API has its place in a trace; one of the data plane has none, and gets one here.
Nothing of what was asked or answered is kept.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from corral.inference.types import Attempt, CacheState, Outcome, Record
from corral.kit.clock import Clock
from corral.kit.context import request_id
from corral.kit.trace import Trace
from corral.telemetry.failures import Failure, Failures
from corral.telemetry.samples import Tagged
from corral.telemetry.spans import Kind, Span, Value

PLAIN = 2000
"""Requests of the data plane that are kept."""
TRACED = 500
"""Requests of turns and of the control API that are kept."""


class Kept(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a request. Times are of `Clock.monotonic`."""

    request: str
    trace: Trace | None
    route: str
    operation: str
    dialect: str
    stream: bool
    began: float
    first_content: float | None
    ended: float | None
    outcome: Outcome
    error: str
    cache: CacheState
    attempts: list[Attempt]


class Step(NamedTuple):
    """A part of an engine's work."""

    name: str
    start: int
    end: int
    counts: str
    tokens: int


class RecentRequests:
    """Takes records (see `ports.Recorder`). `failures` is told of what went wrong, and of what was done about it."""

    def __init__(self, clock: Clock, failures: Failures | None = None) -> None:
        self._clock = clock
        self._failures = failures
        self._plain: deque[Kept] = deque(maxlen=PLAIN)
        self._traced: deque[Kept] = deque(maxlen=TRACED)

    def record(self, record: Record) -> None:
        """See the port."""
        ask, trace = record.ask, record.trace
        kept = Kept(
            ask.request_id or request_id.get(), trace, record.route, ask.operation, ask.dialect, ask.stream, record.began,
            record.first_content, record.ended, record.outcome, record.error, record.cache, record.attempts,
        )  # fmt: skip
        (self._plain if trace is None else self._traced).append(kept)
        if self._failures is not None and (record.outcome == "failed" or len(record.attempts) > 1):
            self._notice(kept, self._failures)

    def of(self, request: str) -> list[Kept]:
        """What was asked under the id of a request."""
        return [one for one in (*self._traced, *self._plain) if one.request == request]

    def recent(self, count: int) -> list[Kept]:
        """The last ones of the data plane, the latest first."""
        latest = [one for one in reversed(self._plain) if one.request]
        return latest[:count]

    def spans(self, kept: Kept) -> Iterator[Span]:
        """Its spans."""
        now = self._clock.monotonic()
        start = int(self._clock.now().timestamp() * 1e9) - int(now * 1e9)

        def at(seconds: float | None) -> int:
            return start + int((seconds if seconds is not None else now) * 1e9)

        yield from spans_of(kept, at)

    def began(self, kept: Kept) -> float:
        """When it began, in seconds since 1970."""
        return self._clock.now().timestamp() - (self._clock.monotonic() - kept.began)

    def samples(self) -> Iterator[Tagged]:
        """Durations and times to first content of them all: a source of `telemetry.samples`."""
        offset = self._clock.now().timestamp() - self._clock.monotonic()
        for one in (*self._traced, *self._plain):
            tags: dict[str, Value] = {"route": one.route, "operation": one.operation, "outcome": one.outcome}
            if one.ended is not None:
                yield Tagged("inference.request", tags, offset + one.ended, (one.ended - one.began) * 1e3)
            if one.first_content is not None:
                took = (one.first_content - one.began) * 1e3
                yield Tagged("inference.first_content", tags, offset + one.first_content, took)
            for attempt in one.attempts:
                if attempt.placed is not None:
                    wait = (attempt.placed - attempt.began) * 1e3
                    yield Tagged("inference.queue", {"model": attempt.model}, offset + attempt.placed, wait)
                rate = speed(attempt)
                if rate is not None and attempt.ended is not None:
                    yield Tagged("engine.tokens_per_second", {"model": attempt.model}, offset + attempt.ended, rate)

    def _notice(self, kept: Kept, failures: Failures) -> None:
        about = {"route": kept.route}
        at = self.began(kept)
        failed = [one for one in kept.attempts if one.outcome == "failed" and one.kind != "mirror"]
        for attempt in failed:
            place = kept.attempts.index(attempt)
            # The provider's own words may repeat what was asked.
            failures.add(
                Failure(
                    attempt.error, "", "request", kept.request, at,
                    {**about, "provider": attempt.provider, "model": attempt.model, "attempt": attempt.kind},
                    recovery(kept, place),
                )
            )  # fmt: skip
        if not failed:
            failures.add(Failure(kept.error or "failed", "", "request", kept.request, at, about))


def recovery(kept: Kept, place: int) -> str:
    """What was done about the failed attempt at `place`, and whether it helped; empty when nothing was."""
    following = kept.attempts[place + 1] if place + 1 < len(kept.attempts) else None
    if following is None:
        return ""
    return following.kind if kept.outcome == "completed" else f"{following.kind}, in vain"


def speed(attempt: Attempt) -> float | None:
    """Tokens a second that the engine wrote, as it says itself."""
    timings = attempt.usage.timings if attempt.usage is not None else None
    if timings is None or timings.predicted_ms <= 0 or timings.predicted_tokens < 2:
        return None
    return timings.predicted_tokens * 1000 / timings.predicted_ms


def spans_of(kept: Kept, at: Callable[[float | None], int]) -> Iterator[Span]:
    """A request's spans: the route, below it each attempt, below that the wait for a slot and the engine's work. `at`: the
    nanoseconds since 1970 of a moment."""
    made = hashlib.blake2b(f"{kept.request} {kept.began}".encode(), digest_size=24).hexdigest()
    trace = kept.trace or Trace(made[:32], made[32:])
    error = kept.error or ("failed" if kept.outcome == "failed" else "")
    marks = [(at(kept.first_content), "first content")] if kept.first_content is not None else []
    facts: dict[str, Value] = {
        "route": kept.route, "operation": kept.operation, "dialect": kept.dialect, "stream": kept.stream, "outcome": kept.outcome,
        "attempts": len(kept.attempts),
    }  # fmt: skip
    if kept.cache:
        facts["cache"] = kept.cache
    times = at(kept.began), at(kept.ended)
    yield Span(trace, f"route {kept.route}", Kind.INTERNAL, *times, facts, error, kept.request, marks)
    for number, attempt in enumerate(kept.attempts):
        if attempt.kind != "completion":
            span = attempt.span or f"{int(trace.span_id, 16) ^ (number + 1):016x}"
            yield from _attempt(attempt, trace.child(span), kept.request, at)


def _attempt(attempt: Attempt, trace: Trace, request: str, at: Callable[[float | None], int]) -> Iterator[Span]:
    began, ended = at(attempt.began), at(attempt.ended)
    facts: dict[str, Value] = {
        "provider": attempt.provider, "model": attempt.model, "attempt": attempt.kind, "outcome": attempt.outcome,
    }  # fmt: skip
    usage = attempt.usage
    if usage is not None:
        facts |= {"promptTokens": usage.prompt_tokens, "completionTokens": usage.completion_tokens}
        facts |= {"cachedTokens": usage.cached_tokens, "estimated": attempt.estimated}
    marks = [(at(attempt.first_content), "first content")] if attempt.first_content is not None else []
    name = f"{attempt.kind} attempt: {attempt.model}"
    yield Span(trace, name, Kind.CLIENT, began, ended, facts, attempt.error, request, marks)
    if attempt.placed is None:
        return
    placed = at(attempt.placed)
    yield Span(_below(trace, 1), "wait for a slot", Kind.INTERNAL, began, placed, {"model": attempt.model}, "", request)
    engine = _below(trace, 2)
    rate = speed(attempt)
    told: dict[str, Value] = {"model": attempt.model, **({"tokensPerSecond": round(rate, 1)} if rate else {})}
    yield Span(engine, f"engine {attempt.model}", Kind.CLIENT, placed, ended, told, attempt.error, request, marks)
    for number, step in enumerate(steps(attempt, placed, ended)):
        counted: dict[str, Value] = {step.counts: step.tokens}
        yield Span(_below(engine, number + 3), step.name, Kind.INTERNAL, step.start, step.end, counted, request=request)


def _below(trace: Trace, number: int) -> Trace:
    """A span whose id is the same whenever somebody looks."""
    made = hashlib.blake2b(f"{trace.span_id} {number}".encode(), digest_size=8).hexdigest()
    return trace.child(made)


def steps(attempt: Attempt, placed: int, ended: int) -> Iterator[Step]:
    """How long an engine read and wrote, by its own timings. It says how long, not when: the writing ends with the answer, the
    reading where the writing begins."""
    timings = attempt.usage.timings if attempt.usage is not None else None
    if timings is None:
        return
    wrote = max(placed, ended - int(timings.predicted_ms * 1e6))
    read = max(placed, wrote - int(timings.prompt_ms * 1e6))
    yield Step("read the prompt", read, wrote, "promptTokens", timings.prompt_tokens)
    yield Step("write the answer", wrote, ended, "completionTokens", timings.predicted_tokens)
