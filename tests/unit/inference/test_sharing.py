"""The layers around the making of an answer: kept answers, shared makings, idempotency keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from corral.accounts.types import Permission, Principal
from corral.dialects.form import Usage
from corral.inference.cache.asking import MAX_QUESTION
from corral.inference.cache.memory import MemoryAnswers
from corral.inference.cache.service import AnswerCache
from corral.inference.idempotency import Idempotency, Records
from corral.inference.ports import Layer
from corral.inference.routes.types import CacheRule, Candidate, RouteSpec
from corral.inference.types import Ask, Attempt, Record, Reply, Streaming
from corral.kit.errors import Conflict, CorralError, IdempotencyConflict, InvalidRequest, UpstreamFailed
from corral.store import Database, Location
from tests.support.clock import ManualClock
from tests.support.waiting import eventually, within

ANA, BOB = (Principal(name, frozenset({Permission.INFERENCE})) for name in ("ana", "bob"))
ROUTE = RouteSpec("m", (Candidate("cloud", "large"),))


def ask(stream: bool = True, headers: dict[str, str] | None = None, **fields: Any) -> Ask:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0, **fields}
    return Ask("chat", "openai_chat", "m", msgspec.json.encode(body), stream, headers or {})


class Upstream:
    """Makes answers in pieces, each when it is let; counts what it did."""

    def __init__(self, pieces: int = 3, *, size: int = 0, fails_at: int | None = None, cut: bool = False) -> None:
        self.pieces = pieces
        self.size = size
        self.fails_at = fails_at
        self.cut = cut
        self.calls = 0
        self.cancelled = 0
        self.given = 0
        self.gate: asyncio.Event | None = None

    def piece(self, number: int) -> bytes:
        return b"data: %d.%d%s\n\n" % (self.calls, number, b"x" * self.size)

    def _attempt(self, record: Record) -> Attempt:
        attempt = Attempt("cloud", "large", "first", 0.0)
        record.attempts.append(attempt)
        return attempt

    async def whole(self, record: Record) -> Reply:
        self.calls += 1
        attempt = self._attempt(record)
        try:
            await self._let()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fails_at is not None:
            raise UpstreamFailed("It failed.")
        attempt.usage, record.outcome = Usage(10, 5), "completed"
        return Reply(b"".join(self.piece(number) for number in range(self.pieces)))

    async def stream(self, record: Record) -> Streaming:
        self.calls += 1
        pieces = self._pieces(record, self._attempt(record))
        return Streaming(await anext(pieces), pieces, "text/event-stream", {})

    async def _pieces(self, record: Record, attempt: Attempt) -> AsyncGenerator[bytes, None]:
        try:
            for number in range(self.pieces):
                if number == self.fails_at:
                    raise UpstreamFailed("It failed.")
                if number:
                    await self._let()
                self.given += 1
                attempt.usage = Usage(10, number + 1, 0)
                yield self.piece(number)
            record.outcome = "failed" if self.cut else "completed"
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise

    async def _let(self) -> None:
        if self.gate is not None:
            await self.gate.wait()


class Asked:
    """Asks through a layer, as inference does."""

    def __init__(self, layer: Layer, upstream: Upstream) -> None:
        self.layer = layer
        self.upstream = upstream
        self.records: list[Record] = []

    def record(self, user: Principal, asked: Ask) -> Record:
        made = Record(user.user_id, asked, 0.0, route="m")
        self.records.append(made)
        return made

    async def __call__(self, asked: Ask | None = None, user: Principal = ANA, route: RouteSpec = ROUTE) -> bytes:
        asked = asked or ask()
        record = self.record(user, asked)
        if not asked.stream:
            return (await self.layer.whole(user, asked, route, record, self.upstream.whole)).body
        streaming = await self.layer.stream(user, asked, route, record, self.upstream.stream)
        try:
            return b"".join([piece async for piece in streaming])
        finally:
            await streaming.aclose()

    def begin(self, asked: Ask | None = None, user: Principal = ANA) -> asyncio.Task[bytes]:
        return asyncio.create_task(self(asked, user))

    @property
    def waiting(self) -> int:
        """How many wait for an answer that is being made."""
        assert isinstance(self.layer, AnswerCache | Idempotency)
        return sum(len(flight._waiters) for flight in self.layer._flights._flights.values())

    @property
    def caches(self) -> list[str]:
        return [record.cache for record in self.records]


@pytest.fixture
async def cached() -> AsyncIterator[Asked]:
    clock = ManualClock()
    layer = AnswerCache(MemoryAnswers(clock, 1_000_000), clock)
    await layer.start()
    asked = Asked(layer, Upstream())
    yield asked
    await layer.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    url = request.getfixturevalue("postgres").database() if request.param == "postgresql" else None
    made = await Database.open(Location(tmp_path / "corral.db", url))
    yield made
    await made.close()


@pytest.mark.parametrize("stream", [True, False])
async def test_the_same_question_is_asked_once(cached: Asked, stream: bool) -> None:
    first = await cached(ask(stream))
    again = await cached(ask(stream))
    assert first == again
    assert cached.upstream.calls == 1
    assert cached.caches == ["miss", "hit"]
    assert [record.outcome for record in cached.records] == ["completed", "completed"]
    assert [record.usage for record in cached.records][1] is None
    assert cached.records[0].usage is not None


async def test_a_stream_and_a_whole_answer_are_two_questions(cached: Asked) -> None:
    await cached(ask(True))
    await cached(ask(False))
    assert cached.caches == ["miss", "miss"]


async def test_the_header_tells_what_the_cache_did(cached: Asked) -> None:
    for expected in ("miss", "hit"):
        streaming = await cached.layer.stream(ANA, ask(), ROUTE, cached.record(ANA, ask()), cached.upstream.stream)
        assert streaming.headers["X-Corral-Cache"] == expected
        assert streaming.headers["X-Corral-Model"] == "large"
        assert [piece async for piece in streaming]
        await streaming.aclose()
    varying = ask(temperature=1)
    streaming = await cached.layer.stream(ANA, varying, ROUTE, cached.record(ANA, varying), cached.upstream.stream)
    assert streaming.headers["X-Corral-Cache"] == "bypass"
    await streaming.aclose()


async def test_pitfall_36_a_kept_answer_never_crosses_keys_or_users(cached: Asked) -> None:
    keyed = Principal("ana", ANA.permissions, key_id="k1")
    other = Principal("ana", ANA.permissions, key_id="k2")
    for user in (ANA, BOB, keyed, other):
        await cached(user=user)
    assert cached.upstream.calls == 4
    for user in (ANA, BOB, keyed, other):
        await cached(user=user)
    assert cached.upstream.calls == 4


@pytest.mark.parametrize(
    ("fields", "alike"),
    [
        ({"user": "someone"}, True),
        ({"metadata": {"trace": "7"}}, True),
        ({"messages": [{"role": "user", "content": "hi "}]}, False),
        ({"temperature": 0.0, "seed": 1}, False),
        ({"top_p": None}, False),
        ({"stop": ["a"]}, False),
    ],
)
async def test_what_makes_a_question_another_one(cached: Asked, fields: dict[str, Any], alike: bool) -> None:
    await cached()
    await cached(ask(**fields))
    assert cached.upstream.calls == (1 if alike else 2)


async def test_the_order_of_fields_does_not_matter_and_the_route_does(cached: Asked) -> None:
    await cached()
    body = b'{ "temperature" : 0, "messages":[{"content":"hi","role":"user"}], "model":"m" }'
    await cached(Ask("chat", "openai_chat", "m", body, True))
    assert cached.upstream.calls == 1
    await cached(route=RouteSpec("m", (Candidate("cloud", "larger"),)))
    assert cached.upstream.calls == 2


@pytest.mark.parametrize(
    ("fields", "headers", "rule", "expected"),
    [
        ({}, {}, None, "hit"),
        ({"temperature": 1}, {}, None, "bypass"),
        ({"temperature": 1, "seed": 3}, {}, None, "hit"),
        ({"temperature": 1}, {"x-corral-cache": "use"}, None, "hit"),
        ({"temperature": 1}, {}, CacheRule(always=True), "hit"),
        ({}, {}, CacheRule(off=True), "bypass"),
        ({}, {"x-corral-cache": "bypass"}, None, "bypass"),
        ({}, {"cache-control": "no-store"}, None, "bypass"),
        ({}, {"x-corral-cache": "refresh"}, None, "miss"),
        ({"store": True}, {}, None, "bypass"),
        ({"messages": [{"role": "user", "content": "x" * MAX_QUESTION}]}, {}, None, "bypass"),
    ],
)
async def test_when_a_cache_is_used(
    cached: Asked, fields: dict[str, Any], headers: dict[str, str], rule: CacheRule | None, expected: str
) -> None:
    route = RouteSpec("m", ROUTE.candidates, cache=rule)
    for _ in range(2):
        await cached(ask(headers=headers, **fields), route=route)
    assert cached.caches[-1] == expected
    assert cached.upstream.calls == (1 if expected == "hit" else 2)


async def test_a_refreshed_answer_is_the_one_that_is_kept(cached: Asked) -> None:
    await cached()
    newer = await cached(ask(headers={"x-corral-cache": "refresh"}))
    assert await cached() == newer
    assert b"2.0" in newer


@pytest.mark.parametrize("stream", [True, False])
async def test_what_failed_or_was_cut_is_not_kept(cached: Asked, stream: bool) -> None:
    cached.upstream.fails_at = 0
    with pytest.raises(UpstreamFailed):
        await cached(ask(stream))
    cached.upstream.fails_at = None
    if stream:
        cached.upstream.cut = True
        await cached(ask(stream))
        assert cached.records[-1].outcome == "failed"
        cached.upstream.cut = False
    calls = cached.upstream.calls
    await cached(ask(stream))
    assert cached.upstream.calls == calls + 1
    await cached(ask(stream))
    assert cached.caches[-1] == "hit"


@pytest.mark.parametrize("stream", [True, False])
async def test_those_who_ask_the_same_at_the_same_time_share_one_making(cached: Asked, stream: bool) -> None:
    cached.upstream.gate = asyncio.Event()
    tasks = [cached.begin(ask(stream)) for _ in range(20)]
    await eventually(lambda: cached.upstream.calls == 1)
    other = cached.begin(ask(stream), BOB)
    await eventually(lambda: cached.upstream.calls == 2)
    cached.upstream.gate.set()
    answers = await within(asyncio.gather(*tasks))
    assert len(set(answers)) == 1
    assert await within(other)
    assert cached.caches.count("joined") == 19
    assert cached.upstream.calls == 2
    # Counted once.
    assert sum(bool(record.attempts) for record in cached.records if record.user_id == "ana") == 1
    assert all(record.outcome == "completed" for record in cached.records)


@pytest.mark.parametrize("stream", [True, False])
async def test_each_may_leave_alone_and_the_last_one_ends_the_work(cached: Asked, stream: bool) -> None:
    cached.upstream.gate = asyncio.Event()
    tasks = [cached.begin(ask(stream)) for _ in range(3)]
    await eventually(lambda: cached.upstream.calls == 1)
    await eventually(lambda: cached.waiting == 3)
    for number, task in enumerate(tasks):
        assert cached.upstream.cancelled == 0
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert cached.upstream.cancelled == (number == 2)
    assert [bool(record.attempts) for record in cached.records] == [False, False, True]
    cached.upstream.gate.set()
    await within(cached(ask(stream)))
    assert cached.upstream.calls == 2


async def test_the_first_may_leave_and_another_gets_and_pays_all(cached: Asked) -> None:
    cached.upstream.gate = asyncio.Event()
    first, second = cached.begin(), cached.begin()
    await eventually(lambda: cached.upstream.calls == 1 and cached.waiting == 2)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    cached.upstream.gate.set()
    assert (await within(second)).count(b"data:") == 3
    assert not cached.records[0].attempts
    assert cached.records[1].usage == Usage(10, 3)


async def test_all_are_told_of_a_failure_before_the_answer(cached: Asked) -> None:
    cached.upstream.gate, cached.upstream.fails_at = asyncio.Event(), 0
    tasks = [cached.begin(ask(False)) for _ in range(3)]
    await eventually(lambda: cached.upstream.calls == 1)
    cached.upstream.gate.set()
    errors = await within(asyncio.gather(*tasks, return_exceptions=True))
    assert [type(error) for error in errors] == [UpstreamFailed] * 3
    assert len({id(error) for error in errors}) == 3


async def test_one_who_comes_later_gets_all_of_a_stream(cached: Asked) -> None:
    cached.upstream.gate, cached.upstream.pieces = asyncio.Event(), 5
    first = cached.begin()
    await eventually(lambda: cached.upstream.given == 1)
    late = cached.begin()
    cached.upstream.gate.set()
    assert await within(first) == await within(late)
    assert cached.upstream.calls == 1


async def test_the_making_does_not_run_away_from_those_who_wait(cached: Asked) -> None:
    cached.upstream.pieces, cached.upstream.size = 200, 64 * 1024
    asked = ask()
    streaming = await cached.layer.stream(ANA, asked, ROUTE, cached.record(ANA, asked), cached.upstream.stream)
    for _ in range(50):
        await asyncio.sleep(0)
    # 256 KiB ahead, not 12 MiB.
    assert cached.upstream.given < 10
    got = [piece async for piece in streaming]
    await streaming.aclose()
    assert len(got) == 200
    # It was too large to be kept.
    await cached()
    assert cached.caches[-1] == "miss"


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
