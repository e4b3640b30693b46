"""Requests as spans and figures: the route, below it each attempt, and below that what an own engine did.

Names of attributes: https://opentelemetry.io/docs/specs/semconv/gen-ai/ (those of `corral.*` are ours). Nothing of what was asked or
answered is among them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from corral.dialects.form import Usage
from corral.inference.recent import steps
from corral.inference.routes.types import LOCAL
from corral.inference.types import Attempt, Record
from corral.kit.clock import Clock
from corral.kit.context import request_id
from corral.kit.trace import Trace
from corral.telemetry.instruments import Histogram, Instruments
from corral.telemetry.spans import Kind, Span, Value
from corral.telemetry.tracing import Tracing

OPERATIONS = {"completions": "text_completion"}
"""The conventions' names of operations, where they are others than ours."""
SYSTEMS = {"gemini": "gcp.gemini", "mistral": "mistral_ai", "xai": "x_ai", LOCAL: "corral"}
"""The conventions' names of providers, by kind or vendor, where they are others than ours."""
READ = 64 * 1024
"""Bytes of a request up to which its parameters are looked at."""
TOKENS = tuple(4**power for power in range(14))
SECONDS = tuple(0.01 * 2**power for power in range(14))
FIRST = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


class Place(NamedTuple):
    """Where a provider is: its kind or vendor, and its address."""

    system: str
    host: str = ""
    port: int = 0


class _Asked(msgspec.Struct):
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None


_ASKED = msgspec.json.Decoder(_Asked)


