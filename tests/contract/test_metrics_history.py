"""The history of metrics, on either database: kept, rolled up, pruned, and read as points."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select

from corral.kit.errors import StorageFull
from corral.monitoring.metrics import History
from corral.monitoring.metrics.policy import KEPT, VALUES, Row
from corral.monitoring.metrics.repository import add, prune, roll_up
from corral.monitoring.metrics.tables import metrics_history as table
from corral.monitoring.metrics.types import EngineFigures, HostFigures, ServerFigures, Snapshot
from corral.store import Database, Location
from tests.support.clock import ManualClock

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
START = int(BEGIN.timestamp() * 1000)
numbers = itertools.count()


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    url = request.getfixturevalue("postgres").database() if request.param == "postgresql" else None
    made = await Database.open(Location(tmp_path / f"m{next(numbers)}" / "corral.db", url))
    yield made
    await made.close()


def sample(seconds: float, cpu: float, engine: float | None = None) -> Snapshot:
    engines = () if engine is None else (EngineFigures("m", "busy", 1000, 0.5, engine, 1.0, 1, 2, 0.25, 3, 4),)
    host = HostFigures(cpu, 2, 1000, 2000, (10, 20), None, None, 60)
    return Snapshot(BEGIN + timedelta(seconds=seconds), host, ServerFigures(5000, 0.1, 1, 2, 0), engines)


def row(resolution: int, seconds: int, cpu: float | None, subject: str = "host") -> Row:
    return Row(resolution, subject, START + seconds * 1000, (cpu, *[None] * (len(VALUES) - 1)))


async def put(database: Database, rows: list[Row]) -> None:
    await database.write(partial(add, rows=rows))


async def counts(database: Database) -> dict[int, int]:
    query = select(table.c.resolution, func.count()).group_by(table.c.resolution)
    return await database.read(lambda connection: {one[0]: one[1] for one in connection.execute(query)})


async def test_samples_are_kept_and_read_back_after_a_restart(database: Database) -> None:
    clock = ManualClock()
    history = History(database, clock)
    for number in range(7):
        await history.keep(sample(number * 10, number / 10, None if number < 3 else 5.0))
        await clock.advance(10)
    for again in (history, History(database, clock)):
        found = await again.query("10m")
        assert found["at"] == [START + number * 10_000 for number in range(7)]
        assert found["host"]["cpu"] == [number / 10 for number in range(7)]
        assert found["server"]["rss"] == [5000] * 7
        assert found["engines"]["m"]["tokensPerSecond"] == [None] * 3 + [5.0] * 4
        assert found["engines"]["m"]["kvUse"][-1] == 0.25
        assert (await again.query("10m", "m"))["engines"].keys() == {"m"}
        assert (await again.query("10m", "other"))["engines"] == {}
        for longer in ("1h", "24h", "7d", "30d"):
            told = await again.query(longer)
            assert sum(value is not None for value in told["host"]["cpu"]) >= 1, longer


async def test_roll_ups_are_means_and_follow_each_other(database: Database) -> None:
    rows = [row(10, seconds, seconds / 10) for seconds in range(0, 7200, 10)]
    for start in range(0, 7200, 600):
        part = [one for one in rows if start <= (one.at - START) // 1000 < start + 600]
        await put(database, part)
        await database.write(partial(roll_up, now=START + (start + 600) * 1000))
    query = select(table.c.at, table.c.cpu).where(table.c.resolution == 3600).order_by(table.c.at)
    assert (await counts(database)) == {10: 720, 60: 120, 300: 24, 900: 8, 3600: 2}
    hours = await database.read(lambda connection: [tuple(one) for one in connection.execute(query)])
    assert hours == [(START, pytest.approx(179.5)), (START + 3_600_000, pytest.approx(539.5))]
    await database.write(partial(roll_up, now=START + 7_200_000))
    assert (await counts(database))[60] == 120


async def test_a_restart_rolls_up_what_was_left(database: Database) -> None:
    await put(database, [row(10, seconds, 1.0) for seconds in range(0, 600, 10)])
    clock = ManualClock()
    await clock.advance(700)
    await History(database, clock).keep(sample(700, 0.5))
    found = await counts(database)
    assert found[60] == 10
    assert found[300] == 2
    assert 3600 not in found


async def test_it_stays_within_its_bounds_for_a_month(database: Database) -> None:
    """Whole weeks in long steps: what is there is never more than what is kept."""
    days = 35
    for day in range(days):
        now = START + (day + 1) * 86_400_000
        coarse = [row(3600, day * 86_400 + hour * 3600, 0.5) for hour in range(24)]
        quarters = [row(900, day * 86_400 + step * 900, 0.5) for step in range(96)]
        fine = [row(10, (day + 1) * 86_400 - step * 10, 0.5) for step in range(1, 100)]
        await put(database, [*coarse, *quarters, *fine])
        await database.write(partial(prune, now=now))
    found = await counts(database)
    for resolution, kept in found.items():
        assert kept <= KEPT[resolution] // resolution + 2, resolution
    assert found[3600] == 720


async def test_a_clock_that_was_wrong_leaves_nothing_behind(database: Database) -> None:
    history = History(database, ManualClock())
    await history.keep(sample(400 * 86_400, 0.9))
    await history.keep(sample(0, 0.1))
    await history.keep(sample(0, 0.2))
    await history.keep(sample(300, 0.3))
    query = select(table.c.at).where(table.c.subject == "host", table.c.resolution == 10).order_by(table.c.at)
    assert await database.read(lambda connection: list(connection.scalars(query))) == [START, START + 300_000]


async def test_a_storage_that_is_full_costs_no_sample_in_memory(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    history = History(database, clock)

    async def full(*_: object, **__: object) -> None:
        raise StorageFull("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(database, "write", full)
        await history.keep(sample(0, 0.1))
        await clock.advance(10)
        assert (await history.query("10m"))["host"]["cpu"] == [0.1]
    await history.keep(sample(10, 0.2))
    assert (await history.query("10m"))["host"]["cpu"] == [0.1, 0.2]


async def test_of_many_engines_the_busiest_are_told_and_any_can_be_asked_for(database: Database) -> None:
    engines = [Row(60, f"engine:e{number:02}", START, _tokens(float(number))) for number in range(30)]
    await put(database, [row(60, 0, 0.5), *engines])
    clock = ManualClock()
    await clock.advance(100)
    history = History(database, clock)
    await history.keep(sample(100, 0.5, 0.0))
    told = await history.query("1h")
    assert sorted(told["engines"]) == [f"e{number:02}" for number in range(10, 30)]
    assert told["more"] == 11
    assert told["engines"]["e29"]["tokensPerSecond"] == [29.0, None]
    one = await history.query("1h", "e03")
    assert (list(one["engines"]), one["more"], one["engines"]["e03"]["tokensPerSecond"]) == (["e03"], 0, [3.0, None])


def _tokens(value: float) -> tuple[float | None, ...]:
    return tuple(value if name == "tokens_per_second" else None for name in VALUES)
