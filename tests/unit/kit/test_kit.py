"""The building blocks without domain words."""

from __future__ import annotations

import asyncio
import itertools
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
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
        # Other rooms have errors of their own; which of them are imported depends on the other tests.
        if kind.__module__ == errors.__name__:
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
    asked = [new_request_id() for _ in range(1000)]
    assert len(set(asked)) == 1000
    assert all(re.fullmatch("req_[0-9a-f]{20}", one) for one in asked)


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


TABLE = {
    "CorralError": (500, "internal", False),
    "InternalError": (500, "internal", False),
    "InvalidRequest": (400, "invalid_request", False),
    "ContextExceeded": (400, "context_length_exceeded", False),
    "Unauthorized": (401, "unauthorized", False),
    "Forbidden": (403, "forbidden", False),
    "NotFound": (404, "not_found", False),
    "ModelNotFound": (404, "model_not_found", False),
    "MethodNotAllowed": (405, "method_not_allowed", False),
    "RequestTimeout": (408, "request_timeout", True),
    "Conflict": (409, "conflict", False),
    "IdempotencyConflict": (409, "idempotency_conflict", False),
    "ConfigRefused": (409, "config_refused", False),
    "Gone": (410, "gone", False),
    "ModelVersionGone": (410, "model_version_gone", False),
    "PreconditionFailed": (412, "precondition_failed", False),
    "PayloadTooLarge": (413, "payload_too_large", False),
    "UnsupportedMedia": (415, "unsupported_media_type", False),
    "RangeNotSatisfiable": (416, "range_not_satisfiable", False),
    "Misdirected": (421, "misdirected_request", False),
    "FieldsInvalid": (422, "fields_invalid", False),
    "TooManyRequests": (429, "overloaded", True),
    "ContentFiltered": (400, "content_filtered", False),
    "RateLimited": (429, "rate_limit_exceeded", True),
    "BudgetExceeded": (429, "budget_exceeded", True),
    "PriceUnknown": (429, "price_unknown", False),
    "SecretUnreadable": (500, "secret_unreadable", False),
    "ProviderRefused": (502, "provider_refused", False),
    "QuotaExhausted": (502, "provider_quota_exhausted", False),
    "Unreachable": (502, "upstream_failed", True),
    "UpstreamOverloaded": (503, "upstream_overloaded", True),
    "EngineFailed": (502, "engine_failed", True),
    "UpstreamFailed": (502, "upstream_failed", True),
    "Unavailable": (503, "unavailable", True),
    "ShuttingDown": (503, "shutting_down", True),
    "Interrupted": (503, "interrupted", True),
    "StorageUnavailable": (503, "storage_unavailable", True),
    "OutputInvalid": (502, "output_invalid", True),
    "UpstreamTimeout": (504, "upstream_timeout", True),
    "StorageFull": (507, "storage_full", True),
}
"""What clients rely on; a change here is a change of the interface."""


def test_status_code_and_retry_of_every_error_are_as_promised() -> None:
    found = {kind.__name__: (kind.status, kind.code, kind.retryable) for kind in every_error()}
    assert {name: found[name] for name in TABLE} == TABLE
    assert {name for name in found if getattr(errors, name, None)} == set(TABLE)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (errors.InvalidRequest, "invalid_request_error"),
        (errors.Unauthorized, "authentication_error"),
        (errors.Forbidden, "permission_error"),
        (errors.ModelNotFound, "not_found_error"),
        (errors.PayloadTooLarge, "invalid_request_error"),
        (errors.TooManyRequests, "rate_limit_error"),
        (errors.UpstreamFailed, "server_error"),
    ],
)
def test_openai_clients_are_told_the_type_they_know(kind: type[errors.CorralError], told: str) -> None:
    assert render_openai(kind("x"))["error"]["type"] == told


def test_details_never_replace_the_fields_of_an_error() -> None:
    error = errors.InvalidRequest("true", details={"message": "false", "code": "false", "type": "false"})
    inner = render_openai(error)["error"]
    assert (inner["message"], inner["code"], inner["type"]) == ("true", "invalid_request", "invalid_request_error")


def test_ids_of_many_threads_are_all_different_and_ordered_in_each() -> None:
    make = IdMaker()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: [make("t") for _ in range(500)], range(8)))
    assert all(one == sorted(one) for one in made)
    assert len({name for one in made for name in one}) == 4000


def test_ids_increase_when_the_clock_goes_back_and_cannot_be_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    make = IdMaker()
    times = iter([2_000_000_000, 1_000_000_000, *[1_000_000_000] * 50])
    monkeypatch.setattr("corral.kit.ids.time.time_ns", lambda: next(times))
    made = [make("t") for _ in range(50)]
    assert made == sorted(set(made))
    # The steps between ids of one millisecond are themselves random.
    letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    ends = [sum(letters.index(one) << 5 * place for place, one in enumerate(reversed(name[-8:]))) for name in made]
    assert len({after - before for before, after in itertools.pairwise(ends)}) > 40


def test_ids_of_two_makers_share_nothing_but_the_time() -> None:
    ends = {IdMaker()("t")[-16:] for _ in range(1000)}
    assert len(ends) == 1000
