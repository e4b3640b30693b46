"""The building blocks without domain words."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.kit import errors, faultpoints
from corral.kit.clock import iso
from corral.kit.ids import IdMaker, new_request_id
from corral.kit.rendering import render_api, render_openai
from corral.kit.rings import LineRing
from corral.kit.tasks import Tasks
from tests.support.clock import ManualClock


def every_error() -> list[type[errors.CorralError]]:
    found: list[type[errors.CorralError]] = []
    todo = [errors.CorralError]
    while todo:
        kind = todo.pop()
        found.append(kind)
        todo += kind.__subclasses__()
    return found


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_renders_in_every_dialect(kind: type[errors.CorralError]) -> None:
    error = kind("what and what to do", details={"n": 1}, param="field")
    assert 400 <= error.status < 600
    assert error.code == error.code.lower()
    assert render_api(error, "req_1") == {
        "error": {"code": error.code, "message": "what and what to do", "details": {"n": 1, "field": "field"}},
        "requestId": "req_1",
    }
    inner = render_openai(error)["error"]
    assert {"message", "type", "param", "code"} <= set(inner)
    assert inner["n"] == 1


def test_ids_increase_strictly_and_are_26_letters() -> None:
    make = IdMaker()
    made = [make("agt") for _ in range(5000)]
    assert made == sorted(set(made))
    assert {len(one) for one in made} == {30}
    assert new_request_id() != new_request_id()


async def test_a_crashed_task_is_logged_with_its_name_and_owner(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks("owner")

    async def crash() -> None:
        raise ValueError("boom")

    task = tasks.start("crash", crash())
    await asyncio.wait([task])
    assert "owner:crash" in caplog.text
    assert "boom" in caplog.text
    assert tasks.names() == []


async def test_stop_cancels_all_and_refuses_new_ones() -> None:
    tasks = Tasks("owner")
    task = tasks.start("wait", asyncio.Event().wait())
    assert tasks.names() == ["owner:wait"]
    await tasks.stop()
    assert task.cancelled()
    with pytest.raises(RuntimeError, match="stopping"):
        tasks.start("late", asyncio.sleep(0))


async def test_a_task_that_will_not_stop_is_named(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks("owner")
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    task = tasks.start("stubborn", stubborn())
    await asyncio.sleep(0)
    await tasks.stop(grace=0.01)
    assert "owner:stubborn did not stop" in caplog.text
    release.set()
    await asyncio.wait([task])


@given(st.lists(st.text(max_size=50), max_size=80))
def test_a_ring_keeps_the_newest_within_its_bounds(lines: list[str]) -> None:
    ring = LineRing(max_lines=10, max_chars=200, max_line=20)
    for line in lines:
        ring.append(line)
    kept = ring.tail()
    assert len(kept) <= 10
    assert sum(map(len, kept)) <= 200
    cut = [line if len(line) <= 20 else line[:20] + "…" for line in lines]
    assert kept == cut[len(cut) - len(kept) :]
    assert ring.tail(3) == kept[-3:]
    assert ring.tail(0) == []


def test_times_on_the_wire_are_utc_with_milliseconds() -> None:
    assert iso(datetime(2026, 1, 2, 3, 4, 5, 678999, tzinfo=UTC)) == "2026-01-02T03:04:05.678Z"


async def test_the_manual_clock_wakes_sleepers_in_order() -> None:
    clock = ManualClock()
    woken: list[str] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("late", 2))
        group.create_task(sleeper("early", 1))
        await asyncio.sleep(0)
        await clock.advance(1.5)
        assert woken == ["early"]
        await clock.advance(1)
    assert woken == ["early", "late"]


@pytest.mark.parametrize("spec", ["", ":2", "name:0", "name:x"])
def test_a_bad_fault_point_is_refused(spec: str) -> None:
    with pytest.raises(ValueError):
        faultpoints.arm(spec)


def test_a_fault_point_ends_the_process_the_nth_time() -> None:
    code = (
        "from corral.kit.faultpoints import arm, reach\n"
        "arm('here:2'); reach('there'); reach('here'); print('once', flush=True); reach('here'); print('twice')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-9, "once\n")
