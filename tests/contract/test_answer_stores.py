"""Stores of kept answers: one suite for memory, the databases and Redis."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from corral.inference.cache.memory import MemoryAnswers
from corral.inference.cache.redis import RedisAnswers
from corral.inference.cache.sql import SqlAnswers
from corral.inference.cache.types import AnswerStore, Kept
from corral.kit.clock import SystemClock
from corral.store import Database, Location
from tests.support.clock import ManualClock
from tests.support.redis_server import RedisServer

MAX = 10_000
numbers = itertools.count()


class Opened:
    def __init__(self, store: AnswerStore, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock

    def kept(self, size: int, *, ttl: float = 1000.0) -> Kept:
        expires = int((self.clock.now().timestamp() + ttl) * 1000)
        return Kept(bytes([next(numbers) % 256]) * (size - 512), "text/event-stream", {"X-Corral-Model": "m"}, expires)


@pytest.fixture(params=["memory", "sqlite", "postgresql", "redis"])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opened]:
    clock = ManualClock()
    database: Database | None = None
    store: AnswerStore
    if request.param == "memory":
        store = MemoryAnswers(clock, MAX)
    elif request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        store = RedisAnswers(server.address(), clock, MAX, patience=30.0)
    else:
        url = request.getfixturevalue("postgres").database() if request.param == "postgresql" else None
        database = await Database.open(Location(tmp_path / "corral.db", url))
        store = SqlAnswers(database, clock, MAX, patience=30.0)
    await store.start()
    yield Opened(store, clock)
    await store.stop()
    if database is not None:
        await database.close()


async def test_an_answer_comes_back_as_it_was(opened: Opened) -> None:
    kept = opened.kept(900)
    assert await opened.store.get("user:ana", "a") is None
    await opened.store.put("user:ana", "a", kept)
    assert await opened.store.get("user:ana", "a") == kept
    newer = opened.kept(700)
    await opened.store.put("user:ana", "a", newer)
    assert await opened.store.get("user:ana", "a") == newer


async def test_pitfall_36_an_answer_is_its_tenant_s_alone(opened: Opened) -> None:
    await opened.store.put("user:ana", "a", opened.kept(600))
    for other in ("user:bob", "user:an", "user:anaa", "key:ana", "user:ana:a", ""):
        assert await opened.store.get(other, "a") is None
    assert await opened.store.get("user:ana", "a:") is None


async def test_an_answer_is_gone_after_its_time(opened: Opened) -> None:
    await opened.store.put("user:ana", "a", opened.kept(600, ttl=100))
    await opened.clock.advance(99)
    assert await opened.store.get("user:ana", "a") is not None
    await opened.clock.advance(1)
    assert await opened.store.get("user:ana", "a") is None


async def test_no_more_bytes_than_allowed_and_the_one_used_longest_ago_leaves(opened: Opened) -> None:
    for number in range(9):
        await opened.store.put("user:ana", str(number), opened.kept(1000))
        await opened.clock.advance(1)
    assert await opened.store.get("user:ana", "0") is not None
    await opened.clock.advance(1)
    for number in range(9, 12):
        await opened.store.put("user:ana", str(number), opened.kept(1000))
        await opened.clock.advance(1)
    there = [number for number in range(12) if await opened.store.get("user:ana", str(number)) is not None]
    assert 0 in there
    assert {1, 2} & set(there) == set()
    assert len(there) <= 10
    assert {9, 10, 11} <= set(there)


async def test_what_is_larger_than_everything_is_not_kept(opened: Opened) -> None:
    await opened.store.put("user:ana", "small", opened.kept(1000))
    await opened.store.put("user:ana", "large", opened.kept(MAX + 1))
    assert await opened.store.get("user:ana", "large") is None
    assert await opened.store.get("user:ana", "small") is not None


async def test_replacing_does_not_count_twice(opened: Opened) -> None:
    await opened.store.put("user:ana", "other", opened.kept(1000))
    for _ in range(20):
        await opened.store.put("user:ana", "a", opened.kept(5000))
    assert await opened.store.get("user:ana", "other") is not None
    assert await opened.store.get("user:ana", "a") is not None


async def test_what_a_tenant_has_can_be_forgotten(opened: Opened) -> None:
    for tenant in ("user:ana", "user:bob"):
        await opened.store.put(tenant, "a", opened.kept(600))
    await opened.store.clear("user:ana")
    assert await opened.store.get("user:ana", "a") is None
    assert await opened.store.get("user:bob", "a") is not None
    await opened.store.clear()
    assert await opened.store.get("user:bob", "a") is None


async def test_answers_in_the_database_outlive_the_server(tmp_path: Path) -> None:
    clock = ManualClock()
    kept = Kept(b"x", "application/json", {}, int(clock.now().timestamp() * 1000) + 5000)
    for _ in range(2):
        database = await Database.open(Location(tmp_path / "corral.db"))
        store = SqlAnswers(database, clock, MAX, patience=30.0)
        await store.start()
        if await store.get("user:ana", "a") is None:
            await store.put("user:ana", "a", kept)
        else:
            assert await store.get("user:ana", "a") == kept
            found = True
        await store.stop()
        await database.close()
    assert found


async def test_pitfall_31_a_store_that_hangs_is_left_alone_for_a_while(redis_server: RedisServer) -> None:
    clock = SystemClock()
    store = RedisAnswers(redis_server.address(), clock, MAX, patience=0.5)
    await store.start()
    loop = asyncio.get_running_loop()
    redis_server.hang()
    try:
        begin = loop.time()
        assert await store.get("user:ana", "a") is None
        assert loop.time() - begin < 20
        begin = loop.time()
        for _ in range(100):
            assert await store.get("user:ana", "a") is None
            await store.put("user:ana", "a", Kept(b"x", "", {}, int(clock.now().timestamp() * 1000) + 5000))
        assert loop.time() - begin < 1.0
    finally:
        redis_server.go_on()
    await store.stop()
