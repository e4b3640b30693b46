"""Models that share a machine: swaps, groups, pins, several engines of one, and what outlives a swap."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from corral.accounts.types import Permission, Principal
from corral.engines import EngineState
from corral.inference import Inference, Route
from corral.kit.errors import EngineFailed, TooManyRequests
from tests.support.engines import MIB, Table, chat, engines, newcomers, real, sized, takes
from tests.support.scale import scaled
from tests.support.waiting import eventually, within

SOMEBODY = Principal("local", frozenset({Permission.INFERENCE}))
S = EngineState


class Names:
    """Routes of a table's models."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def resolve(self, name: str | None) -> Route:
        return Route(str(name), self._table.spec(str(name)).slots)


# who is there


async def test_models_that_fit_run_together_and_the_least_recently_used_leaves(tmp_path: Path) -> None:
    table = Table(**{name: sized(name) for name in "abc"})
    async with engines(tmp_path, table, memory_budget=250 * MIB, min_residency=0.1) as (made, _):
        for name in ("a", "b", "a"):
            (await within(made.lease(name))).release()
        assert made.memory() == {"budget": 250 * MIB, "taken": 200 * MIB}
        (await within(made.lease("c"))).release()
        assert [made.status(name).state for name in "abc"] == [S.READY, S.STOPPED, S.READY]


async def test_a_pinned_model_stays_and_who_can_never_fit_is_told_at_once(tmp_path: Path) -> None:
    table = Table(a=sized("a", pinned=True, idle_stop=0.2), b=sized("b"), big=sized("big", need=400))
    async with engines(tmp_path, table, memory_budget=150 * MIB, min_residency=0.0) as (made, _):
        await made.start("a")
        with pytest.raises(EngineFailed, match="pinned models keep 100 MiB"):
            await within(made.lease("b"))
        with pytest.raises(EngineFailed, match=r"needs 400 MiB and all engines together may use 150 MiB"):
            await within(made.lease("big"))
        await asyncio.sleep(1.5)
        assert made.status("a").state is S.READY
        assert made.status("a").pinned


async def test_models_of_a_group_take_turns(tmp_path: Path) -> None:
    table = Table(a=sized("a", group="g"), b=sized("b", group="g"), c=sized("c"))
    async with engines(tmp_path, table, min_residency=0.0) as (made, _):
        for name in "acb":
            (await within(made.lease(name))).release()
        assert [made.status(name).state for name in "abc"] == [S.STOPPED, S.READY, S.READY]


async def test_memory_is_measured_and_what_was_measured_counts(tmp_path: Path) -> None:
    table = Table(a=replace(sized("a", "--hold", "150"), memory_bytes=0), b=sized("b", need=60))
    async with engines(tmp_path, table, memory_budget=200 * MIB, min_residency=0.0) as (made, _):
        await made.start("a")
        await eventually(lambda: (made.status("a").memory or 0) > 150 * MIB)
        # By what was guessed before, both would fit.
        assert made.memory()["taken"] > 150 * MIB
        (await within(made.lease("b"))).release()
        (await within(made.lease("a"))).release()
        assert made.status("b").state in (S.STOPPED, S.STOPPING)


async def test_a_bound_for_the_wait_is_kept(tmp_path: Path) -> None:
    table = Table(a=sized("a"), b=sized("b", "--load", "4.5"))
    async with engines(tmp_path, table, memory_budget=150 * MIB, min_residency=0.0) as (made, _):
        inference = Inference(Names(table), made, queue=10, max_wait=3.0)
        visit = await inference.enter(SOMEBODY, "a")
        with pytest.raises(TooManyRequests, match="no turn"):
            await within(inference.enter(SOMEBODY, "b"))
        assert inference.waiting("b") == 0
        await eventually(lambda: made.status("b").state is S.STOPPED)
        visit.close()
        # What its own engine takes to load does not count.
        (await within(inference.enter(SOMEBODY, "b"))).close()


