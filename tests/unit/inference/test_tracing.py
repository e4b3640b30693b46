"""What a request's record becomes: spans and figures."""

from __future__ import annotations

from typing import Any

from corral.dialects.form import Usage
from corral.inference.tracing import Place, Traces
from corral.inference.types import Ask, Attempt, Record
from corral.kit.trace import Trace
from corral.telemetry.otlp import Histogram, Span, Tracing
from tests.support.clock import ManualClock

ROUTE = Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7")


class Kept:
    """Takes spans."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def put(self, span: Span) -> None:
        """See `Spans.put`."""
        self.spans.append(span)


def recorded(*attempts: Attempt, body: bytes = b"{}", **more: Any) -> tuple[list[Span], Traces]:
    kept = Kept()
    traces = Traces(
        Tracing(kept), ManualClock(), lambda name: Place(name, "host", 443) if name != "local" else Place("corral")
    )
    given: dict[str, Any] = {"outcome": "completed", "ended": 5.0, "trace": ROUTE, "route": "r", **more}
    ask = Ask(given.pop("operation", "chat"), "openai_chat", "r", body, given.pop("stream", True))
    traces.record(Record("u", ask, 1.0, attempts=list(attempts), **given))
    return kept.spans, traces


def attempt(provider: str = "openai", **more: Any) -> Attempt:
    given: dict[str, Any] = {
        "outcome": "completed",
        "ended": 4.0,
        "first_content": 2.5,
        "span": "00000000000000aa",
        **more,
    }
    return Attempt(provider, "m", given.pop("kind", "first"), 2.0, **given)


def counts(histogram: Histogram) -> int:
    return sum(series.count for series in histogram.series.values())


def test_an_answer_that_was_kept_has_no_attempts() -> None:
    [span], traces = recorded(cache="hit", first_content=1.1)
    assert (span.name, span.trace) == ("route r", ROUTE)
    assert span.attributes["corral.cache"] == "hit"
    assert counts(traces.durations) == 0
    assert counts(traces.requests) == 1


def test_times_are_those_of_the_record_and_spans_have_the_ids_that_providers_were_told() -> None:
    (first, route), traces = recorded(attempt(usage=Usage(7, 20, 3)))
    assert first.trace == Trace(ROUTE.trace_id, "00000000000000aa", ROUTE.span_id)
    assert (first.end - first.start, route.end - route.start) == (2_000_000_000, 4_000_000_000)
    assert first.start - route.start == 1_000_000_000
    assert first.attributes["gen_ai.response.time_to_first_chunk"] == 0.5
    [duration] = traces.durations.series.values()
    assert duration.sum == 2.0
    assert counts(traces.tokens) == 2


def test_what_is_only_estimated_is_told_but_not_counted() -> None:
    (span, _), traces = recorded(attempt(usage=Usage(7, 20), estimated=True, outcome="cancelled"), outcome="cancelled")
    assert span.attributes["corral.usage.estimated"] is True
    assert span.attributes["gen_ai.usage.output_tokens"] == 20
    assert counts(traces.tokens) == 0


def test_an_own_engine_lies_below_its_attempt_from_when_there_was_a_place() -> None:
    (tried, engine, _), _ = recorded(attempt("local", placed=2.25))
    assert engine.trace.parent_id == tried.trace.span_id
    assert (engine.name, engine.end - engine.start) == ("engine m", 1_750_000_000)
    assert engine.attributes["corral.queue.seconds"] == 0.25
    assert "server.address" not in tried.attributes


def test_a_failure_is_told_by_its_code_alone() -> None:
    failed = attempt(outcome="failed", error="upstream_failed", message="they said: the prompt", first_content=None)
    (span, route), traces = recorded(failed, attempt(kind="completion"), outcome="failed", error="upstream_failed")
    assert (span.error, route.error) == ("upstream_failed", "upstream_failed")
    assert "prompt" not in repr(span)
    assert [dict(key)["error.type"] for key in traces.durations.series] == ["upstream_failed"]
    assert counts(traces.first) == 0


def test_parameters_are_read_where_that_is_cheap() -> None:
    body = b'{"temperature": 0.5, "max_completion_tokens": 9, "seed": 4, "messages": []}'
    (span, _), _ = recorded(attempt(), body=body)
    told = {key: value for key, value in span.attributes.items() if key.startswith("gen_ai.request.")}
    assert told == {
        "gen_ai.request.model": "m", "gen_ai.request.stream": True, "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 9, "gen_ai.request.seed": 4,
    }  # fmt: skip
    for junk in (b"[]", b'{"temperature": "hot"}', b"\xff", body[:-1] + b', "x": "' + b"y" * 70_000 + b'"}'):
        (span, _), _ = recorded(attempt(), body=junk)
        assert "gen_ai.request.temperature" not in span.attributes


def test_who_is_not_sampled_is_counted_all_the_same() -> None:
    spans, traces = recorded(attempt("local", placed=2.25), trace=Trace("a" * 32, "b" * 16, sampled=False))
    assert spans == []
    assert (counts(traces.durations), counts(traces.requests)) == (1, 1)


def test_completions_have_the_conventions_name() -> None:
    (span, _), _ = recorded(attempt(), operation="completions")
    assert span.name == "text_completion m"
