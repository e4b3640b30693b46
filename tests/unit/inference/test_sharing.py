"""The layers around the making of an answer: kept answers, shared makings, idempotency keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from corral.accounts.types import Principal
from corral.dialects.form import Usage
from corral.inference.cache.asking import MAX_QUESTION
from corral.inference.cache.memory import MemoryAnswers
from corral.inference.cache.service import AnswerCache
from corral.inference.routes.types import CacheRule, Candidate, RouteSpec
from corral.inference.types import Ask
from corral.kit.errors import UpstreamFailed
from tests.support.clock import ManualClock
from tests.support.waiting import eventually, within
from tests.unit.inference.asking import ANA, BOB, ROUTE, Asked, Upstream, ask


@pytest.fixture
async def cached() -> AsyncIterator[Asked]:
    clock = ManualClock()
    layer = AnswerCache(MemoryAnswers(clock, 1_000_000), clock)
    await layer.start()
    asked = Asked(layer, Upstream())
    yield asked
    await layer.stop()


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
    record = cached.record(ANA, varying)
    await (await cached.layer.stream(ANA, varying, ROUTE, record, cached.upstream.stream)).aclose()
    assert record.cache == "bypass"


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