class Traces:
    """A recorder. `place`: where a provider is, by name."""

    def __init__(self, tracing: Tracing, clock: Clock, place: Callable[[str], Place]) -> None:
        self._tracing = tracing
        self._clock = clock
        self._place = place
        self.durations = Histogram("gen_ai.client.operation.duration", "s", "GenAI operation duration.", SECONDS)
        self.tokens = Histogram(
            "gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.", TOKENS
        )
        self.first = Histogram(
            "gen_ai.client.operation.time_to_first_chunk", "s", "Time to receive the first chunk.", SECONDS
        )
        self.requests = Histogram(
            "gen_ai.server.request.duration", "s", "Generative AI server request duration.", SECONDS
        )
        self.server_first = Histogram(
            "gen_ai.server.time_to_first_token", "s", "Time to generate first token for successful responses.", FIRST
        )

    @property
    def instruments(self) -> Instruments:
        """What is measured here."""
        return Instruments([self.durations, self.tokens, self.first, self.requests, self.server_first])

    def record(self, record: Record) -> None:
        """See `Recorder.record`."""
        now = self._clock.monotonic()
        start = int(self._clock.now().timestamp() * 1e9) - int(now * 1e9)

        def at(seconds: float | None) -> int:
            return start + int((seconds if seconds is not None else now) * 1e9)

        operation = OPERATIONS.get(record.ask.operation, record.ask.operation)
        trace = record.trace or self._tracing.begin()
        for attempt in record.attempts:
            if attempt.kind != "completion":
                self._attempt(attempt, record, trace.child(attempt.span or None), at)
        self._request(record, operation, trace, at)

    def _request(self, record: Record, operation: str, trace: Trace, at: Callable[[float | None], int]) -> None:
        ask, by = record.ask, record.answered_by
        place = self._place(by.provider) if by is not None else Place("corral")
        known: dict[str, Value] = {"gen_ai.operation.name": operation, "gen_ai.provider.name": place.system}
        error = record.error or ("" if record.outcome != "failed" else "failed")
        if record.route:
            known["gen_ai.request.model"] = record.route
        failed: dict[str, Value] = {"error.type": error} if error else {}
        self.requests.add((record.ended or record.began) - record.began, {**known, **failed})
        if record.first_content is not None and ask.stream and not error:
            self.server_first.add(record.first_content - record.began, known)
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": operation, "corral.route": record.route, "corral.dialect": ask.dialect,
            "corral.stream": ask.stream, "corral.outcome": record.outcome, "corral.attempts": len(record.attempts), **failed,
        }  # fmt: skip
        identity = ask.request_id or request_id.get()
        if identity:
            attributes["corral.request_id"] = identity
        if record.cache:
            attributes["corral.cache"] = record.cache
        if record.first_content is not None:
            attributes["corral.time_to_first_content"] = record.first_content - record.began
        attributes |= _used(record.usage)
        times = at(record.began), at(record.ended)
        self._send(trace, f"route {record.route}", Kind.INTERNAL, times, attributes, error)

    def _send(
        self,
        trace: Trace,
        name: str,
        kind: Kind,
        times: tuple[int, int],
        attributes: dict[str, Value],
        error: str = "",
    ) -> None:
        # What is kept of a request in memory are its record's times (`recent.py`); spans are made of them when somebody looks.
        self._tracing.take(Span(trace, name, kind, *times, attributes, error), keep=False)

    def _attempt(self, attempt: Attempt, record: Record, trace: Trace, at: Callable[[float | None], int]) -> None:
        ask, place = record.ask, self._place(attempt.provider)
        operation = OPERATIONS.get(ask.operation, ask.operation)
        known: dict[str, Value] = {
            "gen_ai.operation.name": operation, "gen_ai.provider.name": place.system, "gen_ai.request.model": attempt.model,
        }  # fmt: skip
        if place.host:
            known |= {"server.address": place.host, "server.port": place.port}
        self._measure(attempt, known, stream=ask.stream)
        if not trace.sampled:
            return
        attributes: dict[str, Value] = {
            **known, "corral.provider": attempt.provider, "corral.attempt.kind": attempt.kind, "corral.attempt.outcome": attempt.outcome,
            "corral.dialect": attempt.dialect, "gen_ai.request.stream": ask.stream, **_asked(ask.body),
        }  # fmt: skip
        if attempt.first_content is not None:
            attributes["gen_ai.response.time_to_first_chunk"] = attempt.first_content - attempt.began
        if attempt.error:
            attributes["error.type"] = attempt.error
        if attempt.estimated:
            attributes["corral.usage.estimated"] = True
        attributes |= _used(attempt.usage)
        times = at(attempt.began), at(attempt.ended)
        # Its message may repeat what was asked.
        self._send(trace, f"{operation} {attempt.model}", Kind.CLIENT, times, attributes, attempt.error)
        if attempt.placed is not None:
            self._engine(attempt, trace, at)

    def _engine(self, attempt: Attempt, trace: Trace, at: Callable[[float | None], int]) -> None:
        """What an own engine did, once there was a place for the request; the wait for it is what is left of the attempt."""
        attributes: dict[str, Value] = {"corral.engine": attempt.model}
        if attempt.placed is not None:
            attributes["corral.queue.seconds"] = attempt.placed - attempt.began
        began, ended = at(attempt.placed), at(attempt.ended)
        own = trace.child()
        self._send(own, f"engine {attempt.model}", Kind.CLIENT, (began, ended), attributes, attempt.error)
        for step in steps(attempt, began, ended):
            self._send(own.child(), step.name, Kind.INTERNAL, (step.start, step.end), {step.counts: step.tokens})

    def _measure(self, attempt: Attempt, known: dict[str, Value], *, stream: bool) -> None:
        ended = attempt.ended if attempt.ended is not None else self._clock.monotonic()
        failed: dict[str, Value] = {"error.type": attempt.error} if attempt.error else {}
        self.durations.add(ended - attempt.began, {**known, **failed})
        if stream and attempt.first_content is not None:
            self.first.add(attempt.first_content - attempt.began, known)
        usage = attempt.usage
        if usage is not None and not attempt.estimated:
            self.tokens.add(usage.prompt_tokens, {**known, "gen_ai.token.type": "input"})
            self.tokens.add(usage.completion_tokens, {**known, "gen_ai.token.type": "output"})


def _used(usage: Usage | None) -> dict[str, Value]:
    if usage is None:
        return {}
    told: dict[str, Value] = {
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
    }
    more = {
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
    }
    return told | {name: count for name, count in more.items() if count}


def _asked(body: bytes) -> dict[str, Value]:
    """The parameters of a request that is not long. What is in none of the known forms is left out."""
    if len(body) > READ:
        return {}
    try:
        asked = _ASKED.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    told: dict[str, Value | None] = {
        "gen_ai.request.temperature": asked.temperature,
        "gen_ai.request.top_p": asked.top_p,
        "gen_ai.request.seed": asked.seed,
        "gen_ai.request.max_tokens": asked.max_tokens or asked.max_completion_tokens or asked.max_output_tokens,
    }
    return {name: value for name, value in told.items() if value is not None}
