"""OpenTelemetry (ML-15): what a collector gets of requests through a running server, and that nobody waits for it."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from corral.kit.trace import new_span_id, new_trace_id
from tests.support.collector import FakeCollector, fake_collector
from tests.support.gateway import LOCAL, Gateway, gateway
from tests.support.waiting import eventually
from tests.support.wire_clients import PATHS, Call, body_of, told_text

ROUTE = '[routes.two]\ncandidates = ["openai/a", "anthropic/b"]\n'
TOKENS = [f"word{number} " for number in range(20)]


@pytest.fixture(scope="module")
def collector() -> Iterator[FakeCollector]:
    with fake_collector() as made:
        yield made


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, collector: FakeCollector) -> Iterator[Gateway]:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=tests%20here",
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "OTEL_SERVICE_NAME": "corral-of-tests",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=tests",
    }
    with gateway(tmp_path_factory.mktemp("otel"), ROUTE, kinds=("openai", "anthropic"), **environ) as made:
        yield made


class Traced:
    """A client's trace."""

    def __init__(self, *, sampled: bool = True) -> None:
        self.trace_id, self.span_id = new_trace_id(), new_span_id()
        self.headers = {"traceparent": f"00-{self.trace_id}-{self.span_id}-0{int(sampled)}", "tracestate": "them=1"}

    async def spans(self, collector: FakeCollector, count: int) -> list[dict[str, Any]]:
        """All of it, once there are `count`."""
        return list(
            await eventually(lambda: (found := collector.spans(self.trace_id)) and len(found) >= count and found)
        )


def ask(gate: Gateway, dialect: str, model: str, trace: Traced, *, stream: bool, **more: Any) -> bytes:
    call = Call(
        gate.server.url, PATHS[dialect], body_of(dialect, model, "ping", stream=stream, **more), **trace.headers
    )
    body = call.read()
    assert call.status == 200, body
    return body


