"""What is kept in memory of what happened: spans, samples and failures, all bounded; and measuring."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.kit.context import request_id
from corral.kit.errors import NotFound
from corral.kit.trace import Trace, current_trace
from corral.telemetry.failures import MAX_ABOUT, Failure, Failures
from corral.telemetry.ring import SpanRing, size_of
from corral.telemetry.samples import PERCENTILES, Samples, Tagged, aggregate
from corral.telemetry.spans import Kind, Span
from corral.telemetry.tracing import Tracing

TRACE = Trace("a" * 32, "b" * 16)


def span(request: str, name: str = "x", **attributes: Any) -> Span:
    return Span(TRACE, name, Kind.INTERNAL, 1, 2, attributes, "", request)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 400)), max_size=120))
def test_a_ring_keeps_its_bounds_and_the_latest(puts: list[tuple[int, int]]) -> None:
    ring = SpanRing(spans=20, size=12_000, of_request=5)
    for number, (request, length) in enumerate(puts):
        ring.put(span(f"r{request}", str(number), text="x" * length, turn=f"t{request}"))
        kept = [one for group in ring.groups() for one in group.spans]
        assert ring.count == len(kept) <= 20
        assert ring.size == sum(size_of(one) for one in kept) <= 12_000
        assert all(len(group.spans) <= 5 for group in ring.groups())
    lost = sum(group.lost for group in ring.groups())
    assert ring.count + ring.forgotten + lost <= len(puts)
    if puts:
        # What came last is there (unless its request has had too many), by its turn as well.
        last = ring.of(f"t{puts[-1][0]}")
        assert last is not None
        assert last is ring.of(f"r{puts[-1][0]}")
        assert last.lost or last.spans[-1].name == str(len(puts) - 1)


def test_the_oldest_request_leaves_first_and_whole() -> None:
    ring = SpanRing(spans=4)
    for request in "aabbc":
        ring.put(span(request, turn=f"turn-{request}"))
    assert ring.of("a") is None
    assert ring.of("turn-a") is None
    assert [group.request for group in ring.groups()] == ["c", "b"]
    assert ring.forgotten == 2


FIGURES = st.lists(st.floats(-1e9, 1e9, allow_nan=False), max_size=200)


@given(FIGURES)
def test_aggregates_are_those_of_the_samples(values: list[float]) -> None:
    told = aggregate(values)
    assert told["count"] == len(values)
    if not values:
        assert told["avg"] is told["min"] is told["p50"] is None
        return
    ordered = sorted(values)
    assert (told["min"], told["max"]) == (ordered[0], ordered[-1])
    assert told["sum"] == math.fsum(values)
    assert ordered[0] <= (told["avg"] or 0.0) <= ordered[-1]
    ranks = [told[f"p{part}"] for part in PERCENTILES]
    assert ranks == sorted(ranks, key=lambda one: one or 0.0)
    for part, rank in zip(PERCENTILES, ranks, strict=True):
        assert rank in values
        below = sum(value <= (rank or 0.0) for value in values)
        assert below >= part / 100 * len(values)


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 50), st.floats(0, 10)), max_size=60
    ),
    st.integers(0, 50),
    st.integers(0, 50),
)
def test_samples_are_found_by_name_tag_and_time(
    taken: list[tuple[str, str, int, float]], since: int, until: int
) -> None:
    samples = Samples()
    for name, tag, at, value in taken:
        samples.add(name, value, {"tag": tag, "n": 1}, float(at))
    found = samples.select("a", {"tag": "x", "n": "1"}, since, until)
    assert sorted(one.value for one in found) == sorted(
        value for name, tag, at, value in taken if (name, tag) == ("a", "x") and since <= at <= until
    )
    assert [one.at for one in found] == sorted(one.at for one in found)
    assert sum(samples.names().values()) == len(taken)


def test_samples_are_bounded_in_series_and_in_each() -> None:
    samples = Samples(series=10, samples=5)
    for number in range(1000):
        samples.add("many", 1.0, {"id": number}, float(number))
        samples.add(f"name-{number}", 1.0, {}, float(number))
    names = samples.names()
    assert sum(names.values()) <= 60 * 5
    assert samples.select("many", {"overflow": "true"})
    samples.add_source(lambda: [Tagged("kept elsewhere", {}, 1.0, 2.0)])
    assert samples.names()["kept elsewhere"] == 1


def test_a_failure_counts_once_a_request_and_the_list_is_bounded() -> None:
    failures = Failures(limit=5)
    for request in ("r1", "r2"):
        failures.add(Failure("engine_failed", "gone", "commit", request, 1.0, {"turn": request}))
        failures.add(Failure("engine_failed", "gone", "turn", request, 2.0, {"model": "m"}, "failover"))
    [one] = failures.recent()
    assert (one.count, one.requests, one.recovery) == (2, ["r1", "r2"], "failover")
    assert one.about == {"turn": "r2", "model": "m"}
    for number in range(20):
        failures.add(Failure(f"c{number}", "m" * 900, "x", "", 3.0, {f"k{n}": "v" * 900 for n in range(40)}))
    kept = failures.recent()
    assert [one.code for one in kept] == ["c19", "c18", "c17", "c16", "c15"]
    assert all(len(one.message) == 500 and len(one.about) == MAX_ABOUT for one in kept)


class Kept:
    """Takes spans."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def put(self, span: Span) -> None:
        """See `Spans.put`."""
        self.spans.append(span)


