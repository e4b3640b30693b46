"""What engines say about themselves, and the rates that follow."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.kit.errors import InvalidRequest
from corral.monitoring.metrics.collector import cores, together
from corral.monitoring.metrics.figures import Totals, is_awake, parse_counters, parse_slots, rate
from corral.monitoring.metrics.history import columns, rows_of
from corral.monitoring.metrics.policy import KEPT, SPANS, VALUES, Row, bucket, busiest, points, span
from corral.monitoring.metrics.processes import Use
from corral.monitoring.metrics.types import EngineFigures, Gpu, HostFigures, ServerFigures, Snapshot

LLAMA = b"""# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total 28
llamacpp:prompt_tokens_cached_total 3
llamacpp:tokens_predicted_total 7
llamacpp:requests_processing 2
llamacpp:requests_deferred 1
"""
VLLM = b"""vllm:generation_tokens_total{engine="0",model_name="a b"} 10.0
vllm:generation_tokens_total{engine="1",model_name="a b"} 5.0
vllm:prompt_tokens_total{engine="0"} 4.0 1700000000
vllm:kv_cache_usage_perc{engine="0"} 0.25
vllm:kv_cache_usage_perc{engine="1"} 0.75
"""


def test_counters_of_llama_and_vllm_are_read() -> None:
    found = parse_counters(LLAMA)
    assert found is not None
    assert (found.tokens, found.prompt_tokens, found.running, found.deferred, found.kv_use) == (7, 28, 2, 1, None)
    found = parse_counters(VLLM)
    assert found is not None
    assert (found.tokens, found.prompt_tokens, found.kv_use) == (15, 4, 0.75)


@pytest.mark.parametrize(
    "text",
    [b"", b"<html>", b"llamacpp:tokens_predicted_total", b"llamacpp:tokens_predicted_total nan", b"llamacpp:tokens_predicted_total -1",
     b"llamacpp:tokens_predicted_total x", b"other 1", b"llamacpp:tokens_predicted_total +Inf", b"vllm:generation_tokens_total{ 1"],
)  # fmt: skip
def test_what_tells_nothing_is_nothing(text: bytes) -> None:
    assert parse_counters(text) is None


@given(st.binary())
def test_no_text_breaks_the_reader(text: bytes) -> None:
    parse_counters(text)
    parse_slots(text)
    is_awake(text)


def test_slots_tell_work_and_memory() -> None:
    body = [
        {"id": 0, "n_ctx": 512, "is_processing": False},
        {"id": 1, "n_ctx": 512, "is_processing": True, "n_prompt_tokens": 128, "next_token": [{"n_decoded": 16}]},
        {"id": 2, "n_ctx": 512, "is_processing": False, "n_prompt_tokens": 9999, "next_token": [{"n_decoded": 99}]},
        {"id": 3, "n_ctx": 512, "is_processing": True, "n_prompt_tokens": 0, "next_token": {"n_decoded": 2}},
    ]
    found = parse_slots(json.dumps(body).encode())
    assert found is not None
    assert (found.busy, found.count, found.pending_tokens, found.kv_use) == (2, 4, 18, 640 / 2048)


@pytest.mark.parametrize("body", [b"[]", b"{}", b'[{"n_ctx": "x"}]', b"[1]", b"not json"])
def test_what_is_no_list_of_slots_is_nothing(body: bytes) -> None:
    assert parse_slots(body) is None


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (None, Totals(10, 50, 50), (0.0, 0.0)),
        (Totals(0, 0, 0), Totals(10, 50, 100), (5.0, 10.0)),
        (Totals(0, 100, 0), Totals(10, 100, 0, 80), (8.0, 0.0)),
        (Totals(0, 100, 0, 80), Totals(10, 200, 0, 0), (2.0, 0.0)),
        (Totals(0, 100, 0, 80), Totals(10, 100, 0, 0), (0.0, 0.0)),
        (Totals(0, 100, 100), Totals(10, 20, 30), (2.0, 3.0)),
        (Totals(10, 0, 0), Totals(10, 50, 50), (0.0, 0.0)),
    ],
    ids=["first", "counted", "under way", "ended", "given up", "begun anew", "no time"],
)
def test_rates(before: Totals | None, now: Totals, told: tuple[float, float]) -> None:
    assert rate(before, now) == told


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=30))
def test_rates_add_up_to_what_was_generated(steps: list[tuple[int, bool]]) -> None:
    """An answer grows by some tokens, and ends now and then: none is counted twice, none is missed."""
    counter = pending = 0
    seen, before, total = 0.0, Totals(0, 0, 0), 0
    for number, (grown, ends) in enumerate(steps, 1):
        pending, total = pending + grown, total + grown
        if ends:
            counter, pending = counter + pending, 0
        now = Totals(number * 10.0, counter, 0, pending)
        seen += rate(before, now)[0] * 10
        before = now
    assert seen == pytest.approx(total, abs=0.06 * len(steps))


def test_processors_of_a_process() -> None:
    assert cores(Use(0, 5.0), Use(0, 7.5), 10) == 0.25
    assert cores(None, Use(0, 7.5), 10) is None
    assert cores(Use(0, 9.0), Use(0, 7.5), 10) is None
    assert cores(Use(0, 1.0), Use(0, 7.5), 0) is None


def test_several_engines_of_a_model_are_told_together() -> None:
    one = EngineFigures("m", "stopped", None, None, None, None, 0, 2, None, 3, 5)
    two = EngineFigures("m", "busy", 100, 0.5, 4.0, 2.0, 1, 6, 0.5, 3, 7)
    other = EngineFigures("a", "ready")
    [first, both] = together([one, two, other])
    assert first is other
    assert (both.name, both.state, both.rss, both.cpu, both.tokens_per_second) == ("m", "busy", 100, 0.5, 4.0)
    assert (both.slots, both.slots_busy, both.kv_use, both.queue, both.requests) == (8, 1, 0.5, 3, 12)


def snapshot(at: float, *engines: EngineFigures, gpus: tuple[Gpu, ...] | None = None) -> Snapshot:
    host = HostFigures(0.5, 2, 1000, 2000, (10, 20), (1.0, 2.0), gpus, 60)
    return Snapshot(datetime.fromtimestamp(at, UTC), host, ServerFigures(5, 0.1, 1, 2, 0), engines)


def test_a_sample_becomes_rows_without_engines_that_do_not_run() -> None:
    gpus = (Gpu("one", 0.5, 100, 200), Gpu("two", None, 50, 200))
    rows = rows_of(snapshot(5.0, EngineFigures("a", "stopped"), EngineFigures("b", "ready", 7, 0.5, 3.0), gpus=gpus))
    assert [row.subject for row in rows] == ["host", "server", "engine:b"]
    host = dict(zip(VALUES, rows[0].values, strict=True))
    assert (host["cpu"], host["memory"], host["gpu"], host["gpu_memory"], host["tokens_per_second"]) == (
        0.5,
        1000,
        0.5,
        150,
        3.0,
    )


def test_of_very_many_engines_the_busiest_are_kept() -> None:
    engines = [EngineFigures(f"e{number:03}", "ready", 1, 0.1, float(number)) for number in range(100)]
    kept = [row.subject for row in rows_of(snapshot(5.0, *engines))][2:]
    assert len(kept) == 64
    assert "engine:e099" in kept
    assert "engine:e000" not in kept
    assert busiest({"a": (1, 0), "b": (2, 0), "c": (1, 5)}, 2) == (["b", "c"], 1)


def row(resolution: int, at: int, cpu: float | None, subject: str = "host") -> Row:
    return Row(resolution, subject, at, (cpu, *[None] * (len(VALUES) - 1)))


def test_points_are_means_weighted_by_the_time_that_rows_stand_for() -> None:
    rows = [row(60, 0, 1.0), row(10, 60_000, 0.3), row(10, 70_000, None)]
    assert points(rows, 300) == {"host": {0: (pytest.approx((60 * 1.0 + 10 * 0.3) / 70), *[None] * (len(VALUES) - 1))}}
    assert list(points(rows, 10)["host"]) == [0, 60_000, 70_000]


def test_columns_are_as_long_as_their_moments() -> None:
    found = columns(points([row(10, 0, 0.5), row(10, 10_000, 2000.5, "engine:m"), row(10, 0, 0.25, "server")], 10))
    assert found["at"] == [0, 10_000]
    assert found["host"]["cpu"] == [0.5, None]
    assert found["server"]["cpu"] == [0.25, None]
    assert found["engines"]["m"]["cpu"] == [None, 2000]
    assert all(len(series) == 2 for series in found["host"].values())


def test_ranges_are_kept_long_enough_and_others_are_refused() -> None:
    for seconds, step in SPANS.values():
        assert KEPT[step] >= seconds
    assert span("24h") == (86_400, 300)
    with pytest.raises(InvalidRequest) as caught:
        span("1y")
    assert caught.value.param == "range"
    assert bucket(125_999, 60) == 120_000