async def test_pitfall_12_alternation_at_concurrency_20_on_real_engines(tmp_path: Path, scripted_model: Path) -> None:
    table = Table(a=real(scripted_model, "a", slots=4), b=real(scripted_model, "b", slots=4))
    async with engines(tmp_path, table, memory_budget=150 * MIB, min_residency=1.0) as (made, bus):
        inference = Inference(Names(table), made, queue=100, max_wait=300.0)
        clock, starts, waits = asyncio.get_running_loop().time, [], []

        async def watch(told: Any) -> None:
            async for _, event in told:
                if event["state"] == "loading" and event["progress"] == 0.0:
                    starts.append(clock())

        async def client(number: int) -> None:
            for turn in range(scaled(6, 40)):
                began = clock()
                visit = await inference.enter(SOMEBODY, "ab"[(number + turn) % 2])
                waits.append(clock() - began)
                try:
                    body = b'{"messages": [{"role": "user", "content": "ping"}]}'
                    headers = visit.lease.headers + b"content-type: application/json\r\n"
                    answer = await visit.lease.pool.request(
                        b"POST", b"/v1/chat/completions", headers=headers, body=body
                    )
                    assert b"pong" in await answer.read(1 << 20)
                finally:
                    visit.close()

        with bus.subscribe("engines", limit=10_000) as told:
            watching = asyncio.create_task(watch(told))
            await within(asyncio.gather(*(client(number) for number in range(20))), 400)
            watching.cancel()
        swaps = starts[2:]
        assert swaps
        # Less a little, for the moment at which the news is heard.
        assert all(later - earlier >= 0.8 for earlier, later in zip(starts[1:], swaps, strict=False))
        assert max(waits) < 300.0
        assert len(waits) > len(starts)


# several engines of one model


async def test_a_second_engine_comes_when_the_first_is_full_and_shares_the_work(tmp_path: Path) -> None:
    table = Table(a=sized("a", replicas=2))
    async with engines(tmp_path, table, memory_budget=250 * MIB) as (made, _):
        leases = [await within(made.lease("a")) for _ in range(4)]
        assert [one.state for one in made.status("a").replicas] == [S.BUSY, S.STOPPED]
        leases += await within(asyncio.gather(*(made.lease("a") for _ in range(4))))
        status = made.status("a")
        assert [one.busy for one in status.replicas] == [4, 4]
        assert [one.name for one in status.replicas] == ["a", "a#2"]
        assert (status.slots, status.busy) == (8, 8)
        waiting = asyncio.create_task(made.lease("a"))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        leases.pop(5).release()
        leases.append(await within(waiting))
        for lease in leases:
            lease.release()


async def test_without_memory_for_a_second_engine_one_serves_all(tmp_path: Path) -> None:
    table = Table(a=sized("a", replicas=3))
    async with engines(tmp_path, table, memory_budget=150 * MIB) as (made, _):
        leases = [await within(made.lease("a")) for _ in range(4)]
        waiting = [asyncio.create_task(made.lease("a")) for _ in range(3)]
        await asyncio.sleep(0.2)
        for lease in leases:
            lease.release()
        for one in waiting:
            (await within(one)).release()
        assert [one.state for one in made.status("a").replicas] == [S.READY, S.STOPPED, S.STOPPED]


async def test_a_conversation_returns_to_the_engine_that_has_read_it(tmp_path: Path) -> None:
    table = Table(a=sized("a", replicas=2))
    first, second = (b'{"messages": "' + letter * 3000 for letter in (b"x", b"y"))
    async with engines(tmp_path, table) as (made, _):
        await made.start("a")
        await eventually(lambda: all(one.state is S.READY for one in made.status("a").replicas))
        one = await within(made.lease("a", first))
        other = await within(made.lease("a", second))
        assert one.pool is not other.pool
        pools = {first: one.pool, second: other.pool}
        one.release()
        other.release()
        for body in (second, first, second, first):
            lease = await within(made.lease("a", body + b" and more"))
            assert lease.pool is pools[body]
            lease.release()


# idle


