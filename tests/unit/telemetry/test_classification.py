"""The table of errors: nothing that the code can tell is without a row, and rows say what the code does."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import corral
from corral.engines.policy import _REASONS
from corral.kit.errors import CorralError, EngineFailed, InternalError, QuotaExhausted
from corral.telemetry.classification import (
    BROWSER_ROWS,
    ENGINE_ROWS,
    ROWS,
    SERVER_ROWS,
    STRATEGIES,
    Actor,
    Row,
    Severity,
    Strategy,
    classify,
    row_of,
)

SOURCE = Path(corral.__file__).parent


def kinds() -> Iterator[type[CorralError]]:
    """Every kind of error, wherever it is defined."""
    for found in pkgutil.walk_packages([str(SOURCE)], "corral."):
        if ".migrations" not in found.name:
            importlib.import_module(found.name)
    waiting: list[type[CorralError]] = [CorralError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith("corral."):
            yield kind


def engine_codes() -> set[str]:
    """The first argument of every `EngineProblem` that is made, and the reasons that its last lines can tell."""
    found = {name for _, name, _ in _REASONS}
    for path in (SOURCE / "engines").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "EngineProblem":
                first = node.args[0]
                found |= {str(first.value)} if isinstance(first, ast.Constant) else set()
    return found


def test_every_error_of_the_code_has_a_row() -> None:
    known = {row.code for row in SERVER_ROWS}
    found = {kind.code for kind in kinds()}
    assert len(found) > 30
    assert found - known == set()
    assert known - found == set()


def test_every_reason_of_an_engine_has_a_row() -> None:
    codes = engine_codes()
    assert {"crashed", "out_of_memory", "no_room"} <= codes
    assert {f"engine.{code}" for code in codes} == {row.code for row in ENGINE_ROWS}


@pytest.mark.parametrize("row", [*SERVER_ROWS, *ENGINE_ROWS], ids=lambda row: row.code)
def test_rows_of_the_server_say_what_the_code_says(row: Row) -> None:
    assert row.kind is not None
    assert row.retry == row.kind.retryable
    assert row.recoverable == row.kind.retryable
    assert row.status == row.kind.status


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_a_row_is_whole(row: Row) -> None:
    assert row.steps
    strategies = [step.strategy for step in row.steps]
    assert len(set(strategies)) == len(strategies)
    for step in row.steps:
        assert 1 <= step.tries <= 20
        assert 0 <= step.pause <= max(step.pause, step.longest) <= 60
    for text in (row.message, row.action):
        assert text.endswith(".")
        assert 10 < len(text) < 160
    assert row.recoverable or any(step.actor is Actor.PERSON for step in row.steps)


def test_codes_are_unique_and_those_of_the_browser_their_own() -> None:
    codes = [row.code for row in ROWS]
    assert len(set(codes)) == len(codes)
    assert all(row.kind is None for row in BROWSER_ROWS)
    assert set(STRATEGIES) == set(Strategy)
    assert {step.strategy for row in ROWS for step in row.steps} == set(Strategy)


def test_classify() -> None:
    assert classify(QuotaExhausted("no")).code == "provider_quota_exhausted"
    assert classify(KeyError("x")).code == "internal"
    assert classify(InternalError("x")).severity is Severity.CRITICAL
    assert classify(EngineFailed("x", details={"code": "out_of_memory"})).code == "engine.out_of_memory"
    assert classify(EngineFailed("x", details={"code": "from elsewhere"})).code == "engine_failed"
    assert classify(EngineFailed("x")).code == "engine_failed"
    assert row_of("nonsense").code == "internal"
    assert row_of("overloaded").facts == {
        "code": "overloaded", "type": "limit", "severity": "medium", "recoverable": True,
    }  # fmt: skip
