"""Errors that were told are counted by what they are; bad ones are written, but a storm of them is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from corral.app.failures import AnswerErrors
from corral.inference.types import Ask, Outcome, Record
from corral.kit.errors import EngineFailed, InternalError, InvalidRequest, StorageFull, TooManyRequests
from corral.telemetry.classification import ErrorLog
from corral.telemetry.classification.noting import QUIET
from tests.support.clock import ManualClock


def lines_of(errors: ErrorLog, *told: Exception) -> list[Any]:
    with capture_logs() as lines:
        for error in told:
            assert isinstance(error, InvalidRequest | EngineFailed | StorageFull | TooManyRequests | InternalError)
            errors.note(error, "http", path="/x")
    return list(lines)


def test_all_are_counted_and_the_bad_ones_written() -> None:
    errors = ErrorLog(ManualClock())
    lines = lines_of(
        errors,
        InvalidRequest("a"),
        TooManyRequests("b"),
        EngineFailed("c", details={"code": "out_of_memory"}),
        StorageFull("d"),
    )
    assert [(one["log_level"], one["code"], one["severity"], one["type"]) for one in lines] == [
        ("warning", "engine.out_of_memory", "high", "engine"),
        ("error", "storage_full", "critical", "storage"),
    ]
    assert lines[0]["recoverable"] is True
    assert (lines[1]["reason"], lines[1]["path"], lines[1]["where"]) == ("d", "/x", "http")
    [(name, kind, _, samples)] = errors.metrics()
    assert (name, kind) == ("corral_errors_total", "counter")
    told = {labels["code"]: (labels["type"], labels["severity"], count) for labels, count in samples}
    assert told == {
        "invalid_request": ("request", "low", 1),
        "overloaded": ("limit", "medium", 1),
        "engine.out_of_memory": ("engine", "high", 1),
        "storage_full": ("storage", "critical", 1),
    }


async def test_a_storm_writes_one_line_a_second_and_says_how_many_it_was() -> None:
    clock = ManualClock()
    errors = ErrorLog(clock)
    assert len(lines_of(errors, *[StorageFull("x")] * 100)) == 1
    await clock.advance(QUIET + 0.1)
    [line] = lines_of(errors, StorageFull("x"))
    assert line["unwritten"] == 99
    assert errors.count("http", "storage_full") == 101


def test_a_fault_of_ours_is_written_where_it_was_caught() -> None:
    errors = ErrorLog(ManualClock())
    assert lines_of(errors, InternalError("x")) == []
    assert errors.count("http", "internal") == 1


@pytest.mark.parametrize(
    ("outcome", "relayed", "request_id", "counted", "written"),
    [
        ("completed", 3, "r", 0, 0),
        ("cancelled", 3, "r", 0, 0),
        ("failed", 0, "r", 1, 0),
        ("failed", 3, "r", 1, 1),
        ("failed", 0, "", 1, 1),
    ],
)
def test_answers_that_failed(outcome: Outcome, relayed: int, request_id: str, counted: int, written: int) -> None:
    errors = ErrorLog(ManualClock())
    record = Record("ann", Ask("chat", "openai_chat", "m", b"{}", request_id=request_id), 0.0, route="m")
    record.outcome, record.relayed, record.error = outcome, relayed, "engine_failed"
    with capture_logs() as lines:
        AnswerErrors(errors).record(record)
    assert errors.count("answer", "engine_failed") == counted
    assert len(lines) == written
    assert json.dumps(lines)