async def test_an_idle_engine_sleeps_then_ends_and_returns_with_what_it_had_read(
    tmp_path: Path, scripted_model: Path
) -> None:
    table, mine = Table(real=real(scripted_model, idle_sleep=4, idle_stop=15.0)), newcomers()
    async with engines(tmp_path, table, health_every=0.2) as (made, _):
        text = "Tell me a long story. " + "word " * 200
        asked_first = await chat(made, "real", text, max_tokens=8)
        await eventually(lambda: made.status("real").sleeping)
        assert made.status("real").state is S.READY
        again = await chat(made, "real", text, max_tokens=8)
        assert again["usage"]["prompt_tokens_details"]["cached_tokens"] > asked_first["usage"]["prompt_tokens"] // 2
        assert not made.status("real").sleeping
        await eventually(lambda: made.status("real").state is S.STOPPED)
        assert mine() == []
        last = await chat(made, "real", text, max_tokens=8)
        assert last["usage"]["prompt_tokens_details"]["cached_tokens"] > asked_first["usage"]["prompt_tokens"] // 2


# what outlives a swap


async def test_pitfall_18_what_was_read_before_a_swap_counts_as_cached_after_it(
    tmp_path: Path, scripted_model: Path
) -> None:
    table = Table(a=real(scripted_model, "a"), b=real(scripted_model, "b"))
    async with engines(tmp_path, table, memory_budget=150 * MIB, min_residency=0.0) as (made, _):
        text = "Tell me a long story. " + "word " * 200
        before = await chat(made, "a", text, max_tokens=8)
        tokens = before["usage"]["prompt_tokens"]
        assert before["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
        assert made.carries("a") is None
        await chat(made, "b", "ping")
        assert made.status("a").state is S.STOPPED
        assert made.carries("a") is True
        after = await chat(made, "a", text, max_tokens=8)
        assert after["usage"]["prompt_tokens_details"]["cached_tokens"] >= tokens - 1
        # A damaged file is forgotten, and nothing else happens.
        await chat(made, "b", "ping")
        files = list((tmp_path / "kv").glob("*/*.bin"))
        assert files
        for file in files:
            file.write_bytes(b"rubbish")
        again = await chat(made, "a", text, max_tokens=8)
        assert again["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
        assert (tmp_path / "kv").stat().st_mode & 0o777 == 0o700


async def test_kv_files_keep_within_their_budget(tmp_path: Path, scripted_model: Path) -> None:
    table = Table(a=real(scripted_model, "a"))
    async with engines(tmp_path, table, kv_budget=1000) as (made, _):
        await chat(made, "a", "Tell me a long story. " + "word " * 200, max_tokens=8)
        await made.stop("a")
        assert list((tmp_path / "kv").glob("*/*.bin")) == []
        await chat(made, "a", "ping")


async def test_who_comes_back_for_those_who_wait_runs_as_it_is_set_by_then(tmp_path: Path) -> None:
    table = Table(a=sized("a"), b=sized("b"))
    async with engines(tmp_path, table, memory_budget=150 * MIB, min_residency=0.0) as (made, _):
        lease = await within(made.lease("a"))
        other = asyncio.create_task(made.lease("b"))
        await eventually(lambda: not takes(made, "a"))
        late = asyncio.create_task(made.lease("a"))
        count = tmp_path / "count"
        table.specs["a"] = sized("a", "--count", str(count))
        lease.release()
        (await within(other)).release()
        (await within(late)).release()
        assert count.read_text() == "started\n"


async def test_want_of_room_is_no_failure_that_counts(tmp_path: Path) -> None:
    table = Table(a=sized("a", pinned=True), b=sized("b"))
    async with engines(tmp_path, table, memory_budget=150 * MIB, crash_limit=2) as (made, _):
        await made.start("a")
        for _ in range(6):
            with pytest.raises(EngineFailed, match="pinned models keep"):
                await within(made.lease("b"))
        await made.stop("a")
        (await within(made.lease("b"))).release()