async def test_measuring_makes_a_span_and_a_sample_of_what_is_done_in_any_form() -> None:
    kept, samples, failures = Kept(), Samples(), Failures()
    tracing = Tracing(ring=kept, samples=samples, failures=failures)

    @tracing.measured("twice", room="here")
    def twice(number: int) -> int:
        return number * 2

    @tracing.measured("later")
    async def later(number: int) -> int:
        with tracing.measured("inner") as inner:
            inner.note(number=number)
            await asyncio.sleep(0)
        return twice(number)

    token = request_id.set("req-1")
    try:
        assert await later(4) == 8
        with pytest.raises(NotFound), tracing.measured("missing", room="here"):
            raise NotFound("not there")
        with tracing.measured("handled") as handled:
            handled.fail("engine_failed")
        with pytest.raises(asyncio.CancelledError), tracing.measured("left"):
            raise asyncio.CancelledError
    finally:
        request_id.reset(token)
    assert current_trace.get() is None
    found = {one.name: one for one in kept.spans}
    assert set(found) == {"twice", "later", "inner", "missing", "handled", "left"}
    assert found["inner"].trace.parent_id == found["twice"].trace.parent_id == found["later"].trace.span_id
    assert found["inner"].attributes == {"number": 4}
    assert (found["missing"].error, found["left"].error) == ("not_found", "")
    assert found["left"].attributes["cancelled"] is True
    assert {one.request for one in kept.spans} == {"req-1"}
    assert len(samples.select("twice", {"room": "here", "outcome": "ok"})) == 1
    assert len(samples.select("missing", {"outcome": "failed"})) == 1
    assert found["handled"].error == "engine_failed"
    assert [one.code for one in failures.recent()] == ["not_found"], "who handles a failure notes it"
    with pytest.raises(TypeError):

        @tracing.measured("never")
        def generator() -> Any:
            yield 1


def test_only_sampled_traces_are_sent_and_all_are_kept() -> None:
    kept, sent = Kept(), Kept()
    tracing = Tracing(sent, 0.0, ring=kept)
    with tracing.measured("quiet"):
        pass
    tracing.take(Span(TRACE, "theirs", Kind.SERVER, 1, 2, {}), keep=False)
    assert [one.name for one in kept.spans] == ["quiet"]
    assert [one.name for one in sent.spans] == ["theirs"]
    alone = Tracing(ring=kept)
    assert not alone.begin().told, "nobody is told of traces that are sent nowhere"
    assert alone.within() is None


def test_a_page_of_ours_does_not_decide_what_is_sent() -> None:
    told = f"00-{'1' * 32}-{'2' * 16}-01"
    for sample, expected in ((1.0, True), (0.0, False)):
        trace = Tracing(Kept(), sample).continued(told)
        assert trace is not None
        assert (trace.trace_id, trace.span_id, trace.sampled) == ("1" * 32, "2" * 16, expected)
    assert Tracing().continued("junk") is None


def test_what_is_remembered_of_a_request_is_bounded() -> None:
    tracing = Tracing()
    for number in range(3000):
        tracing.remember(f"r{number}", tracing.begin())
    assert tracing.recall("r0") is None
    known = tracing.recall("r2999")
    assert known is not None
    token = request_id.set("r2999")
    try:
        assert tracing.begin().parent_id == known.trace.span_id
    finally:
        request_id.reset(token)
