"""Changed settings of models that run: no request is harmed, and what cannot start leaves what ran."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from corral.engines import Engines, EngineState
from corral.kit.errors import EngineFailed
from tests.support.engines import MIB, Table, chat, engines, newcomers, real, sized
from tests.support.waiting import eventually, within

S = EngineState


@asynccontextmanager
async def asked(made: Engines, name: str, failures: list[BaseException]) -> AsyncIterator[list[str]]:
    """Requests all the time, while the block runs."""
    answers: list[str] = []

    async def ask() -> None:
        while True:
            try:
                answers.append((await chat(made, name, "ping"))["choices"][0]["message"]["content"])
            except Exception as error:
                failures.append(error)

    asking = [asyncio.create_task(ask()) for _ in range(3)]
    try:
        yield answers
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


@pytest.mark.parametrize("budget", [1000, 150])
async def test_pitfall_17_a_changed_configuration_harms_no_request(
    tmp_path: Path, scripted_model: Path, budget: int
) -> None:
    before, mine = real(scripted_model), newcomers()
    table, failures = Table(real=before), list[BaseException]()
    async with engines(tmp_path, table, memory_budget=budget * MIB) as (made, _):
        pid = (await made.start("real")).pid
        long = asyncio.create_task(chat(made, "real", "Tell me a long story"))
        async with asked(made, "real", failures) as answers:
            await eventually(lambda: answers)
            table.specs["real"] = replace(before, slots=3, context_length=1024)
            assert made.stale("real")
            status = await within(made.apply("real"))
            assert (status.slots, status.context_length) == (3, 1024)
            assert status.pid != pid
            count = len(answers)
            await eventually(lambda: len(answers) > count + 3)
        assert not made.stale("real")
        assert "nothing of it was lost" in (await within(long))["choices"][0]["message"]["content"]
        assert failures == []
        assert set(answers) == {"pong"}
        await eventually(lambda: len(mine()) == 1)
        assert made.memory()["taken"] <= budget * MIB


@pytest.mark.parametrize("budget", [1000, 150])
async def test_pitfall_17_a_bad_configuration_keeps_the_old_one(
    tmp_path: Path, scripted_model: Path, budget: int
) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(scripted_model.read_bytes()[:300_000])
    before = real(scripted_model)
    table, failures = Table(real=before), list[BaseException]()
    async with engines(tmp_path, table, memory_budget=budget * MIB) as (made, _):
        pid = (await made.start("real")).pid
        async with asked(made, "real", failures) as answers:
            await eventually(lambda: answers)
            with pytest.raises(EngineFailed, match="ended with"):
                await within(made.apply("real", replace(before, path=broken)))
            count = len(answers)
            await eventually(lambda: len(answers) > count + 3)
        assert failures == []
        assert made.status("real").state in (S.READY, S.BUSY)
        assert (made.status("real").pid == pid) == (budget == 1000)


async def test_pitfall_17_a_configuration_beyond_the_budget_keeps_the_old_one(tmp_path: Path) -> None:
    table = Table(a=sized("a"))
    async with engines(tmp_path, table, memory_budget=250 * MIB) as (made, _):
        await made.start("a")
        with pytest.raises(EngineFailed) as refused:
            await within(made.apply("a", sized("a", "--load", "0.1", need=400)))
        assert "memory" in str(refused.value)
        await eventually(lambda: made.status("a").state is S.READY)
        (await within(made.lease("a"))).release()


async def test_a_configuration_that_needs_more_waits_until_others_have_left(tmp_path: Path) -> None:
    table = Table(a=sized("a"), b=sized("b"))
    async with engines(tmp_path, table, memory_budget=250 * MIB, min_residency=0.1) as (made, _):
        await made.start("a")
        lease = await within(made.lease("b"))
        table.specs["a"] = sized("a", "--load", "0.1", need=200)
        applying = asyncio.create_task(made.apply("a"))
        await eventually(lambda: made.status("a").waits_for_memory)
        assert not applying.done()
        lease.release()
        assert (await within(applying)).state is S.READY
        assert made.status("b").state is S.STOPPED


async def test_settings_changed_again_before_they_could_start_go_back_to_those_that_ran(tmp_path: Path) -> None:
    table = Table(a=sized("a"), b=sized("b"))
    async with engines(tmp_path, table, memory_budget=250 * MIB, min_residency=0.1) as (made, _):
        ran = (await made.start("a")).slots
        lease = await within(made.lease("b"))
        given_up = asyncio.create_task(made.apply("a", replace(sized("a", need=200), slots=ran + 1)))
        await eventually(lambda: made.status("a").waits_for_memory)
        given_up.cancel()
        with pytest.raises(EngineFailed):
            await within(made.apply("a", sized("a", "--exit", "3", need=90)))
        await eventually(lambda: made.status("a").state is S.READY)
        assert made.status("a").slots == ran
        lease.release()


async def test_what_needs_no_new_start_holds_at_once(tmp_path: Path) -> None:
    table = Table(a=sized("a"))
    async with engines(tmp_path, table) as (made, _):
        pid = (await made.start("a")).pid
        table.specs["a"] = sized("a", pinned=True, replicas=2)
        status = await within(made.apply("a"))
        assert (status.pid, status.pinned, len(status.replicas)) == (pid, True, 2)
        table.specs["a"] = sized("a")
        assert (await within(made.apply("a"))).replicas == ()


async def test_a_model_that_does_not_run_takes_its_configuration_at_the_next_start(tmp_path: Path) -> None:
    table = Table(a=sized("a"))
    async with engines(tmp_path, table) as (made, _):
        assert (await made.apply("a")).state is S.STOPPED
        await made.start("a")
        await made.stop("a")
        table.specs["a"] = sized("a", "--load", "0.1")
        assert (await made.apply("a")).state is S.STOPPED
        assert (await made.start("a")).state is S.READY
