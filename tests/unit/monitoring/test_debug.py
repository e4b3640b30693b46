"""Profiles of our own process, and the recovery that a request's attempts tell."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from corral.dialects.form import Timings, Usage
from corral.inference.recent import RecentRequests, spans_of
from corral.inference.types import Ask, Attempt, Record
from corral.kit.errors import Conflict, InvalidRequest
from corral.monitoring.debug.profiling import MAX_DEPTH, MAX_NODES, Profiler, Taking, place_of
from corral.telemetry.failures import Failures
from tests.support.clock import ManualClock


def burn(stop: threading.Event) -> None:
    """Uses the processor."""
    while not stop.is_set():
        sum(number * number for number in range(2000))


def names(node: dict[str, Any]) -> set[str]:
    found = {node["name"]}
    for child in node["children"]:
        found |= names(child)
    return found


async def test_a_profile_finds_who_uses_the_processor() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=burn, args=(stop,), name="burner", daemon=True)
    thread.start()
    profiler = Profiler()
    try:
        taking = asyncio.create_task(profiler.profile(1.5, 100))
        await asyncio.sleep(0)
        with pytest.raises(Conflict):
            await profiler.profile(1.0)
        told = await taking
    finally:
        stop.set()
        thread.join()
    assert "burn" in names(told["tree"])
    burner = next(one for one in told["threads"] if one["name"] == "burner")
    assert burner["wallMs"] > 0
    if told["processorTimes"]:
        assert burner["cpuMs"] >= max(one["cpuMs"] for one in told["threads"])
        assert any("genexpr" in one["name"] or one["name"] == "burn" for one in told["functions"][:5])
    for wrong in ({"seconds": 0.0}, {"seconds": 31.0}, {"rate": 0}, {"rate": 251}):
        with pytest.raises(InvalidRequest):
            await profiler.profile(**wrong)


def test_a_profile_is_bounded_in_depth_and_size() -> None:
    taking = Taking(0.01, threading.Event())
    looked = threading.Event()
    go_on = threading.Event()

    def deep(left: int) -> None:
        if left:
            deep(left - 1)
            return
        looked.set()
        go_on.wait(30)

    thread = threading.Thread(target=deep, args=(300,), name="deep", daemon=True)
    thread.start()
    looked.wait(30)
    taking._look(0.0)
    taking._look(0.01)
    go_on.set()
    thread.join()
    node, depth = taking.told(100)["tree"], 0
    node = next(one for one in node["children"] if one["name"] == "deep")
    while node["children"]:
        node, depth = node["children"][0], depth + 1
    assert depth <= MAX_DEPTH
    assert node["name"].startswith("(what is deeper")
    assert taking._nodes <= MAX_NODES


def test_files_are_told_without_what_only_this_machine_knows() -> None:
    assert place_of("/home/me/.venv/lib/python3.11/site-packages/fastapi/routing.py") == "fastapi/routing.py"
    assert place_of(__file__.replace("tests", "elsewhere")).count("/") == 0


def attempt(**more: Any) -> Attempt:
    given: dict[str, Any] = {"outcome": "completed", "ended": 4.0, **more}
    return Attempt(given.pop("provider", "local"), "m", given.pop("kind", "first"), 1.0, **given)


def kept(*attempts: Attempt, **more: Any) -> tuple[RecentRequests, Failures]:
    failures = Failures()
    requests = RecentRequests(ManualClock(), failures)
    given: dict[str, Any] = {"outcome": "completed", "ended": 5.0, "route": "r", **more}
    ask = Ask("chat", "openai_chat", "r", b"the prompt", True, {"authorization": "Bearer s"}, "req-1")
    requests.record(Record("u", ask, 0.5, attempts=list(attempts), **given))
    return requests, failures


def test_an_engines_own_timings_lie_within_its_span() -> None:
    usage = Usage(7, 20, timings=Timings(500.0, 1500.0, 7, 20))
    requests, failures = kept(attempt(placed=1.5, usage=usage, first_content=2.6))
    [one] = requests.of("req-1")
    spans = {span.name: span for span in spans_of(one, lambda at: int((at or 9.0) * 1e9))}
    assert list(spans) == [
        "route r",
        "first attempt: m",
        "wait for a slot",
        "engine m",
        "read the prompt",
        "write the answer",
    ]
    engine, read, wrote = spans["engine m"], spans["read the prompt"], spans["write the answer"]
    assert (engine.start, read.start, read.end, wrote.end, engine.end) == (1.5e9, 2e9, 2.5e9, 4e9, 4e9)
    assert read.trace.parent_id == wrote.trace.parent_id == engine.trace.span_id
    assert engine.attributes["tokensPerSecond"] == 13.3
    assert failures.recent() == []
    again = {span.trace.span_id for span in requests.spans(one)}
    assert again == {span.trace.span_id for span in requests.spans(one)}, "ids are the same whenever somebody looks"
    assert "prompt" not in repr(one).replace("prompt_", "") and "Bearer" not in repr(one)
    figures = {one.name: one.value for one in requests.samples()}
    assert figures["inference.queue"] == 500.0
    assert figures["inference.request"] == 4500.0


def test_what_was_done_about_a_failure_is_told() -> None:
    failed = attempt(provider="cloud", outcome="failed", error="upstream_failed", message="they said: the prompt")
    _, failures = kept(failed, attempt(kind="failover"))
    [one] = failures.recent()
    assert (one.code, one.recovery, one.message) == ("upstream_failed", "failover", "")
    assert one.about == {"route": "r", "provider": "cloud", "model": "m", "attempt": "first"}
    _, failures = kept(failed, outcome="failed", error="upstream_failed")
    assert failures.recent()[0].recovery == ""
    _, failures = kept(outcome="failed", error="model_not_found")
    assert failures.recent()[0].code == "model_not_found"


def test_what_is_kept_is_bounded_time_after_time() -> None:
    requests = RecentRequests(ManualClock())
    began = time.perf_counter()
    for number in range(5000):
        ask = Ask("chat", "openai_chat", "r", b"", request_id=f"r{number}")
        requests.record(Record("u", ask, 0.0, outcome="completed", ended=1.0))
    assert len(requests.recent(10_000)) == 2000
    assert requests.of("r0") == []
    assert (time.perf_counter() - began) / 5000 < 0.001
