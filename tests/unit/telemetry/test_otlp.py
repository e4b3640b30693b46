"""OTLP: its two forms, and a collector that is dead, slow, or does not want."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from corral.kit.context import request_id
from corral.kit.trace import Trace, current_trace
from corral.telemetry.instruments import MAX_SERIES
from corral.telemetry.otlp import Exporter, Histogram, Instruments, Kind, Options, Span, Tracing, Value
from corral.telemetry.otlp.encoding import Json, Protobuf
from tests.fakes.collector import METRICS, TRACES, decode, plain
from tests.support.collector import FakeCollector, fake_collector
from tests.support.waiting import eventually

TRACE = Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7", state="vendor=x")
ROOT = Trace("0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7")
ATTRIBUTES: dict[str, Value] = {
    "gen_ai.request.model": "gpt-4ö", "n": -5, "big": 2**40, "zero": 0, "f": 0.25, "yes": True, "no": False, "e": "",
}  # fmt: skip
SPANS = [
    Span(TRACE, "chat gpt-4o", Kind.CLIENT, 1790000000000000001, 1790000001000000002, ATTRIBUTES, "upstream_failed"),
    Span(ROOT, "POST /v1", Kind.SERVER, 5, 4, {}),
]
# Made by opentelemetry-proto 1.45.2, Google's own encoder, of the same messages.
SPANS_OF_OTHERS = bytes.fromhex(
    "0ae0020a1a0a180a0c736572766963652e6e616d6512080a06636f7272616c12c1020a0f0a06636f7272616c1205302e312e3012eb010a"
    "100af7651916cd43dd8448eb211c80319c1208b7ad6b71692033311a0876656e646f723d78220800f067aa0ba902b72a0b636861742067"
    "70742d346f3003390100f323845bd7184102ca8d5f845bd7184a210a1467656e5f61692e726571756573742e6d6f64656c12090a076770"
    "742d34c3b64a100a016e120b18fbffffffffffffffff014a0e0a036269671207188080808080204a0a0a047a65726f120218004a0e0a01"
    "66120921000000000000d03f4a090a03796573120210014a080a026e6f120210004a070a016512020a007a13120f757073747265616d5f"
    "6661696c6564180285010100000012400a100af7651916cd43dd8448eb211c80319c120800f067aa0ba902b72a08504f5354202f763130"
    "02390500000000000000410500000000000000850101000000"
)
FIGURES_OF_OTHERS = bytes.fromhex(
    "0ae1020a1a0a180a0c736572766963652e6e616d6512080a06636f7272616c12c2020a0f0a06636f7272616c1205302e312e3012ae020a"
    "1967656e5f61692e636c69656e742e746f6b656e2e75736167651207546f6b656e732e1a077b746f6b656e7d4afe010a7c111100000000"
    "00000019120000000000000021040000000000000029000000000000384032200200000000000000010000000000000000000000000000"
    "0001000000000000003a18000000000000f03f000000000000104000000000008030404a080a016112030a016259000000000000000061"
    "00000000000034400a7c111100000000000000191200000000000000210100000000000000290000000000000040322000000000000000"
    "000100000000000000000000000000000000000000000000003a18000000000000f03f000000000000104000000000008030404a080a01"
    "6112030a01635900000000000000406100000000000000401002"
)


def figures() -> Histogram:
    made = Histogram("gen_ai.client.token.usage", "{token}", "Tokens.", [1, 4, 16.5])
    for value in (0, 1, 3, 20):
        made.add(value, {"a": "b"})
    made.add(2, {"a": "c"})
    return made


def test_the_bytes_are_those_of_others() -> None:
    form = Protobuf({"service.name": "corral"}, "corral", "0.1.0")
    assert form.traces([form.span(span) for span in SPANS]) == SPANS_OF_OTHERS
    assert form.metrics([form.metric(figures(), 17, 18)]) == FIGURES_OF_OTHERS


def test_both_forms_say_the_same() -> None:
    binary, text = (make({"service.name": "corral"}, "corral", "0.1.0") for make in (Protobuf, Json))
    told = json.loads(text.traces([text.span(span) for span in SPANS]))
    assert decode(TRACES, binary.traces([binary.span(span) for span in SPANS])) == _without_empty(told)
    told = json.loads(text.metrics([text.metric(figures(), 17, 18)]))
    assert decode(METRICS, binary.metrics([binary.metric(figures(), 17, 18)])) == told
    [first, _] = told["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["histogram"]["dataPoints"]
    assert (first["count"], first["sum"], first["bucketCounts"]) == ("4", 24.0, ["2", "1", "0", "1"])
    assert (first["min"], first["max"], plain(first["attributes"])) == (0, 20, {"a": "b"})


def _without_empty(told: Any) -> Any:
    """Lists without entries are not told in bytes."""
    if isinstance(told, dict):
        return {key: _without_empty(value) for key, value in told.items() if value != []}
    return [_without_empty(one) for one in told] if isinstance(told, list) else told


def test_text_that_no_encoding_takes_is_no_end() -> None:
    span = Span(ROOT, "half \ud83d", Kind.SERVER, 1, 2, {"a": "x\udc00" * 1000}, "\udfff")
    for form in (Protobuf({}, "corral", "0"), Json({}, "corral", "0")):
        assert form.traces([form.span(span)])


def test_too_many_sets_of_attributes_are_counted_together() -> None:
    made = Histogram("x", "s", "", [1])
    for number in range(MAX_SERIES + 50):
        made.add(1, {"model": str(number)})
    assert len(made.series) == MAX_SERIES + 1
    assert made.series[(("otel.metric.overflow", True),)].count == 50


def test_what_was_refused_of_a_good_request_is_read() -> None:
    assert Protobuf({}, "", "").rejected(bytes((10, 3, 8, 200, 1))) == 200
    assert Json({}, "", "").rejected(b'{"partialSuccess":{"rejectedSpans":"7","errorMessage":"x"}}') == 7
    for junk in (b"", b"\xff\xff", b"\x0a\xff", b"<html>", b"{}", b"[]"):
        assert Protobuf({}, "", "").rejected(junk) == 0
        assert Json({}, "", "").rejected(junk) == 0


# sending


@pytest.fixture(scope="module")
def collector() -> Iterator[FakeCollector]:
    with fake_collector() as made:
        yield made


def exporter(url: str, **more: Any) -> Exporter:
    given = {"timeout": 5.0, "gather": 0.01, "pause": 0.05, **more}
    return Exporter(Options(f"{url}/v1/traces", f"{url}/v1/metrics", **given), "corral", "0.1.0")


@pytest.mark.parametrize(
    ("protocol", "gzip"), [("http/protobuf", False), ("http/json", False), ("http/protobuf", True)]
)
async def test_spans_and_figures_arrive(collector: FakeCollector, protocol: Any, gzip: bool) -> None:
    collector.script()
    made = exporter(
        collector.url, protocol=protocol, gzip=gzip, headers={"x-key": "secret"}, resource={"service.name": "s"}
    )
    for span in SPANS:
        made.put(span)
    made.report(Instruments([figures()]))
    await eventually(lambda: made.counted.reports == 1 and made.counted.sent == 2)
    seen = collector.seen()
    assert [span["name"] for span in seen["spans"]] == ["chat gpt-4o", "POST /v1"]
    assert seen["spans"][0]["attributes"] == ATTRIBUTES
    assert seen["spans"][0]["status"] == {"message": "upstream_failed", "code": 2}
    assert seen["metrics"][0]["resource"] == {"service.name": "s"}
    assert all(one["headers"]["x-key"] == "secret" for one in seen["requests"])
    assert made.close(5.0)


async def test_a_collector_that_is_busy_is_tried_again(collector: FakeCollector) -> None:
    collector.script(status=503)
    made = exporter(collector.url, pause=0.5)
    made.put(SPANS[0])
    await eventually(lambda: len(collector.seen()["requests"]) >= 1)
    collector.script()
    await eventually(lambda: made.counted.sent == 1)
    assert made.lost == 0
    assert made.close(5.0)


@pytest.mark.parametrize(
    ("script", "tries"), [({"status": 500}, 1), ({"status": 400}, 1), ({"status": 503}, 4), ({"status": 429}, 4)]
)
async def test_what_is_not_taken_is_lost_and_counted(
    collector: FakeCollector, caplog: pytest.LogCaptureFixture, script: dict[str, Any], tries: int
) -> None:
    collector.script(**script)
    made = exporter(collector.url, pause=0.01)
    with caplog.at_level(logging.WARNING, "corral.otlp"):
        made.put(SPANS[0])
        await eventually(lambda: made.lost == 1)
    assert len(collector.seen()["requests"]) == tries
    assert sum("does not take what it is sent" in one.message for one in caplog.records) == 1
    collector.script()
    made.put(SPANS[1])
    await eventually(lambda: made.counted.sent == 1)
    assert made.close(5.0)


async def test_what_it_rejects_of_a_request_is_counted(collector: FakeCollector) -> None:
    collector.script(rejected=1)
    made = exporter(collector.url, gather=0.2)
    for span in SPANS:
        made.put(span)
    await eventually(lambda: made.counted.rejected == 1)
    assert (made.counted.sent, made.lost) == (1, 1)
    assert made.close(5.0)


async def test_a_connection_that_was_closed_meanwhile_costs_nothing(collector: FakeCollector) -> None:
    collector.script()
    made = exporter(collector.url)
    made.put(SPANS[0])
    await eventually(lambda: made.counted.sent == 1)
    collector.script(hang_up=True)
    made.put(SPANS[0])
    await eventually(lambda: made._failing)
    collector.script()
    await eventually(lambda: made.counted.sent == 2)
    assert made.lost == 0
    assert made.close(5.0)


async def test_a_dead_collector_holds_nobody_up_and_the_queue_has_an_end() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        made = exporter(f"http://127.0.0.1:{closed.getsockname()[1]}", queue=100, pause=5.0)
        began = time.perf_counter()
        for _ in range(20_000):
            made.put(SPANS[0])
        assert time.perf_counter() - began < 5
        # One batch is being tried, as many wait as may.
        assert made.lost >= 20_000 - 100 - 1000
        began = time.perf_counter()
        made.close(2.0)
        assert time.perf_counter() - began < 10
        assert made.counted.sent == 0


async def test_a_slow_collector_loses_what_is_too_much_and_nothing_else(collector: FakeCollector) -> None:
    collector.script(delay=0.3)
    made = exporter(collector.url, queue=50)
    for _ in range(2000):
        made.put(SPANS[0])
    await eventually(lambda: made.counted.sent + made.lost == 2000)
    assert made.counted.sent >= 50
    assert len(collector.seen()["spans"]) == made.counted.sent
    assert made.close(5.0)


# traces


def test_the_share_that_is_sampled_and_who_decides() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        made = exporter(f"http://127.0.0.1:{closed.getsockname()[1]}")
        traced = Tracing(made, 0.25)
        share = sum(traced.begin().sampled for _ in range(4000)) / 4000
        assert share == pytest.approx(0.25, abs=0.04)
        assert all(traced.begin(TRACE).sampled for _ in range(100)), "the caller wants it"
        unsampled = Trace(TRACE.trace_id, TRACE.span_id, sampled=False)
        assert not any(Tracing(made).begin(unsampled).sampled for _ in range(100))
        made.close(0.1)


def test_spans_lie_below_what_is_being_served_and_what_began_it() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        made = exporter(f"http://127.0.0.1:{closed.getsockname()[1]}")
        traced = Tracing(made)
        assert traced.begin().parent_id == ""
        token = current_trace.set(ROOT)
        assert traced.begin().parent_id == ROOT.span_id
        current_trace.reset(token)
        traced.remember("req_1", TRACE)
        known = request_id.set("req_1")
        assert traced.begin().parent_id == TRACE.span_id
        request_id.reset(known)
        for number in range(3000):
            traced.remember(f"req_{number}", ROOT)
        assert len(traced._recent) <= 2000
        made.close(0.1)
