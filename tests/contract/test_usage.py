"""Usage events on either database: one a request, none lost and none twice, summed and forgotten in time."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection, select, text

from corral.dialects.form import Usage
from corral.inference.types import Ask, Attempt, Record
from corral.inference.usage import UsageLog, UsageOptions
from corral.inference.usage.events import event_of
from corral.inference.usage.metrics import gathered
from corral.inference.usage.repository import add
from corral.inference.usage.tables import usage_events as table
from corral.kit.errors import InvalidRequest
from corral.monitoring.metrics.exposition import metric
from corral.providers.types import Prices
from corral.store import Database, Location
from tests.support.clock import ManualClock
from tests.support.waiting import eventually

numbers = itertools.count()


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    url = request.getfixturevalue("postgres").database() if request.param == "postgresql" else None
    made = await Database.open(Location(tmp_path / f"u{next(numbers)}" / "corral.db", url))
    yield made
    await made.close()


def record(
    clock: ManualClock, *, user: str = "ana", model: str = "large", prices: Prices | None = None, **more: Any
) -> Record:
    now = clock.monotonic()
    ask = Ask("chat", "openai_chat", "chat", b"{}", stream=True, request_id="req_1")
    attempt = Attempt(
        "dear", model, "first", now - 2, "openai_chat", "main", now - 1.5, now, "completed",
        usage=Usage(100, 50, cached_tokens=20), prices=prices,
    )  # fmt: skip
    values = {"outcome": "completed", "first_content": now - 1.5, "ended": now, **more}
    made = Record(user, ask, now - 2, route="chat", attempts=[attempt])
    for name, value in values.items():
        setattr(made, name, value)
    return made


async def rows(database: Database) -> list[Any]:
    def work(connection: Connection) -> list[Any]:
        return list(connection.execute(select(table).order_by(table.c.at, table.c.id)))

    return await database.read(work)


async def test_an_event_tells_all_of_a_request(database: Database) -> None:
    clock = ManualClock()
    await clock.advance(100)
    log = UsageLog(database, clock)
    made = record(clock, prices=Prices(10.0, 30.0, cached_input=1.0), key_id="k1", cache="miss")
    failed = Attempt("cheap", "small", "first", made.began, error="upstream_failed", outcome="failed")
    made.attempts.insert(0, failed)
    log.record(made)
    await log.stop()
    [row] = await rows(database)
    assert (row.user_id, row.key_id, row.route, row.provider, row.model) == ("ana", "k1", "chat", "dear", "large")
    assert (row.operation, row.dialect, row.stream, row.request_id) == ("chat", "openai_chat", True, "req_1")
    assert (row.prompt_tokens, row.completion_tokens, row.cached_tokens) == (100, 50, 20)
    # 80 at 10, 20 at 1 and 50 at 30 dollars a million.
    assert row.cost == 2_320_000
    assert (row.first_content_ms, row.duration_ms, row.outcome, row.cache, row.attempts) == (
        500,
        2000,
        "completed",
        "miss",
        2,
    )
    assert row.at == int(clock.now().timestamp() * 1000) - 2000
    assert '"error":"upstream_failed"' in row.tried


async def test_a_cost_that_is_not_known_is_not_zero(database: Database) -> None:
    clock = ManualClock()
    log = UsageLog(database, clock)
    log.record(record(clock))
    log.record(record(clock, prices=Prices(1.0, 1.0)))
    own = record(clock)
    own.attempts[0].provider = "local"
    log.record(own)
    told = await log.sums(group="none")
    assert [row.cost for row in await rows(database)] == [None, 150_000, 0]
    assert told["rows"][0]["unpriced"] == 1
    assert told["rows"][0]["cost"] == pytest.approx(0.00015)


async def test_they_are_written_in_the_background_and_at_the_end(database: Database) -> None:
    clock = ManualClock()
    log = UsageLog(database, clock)
    log.start()
    await eventually(lambda: clock.sleepers == 2)
    for _ in range(1234):
        log.record(record(clock))
    assert log.waiting == 1234
    assert await rows(database) == []
    await clock.advance(1)
    await eventually(lambda: log.waiting == 0)
    assert len(await rows(database)) == 1234
    for _ in range(7):
        log.record(record(clock))
    await log.stop()
    assert len(await rows(database)) == 1241


async def test_an_event_that_is_written_again_is_there_once(database: Database) -> None:
    clock = ManualClock()
    first, second = (
        event_of(record(clock), record(clock).answered_by, f"use_{number}", 1_000_000) for number in range(2)
    )
    await database.write(lambda connection: add(connection, [first]))
    await database.write(lambda connection: add(connection, [first, second]))
    assert {row.id for row in await rows(database)} == {first[0], second[0]}


async def test_a_database_that_is_away_holds_up_nobody_and_memory_is_bounded(database: Database) -> None:
    clock = ManualClock()
    log = UsageLog(database, clock, UsageOptions(waiting=100))
    await database.write(
        lambda connection: connection.execute(text("ALTER TABLE usage_events RENAME TO gone")) and None
    )
    for _ in range(150):
        log.record(record(clock))
    await log._write_all()
    assert (log.waiting, log.lost) == (100, 50)
    await database.write(
        lambda connection: connection.execute(text("ALTER TABLE gone RENAME TO usage_events")) and None
    )
    await log.stop()
    assert len(await rows(database)) == 100


async def test_sums_by_model_hour_and_user(database: Database) -> None:
    clock = ManualClock()
    log = UsageLog(database, clock)
    priced = Prices(10.0, 10.0)
    await clock.advance(3600)
    for number in range(6):
        log.record(
            record(clock, user="bob" if number == 5 else "ana", model="large" if number % 3 else "small", prices=priced)
        )
        await clock.advance(1800)
    log.record(record(clock, prices=priced, outcome="failed", error="upstream_failed"))
    log.record(record(clock, prices=priced, outcome="cancelled"))
    saved = record(clock, cache="hit")
    saved.attempts = []
    log.record(saved)
    told = await log.sums()
    by = {row["model"]: row for row in told["rows"]}
    assert set(by) == {"large", "small", None}
    assert (by["large"]["requests"], by["large"]["failed"], by["large"]["cancelled"]) == (6, 1, 1)
    assert by["large"]["promptTokens"] == 600
    assert by["large"]["cost"] == pytest.approx(6 * 0.0015)
    assert by["large"]["durationMs"] == 2000.0
    assert by[None]["fromCache"] == 1
    hours = await log.sums(group="none", step="hour")
    assert [row["requests"] for row in hours["rows"]] == [4, 2, 2, 1]
    assert hours["rows"][0]["at"] == "2026-01-01T03:00:00.000Z"
    assert [row["userId"] for row in (await log.sums(group="user"))["rows"]] == ["ana", "bob"]
    assert (await log.sums(group="route", user_id="bob"))["rows"][0]["requests"] == 1
    later = clock.now() + timedelta(hours=1)
    assert (await log.sums(start=later, end=later + timedelta(hours=1)))["rows"] == []


@pytest.mark.parametrize(
    "wrong", [{"group": "colour"}, {"step": "year"}, {"start": ManualClock().now() + timedelta(days=9)}]
)
async def test_what_cannot_be_summed_is_named(database: Database, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await UsageLog(database, ManualClock()).sums(**wrong)
    assert refused.value.param in ("by", "step", "from")


async def test_old_events_are_forgotten(database: Database) -> None:
    clock = ManualClock()
    log = UsageLog(database, clock, UsageOptions(days=2))
    log.record(record(clock, model="old"))
    await clock.advance(86_400)
    log.record(record(clock, model="new"))
    await log._write_all()
    await clock.advance(86_400 + 60)
    log.start()

    async def left() -> bool:
        return [row.model for row in await rows(database)] == ["new"]

    await eventually(left)
    await log.stop()


async def test_totals_are_metrics(database: Database) -> None:
    clock = ManualClock()
    log = UsageLog(database, clock)
    log.record(record(clock, prices=Prices(10.0, 10.0), cache="miss"))
    log.record(record(clock, model='a "b"\\c', outcome="failed"))
    told = "".join(metric(*one) for one in gathered(log.totals, log.lost, log.waiting))
    found = {
        (sample.name, sample.labels.get("model")): sample.value
        for family in text_string_to_metric_families(told)
        for sample in family.samples
    }
    assert found["corral_gateway_requests_total", "large"] == 1
    assert found["corral_gateway_requests_failed_total", 'a "b"\\c'] == 1
    assert found["corral_provider_cost_dollars_total", "large"] == pytest.approx(0.0015)
    assert found["corral_provider_prompt_tokens_total", "large"] == 100
    assert found["corral_usage_events_waiting", None] == 2
    assert ("corral_gateway_cache_total", None) in found


async def test_totals_are_bounded() -> None:
    from corral.inference.usage.totals import MOST, Totals

    clock, totals = ManualClock(), Totals()
    for number in range(2 * MOST):
        one = record(clock, model=f"m{number}")
        totals.add(one, one.answered_by)
    assert len(totals.models) == MOST + 1
    assert totals.models["other", "other"].requests == MOST


async def test_totals_are_told_by_the_name_that_is_asked_for() -> None:
    from corral.inference.usage.totals import Totals

    clock, totals = ManualClock(), Totals()
    own, failed = record(clock), record(clock, outcome="failed")
    own.attempts[0].provider = "local"
    for one in (own, failed, record(clock)):
        totals.add(one, one.answered_by)
    assert totals.told() == {
        "large": {"requests": 1, "failures": 0, "promptTokens": 100, "completionTokens": 50},
        "dear/large": {"requests": 2, "failures": 1, "promptTokens": 200, "completionTokens": 100},
    }


async def test_what_comes_while_rows_are_written_waits_for_the_next_time(database: Database) -> None:
    clock = ManualClock()
    writes = 0

    class Slow:
        async def write(self, work: Any) -> Any:
            nonlocal writes
            writes += 1
            log.record(record(clock))
            return await database.write(work)

    log = UsageLog(cast("Database", Slow()), clock)
    log.record(record(clock))
    await log._write_all()
    assert (writes, log.waiting, len(await rows(database))) == (1, 1, 1)
