"""Requests with an idempotency key, against a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from corral.inference.idempotency import Idempotency, Records
from corral.inference.types import Ask
from corral.kit.errors import Conflict, CorralError, IdempotencyConflict, InvalidRequest, UpstreamFailed
from corral.store import Database, Location
from tests.support.clock import ManualClock
from tests.support.waiting import eventually, within
from tests.unit.inference.asking import BOB, Asked, Upstream, ask


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    url = request.getfixturevalue("postgres").database() if request.param == "postgresql" else None
    made = await Database.open(Location(tmp_path / "corral.db", url))
    yield made
    await made.close()


class Keyed(Asked):
    """Asks through the layer of idempotency keys."""

    clock: ManualClock
    database: Database


async def opened(database: Database, clock: ManualClock, upstream: Upstream | None = None) -> Keyed:
    layer = Idempotency(Records(database, clock, max_bytes=100_000), clock)
    await layer.start()
    made = Keyed(layer, upstream or Upstream())
    made.clock, made.database = clock, database
    return made


@pytest.fixture
async def keyed(database: Database) -> AsyncIterator[Keyed]:
    made = await opened(database, ManualClock())
    yield made
    await made.layer.stop()  # type: ignore[attr-defined]


def key(name: str = "k", stream: bool = True, **fields: Any) -> Ask:
    return ask(stream, {"idempotency-key": name}, **fields)


@pytest.mark.parametrize("stream", [True, False])
async def test_the_same_key_and_body_get_the_same_answer(keyed: Keyed, stream: bool) -> None:
    first = await keyed(key(stream=stream))
    assert await keyed(key(stream=stream)) == first
    assert keyed.upstream.calls == 1
    assert keyed.caches == ["", "replayed"]
    assert keyed.records[1].outcome == "completed"
    assert keyed.records[1].usage is None
    await keyed(key("other", stream=stream))
    await keyed(ask(stream))
    assert keyed.upstream.calls == 3


async def test_another_body_is_refused(keyed: Keyed) -> None:
    await keyed(key())
    with pytest.raises(IdempotencyConflict) as refused:
        await keyed(key(temperature=0.5))
    assert refused.value.status == 409
    assert keyed.upstream.calls == 1


async def test_a_key_is_its_tenant_s(keyed: Keyed) -> None:
    await keyed(key())
    await keyed(key(temperature=0.5), BOB)
    assert keyed.upstream.calls == 2


@pytest.mark.parametrize("stream", [True, False])
async def test_a_repetition_joins_what_is_under_way(keyed: Keyed, stream: bool) -> None:
    keyed.upstream.gate = asyncio.Event()
    first = keyed.begin(key(stream=stream))
    await eventually(lambda: keyed.upstream.calls == 1)
    second = keyed.begin(key(stream=stream))
    with pytest.raises(IdempotencyConflict):
        await keyed(key(stream=stream, temperature=0.5))
    keyed.upstream.gate.set()
    assert await within(first) == await within(second)
    assert keyed.upstream.calls == 1


async def test_an_answer_outlives_the_server_for_a_day(database: Database) -> None:
    clock, upstream = ManualClock(), Upstream()
    for day in range(3):
        keyed = await opened(database, clock, upstream)
        assert b"%d.0" % (1 + day // 2) in await keyed(key())
        await keyed.layer.stop()  # type: ignore[attr-defined]
        await clock.advance(13 * 3600)
    assert upstream.calls == 2


async def test_what_was_under_way_when_the_server_died_may_be_asked_again(database: Database) -> None:
    clock = ManualClock()
    died = Records(database, clock)
    assert await died.claim("user:ana", "k", "hash", stream=True) is None
    keyed = await opened(database, clock)
    assert await keyed(key())
    assert await keyed(key())
    assert keyed.upstream.calls == 1
    await keyed.layer.stop()  # type: ignore[attr-defined]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_failure_frees_the_key(keyed: Keyed, stream: bool) -> None:
    keyed.upstream.fails_at = 0
    for _ in range(2):
        with pytest.raises(UpstreamFailed):
            await keyed(key(stream=stream))
    assert keyed.upstream.calls == 2
    keyed.upstream.fails_at = None
    await keyed(key(stream=stream))
    await keyed(key(stream=stream))
    assert keyed.upstream.calls == 3


async def test_a_cut_answer_and_one_that_was_left_free_the_key(keyed: Keyed) -> None:
    keyed.upstream.cut = True
    await keyed(key())
    keyed.upstream.cut, keyed.upstream.gate = False, asyncio.Event()
    left = keyed.begin(key())
    await eventually(lambda: keyed.upstream.calls == 2 and keyed.waiting == 1)
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left
    assert keyed.upstream.cancelled == 1
    keyed.upstream.gate = None
    assert await keyed(key())
    assert keyed.upstream.calls == 3


async def test_a_client_that_hangs_up_and_tries_again_at_once_is_answered(keyed: Keyed) -> None:
    keyed.upstream.gate = asyncio.Event()
    left = keyed.begin(key())
    await eventually(lambda: keyed.upstream.calls == 1 and keyed.waiting == 1)
    left.cancel()
    again = [keyed.begin(key()) for _ in range(3)]
    await eventually(lambda: keyed.upstream.calls == 2)
    keyed.upstream.gate.set()
    assert len(set(await within(asyncio.gather(*again)))) == 1
    assert keyed.upstream.calls == 2


async def test_one_that_is_given_up_before_it_began_leaves_nothing_behind(keyed: Keyed) -> None:
    for _ in range(3):
        task = keyed.begin(key())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await within(keyed(key()))
    assert keyed.waiting == 0
    assert not keyed.layer._claims  # type: ignore[attr-defined]


async def test_an_answer_that_is_too_large_is_given_once_and_never_made_again(keyed: Keyed) -> None:
    keyed.upstream.pieces, keyed.upstream.size = 20, 512 * 1024
    await keyed(key())
    with pytest.raises(Conflict, match="too large"):
        await keyed(key())
    assert keyed.upstream.calls == 1


async def test_kept_answers_are_bounded_and_the_oldest_leave(keyed: Keyed) -> None:
    keyed.upstream.size = 10_000
    for number in range(5):
        await keyed(key(f"k{number}"))
        await keyed.clock.advance(1)
    records = Records(keyed.database, keyed.clock, max_bytes=100_000)
    await records.sweep()
    keyed.upstream.calls = 100
    await keyed(key("k4"))
    assert keyed.upstream.calls == 100
    await keyed(key("k0"))
    assert keyed.upstream.calls == 101


@pytest.mark.parametrize("wrong", ["", "x" * 256, "a\tb", "ä"])
async def test_a_key_that_is_none_is_named(keyed: Keyed, wrong: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await keyed(key(wrong))
    assert refused.value.param == "Idempotency-Key"


async def test_pitfall_31_a_database_that_is_away_refuses_those_with_a_key_and_nobody_else(keyed: Keyed) -> None:
    await keyed.database.close()
    with pytest.raises(CorralError):
        await within(keyed(key()))
    assert await keyed(ask())