def by_name(spans: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {span["name"]: span for span in spans}


async def test_a_continued_answer_is_one_trace_from_the_client_to_both_providers(
    traced: Gateway, collector: FakeCollector
) -> None:
    usage = {"prompt": 7, "completion": 20, "cached": 3}
    traced.providers["openai"].script({"tokens": TOKENS, "after": 8, "then": "reset"})
    traced.providers["anthropic"].script({"tokens": TOKENS, "usage": usage})
    trace = Traced()
    told = ask(traced, "openai_chat", "two", trace, stream=True, temperature=0.25, max_tokens=500)
    assert told_text("openai_chat", told, stream=True) == "".join(TOKENS)
    spans = await trace.spans(collector, 4)
    found = by_name(spans)
    server, route = found["POST /v1/chat/completions"], found["route two"]
    failed, went_on = found["chat a"], found["chat b"]
    assert len(spans) == 4
    assert server["parentSpanId"] == trace.span_id
    assert route["parentSpanId"] == server["spanId"]
    assert failed["parentSpanId"] == went_on["parentSpanId"] == route["spanId"]
    assert [one["kind"] for one in (server, route, failed)] == [2, 1, 3]
    # The providers were told which call of the trace theirs was.
    for kind, span in (("openai", failed), ("anthropic", went_on)):
        [seen] = traced.providers[kind].seen()
        assert seen["headers"]["traceparent"] == f"00-{trace.trace_id}-{span['spanId']}-01"
        assert seen["headers"]["tracestate"] == "them=1"
    assert failed["status"] == {"message": "upstream_failed", "code": 2}
    assert failed["attributes"].items() >= {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "a", "error.type": "upstream_failed",
        "server.address": "127.0.0.1", "server.port": traced.providers["openai"].port, "corral.attempt.kind": "first",
        "gen_ai.request.temperature": 0.25, "gen_ai.request.max_tokens": 500, "gen_ai.request.stream": True,
    }.items()  # fmt: skip
    assert went_on["attributes"].items() >= {
        "gen_ai.provider.name": "anthropic", "gen_ai.request.model": "b", "corral.attempt.kind": "continuation",
        "gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 20, "gen_ai.usage.cache_read.input_tokens": 3,
    }.items()  # fmt: skip
    assert (
        route["attributes"].items()
        >= {"corral.route": "two", "corral.outcome": "completed", "corral.attempts": 2}.items()
    )
    assert (
        server["attributes"].items() >= {"http.route": "/v1/chat/completions", "http.response.status_code": 200}.items()
    )
    assert server["attributes"]["corral.request_id"] == route["attributes"]["corral.request_id"]
    assert (
        server["resource"].items()
        >= {"service.name": "corral-of-tests", "deployment.environment.name": "tests"}.items()
    )
    # Each lies within the one that it belongs to.
    for outer, inner in ((server, route), (route, failed), (route, went_on)):
        assert int(outer["startTimeUnixNano"]) <= int(inner["startTimeUnixNano"]) + 1000
        assert int(inner["endTimeUnixNano"]) <= int(outer["endTimeUnixNano"]) + 1000
    assert all("word" not in json.dumps(span) and "ping" not in json.dumps(span) for span in spans), (
        "nothing that was said"
    )
    assert collector.seen()["requests"][0]["headers"]["x-tenant"] == "tests here"


async def test_an_own_engine_and_an_agents_turn(traced: Gateway, collector: FakeCollector) -> None:
    trace = Traced()
    ask(traced, "anthropic", LOCAL, trace, stream=True)
    found = by_name(await trace.spans(collector, 4))
    engine, attempt = found[f"engine {LOCAL}"], found[f"chat {LOCAL}"]
    assert engine["parentSpanId"] == attempt["spanId"]
    assert engine["attributes"]["corral.queue.seconds"] >= 0
    assert attempt["attributes"]["gen_ai.provider.name"] == "corral"
    assert attempt["attributes"]["gen_ai.usage.output_tokens"] > 0
    turn = Traced()
    status, _ = traced.server.ask("POST", "/api/chat", {"message": "ping", "userId": "otel"}, turn.headers)
    assert status == 200

    def whole() -> Any:
        found = by_name(collector.spans(turn.trace_id))
        return {f"route {LOCAL}", "POST /api/chat", "turn", "commit the message"} <= found.keys() and found

    found = await eventually(whole)
    asked = found["POST /api/chat"]
    assert asked["parentSpanId"] == turn.span_id
    assert found["commit the message"]["parentSpanId"] == found["turn"]["parentSpanId"] == asked["spanId"]
    assert found[f"route {LOCAL}"]["parentSpanId"] == found["turn"]["spanId"]


async def test_who_does_not_want_it_written_down_is_obeyed(traced: Gateway, collector: FakeCollector) -> None:
    traced.providers["openai"].script({"text": "so"})
    quiet, loud = Traced(sampled=False), Traced()
    ask(traced, "openai_chat", "openai/a", quiet, stream=False)
    [seen] = traced.providers["openai"].seen()
    assert seen["headers"]["traceparent"].startswith(f"00-{quiet.trace_id}-")
    assert seen["headers"]["traceparent"].endswith("-00")
    ask(traced, "openai_chat", "openai/a", loud, stream=False)
    await loud.spans(collector, 3)
    assert collector.spans(quiet.trace_id) == []


async def test_a_header_that_is_none_begins_a_new_trace_and_errors_are_spans(
    traced: Gateway, collector: FakeCollector
) -> None:
    traced.providers["openai"].script({"status": 500, "message": "secret words of the provider"})
    body = body_of("openai_chat", "openai/broken", "ping", stream=False)
    headers = {"traceparent": "00-junk", "x-request-id": "req-of-mine"}
    status, _ = traced.server.ask("POST", "/v1/chat/completions", body, headers)
    assert status == 502

    def mine() -> list[dict[str, Any]]:
        return [one for one in collector.seen()["spans"] if one["attributes"].get("corral.request_id") == "req-of-mine"]

    found = by_name(await eventually(lambda: len(mine()) >= 2 and mine()))
    server = found["POST /v1/chat/completions"]
    assert "parentSpanId" not in server
    assert server["attributes"].items() >= {"http.response.status_code": 502, "error.type": "502"}.items()
    assert found["route openai/broken"]["attributes"]["error.type"] == "upstream_failed"
    assert "secret words" not in json.dumps(collector.spans(server["traceId"]))


async def test_lines_of_the_log_bear_the_trace_and_the_requests_id(traced: Gateway, collector: FakeCollector) -> None:
    trace = Traced()
    route = {"version": 0, "changes": {"candidates": ["openai/a"]}}
    status, told = traced.server.ask("PUT", "/api/routes/told-in-the-log", route, trace.headers)
    assert status in (200, 201), told
    [server] = await trace.spans(collector, 1)

    def line() -> dict[str, Any] | None:
        lines = [
            line
            for path in (traced.server.data / "logs").glob("application-*.log")
            for line in path.read_text().splitlines()
        ]
        return next((json.loads(line) for line in lines if trace.trace_id in line), None)

    found = await eventually(line)
    assert found["fields"]["trace_id"] == trace.trace_id
    assert found["fields"]["span_id"] == server["spanId"]
    assert found["requestId"] == server["attributes"]["corral.request_id"]


async def test_figures_are_reported(traced: Gateway, collector: FakeCollector) -> None:
    traced.providers["openai"].script({"text": "so", "usage": {"prompt": 5, "completion": 1}})
    for _ in range(3):
        ask(traced, "openai_chat", "openai/figures", Traced(), stream=True, stream_options={"include_usage": True})

    def points(name: str) -> list[dict[str, Any]]:
        """The newest report of a figure for this model."""
        reports = [one for one in collector.seen()["metrics"] if one["name"] == name]
        told = reports[-1]["histogram"]["dataPoints"] if reports else []
        return [one for one in told if one["attributes"].get("gen_ai.request.model") == "figures"]

    def counted() -> bool:
        found = points("gen_ai.client.operation.duration")
        return bool(found) and found[0]["count"] == "3"

    await eventually(counted)
    tokens = {one["attributes"]["gen_ai.token.type"]: one for one in points("gen_ai.client.token.usage")}
    assert (tokens["input"]["count"], tokens["input"]["sum"], tokens["output"]["sum"]) == ("3", 15, 3)
    assert tokens["input"]["attributes"]["gen_ai.provider.name"] == "openai"
    assert points("gen_ai.client.operation.time_to_first_chunk")[0]["count"] == "3"
    [served] = [
        one
        for one in [one for one in collector.seen()["metrics"] if one["name"] == "http.server.request.duration"][-1]["histogram"]["dataPoints"]
        if one["attributes"].get("http.route") == "/v1/chat/completions" and one["attributes"]["http.response.status_code"] == 200
    ]  # fmt: skip
    assert int(served["count"]) >= 3


def _load(gate: Gateway, count: int) -> list[float]:
    """How long so many small requests took, eight at a time."""

    def one(_: int) -> float:
        began = time.monotonic()
        ask(gate, "openai_chat", "openai/load", Traced(), stream=False)
        return time.monotonic() - began

    with ThreadPoolExecutor(8) as pool:
        return sorted(pool.map(one, range(count)))


def _metric(gate: Gateway, name: str) -> float:
    with urllib.request.urlopen(gate.server.url + "/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(name))


async def test_a_collector_that_is_slow_or_fails_holds_nobody_up(traced: Gateway, collector: FakeCollector) -> None:
    traced.providers["openai"].script({"text": "so"})
    for script in ({"delay": 2.0}, {"status": 503}, {"hang_up": True}):
        collector.script(**script)
        took = _load(traced, 60)
        assert took[len(took) // 2] < 1.0, script
    collector.script()
    trace = Traced()
    ask(traced, "openai_chat", "openai/after", trace, stream=False)
    await trace.spans(collector, 3)


def test_a_dead_collector_is_counted_and_ends_nothing(tmp_path: Any) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        table = f'[otel]\nendpoint = "http://127.0.0.1:{closed.getsockname()[1]}"\n'
        with gateway(tmp_path, table, kinds=("openai",)) as gate:
            gate.providers["openai"].script({"text": "so"})
            assert len(_load(gate, 40)) == 40
            assert _metric(gate, "corral_otlp_spans_sent_total ") == 0
            began = time.monotonic()
            gate.server.stop()
            assert time.monotonic() - began < 15
            log = "\n".join(path.read_text() for path in (tmp_path / "logs").glob("application-*.log"))
            assert "the OpenTelemetry collector does not take what it is sent" in log


def test_off_is_off(every_provider: Gateway) -> None:
    every_provider.providers["openai"].script({"text": "so"})
    ask(every_provider, "openai_chat", "openai/quiet", Traced(), stream=False)
    [seen] = every_provider.providers["openai"].seen()
    assert not {"traceparent", "tracestate"} & seen["headers"].keys(), "a client's headers stay with us"
    with urllib.request.urlopen(every_provider.server.url + "/metrics", timeout=30) as answer:
        assert b"corral_otlp" not in answer.read()
