"""Engines as real processes: the embedded one, and a scripted one that does everything wrong."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from corral.engines import EngineSpec, EngineState
from corral.kit.errors import EngineFailed, ModelNotFound, ShuttingDown
from corral.settings import AttachedEngine
from tests.support.engines import Table, embedded, engines, fake, gone
from tests.support.waiting import eventually


async def test_pitfall_09_fifty_first_requests_start_one_engine(tmp_path: Path, scripted_model: Path) -> None:
    count = tmp_path / "count"
    table = Table(real=embedded(scripted_model), fake=fake("--count", str(count), "--load", "0.3"))
    async with engines(tmp_path, table) as (made, _):
        for name in ("real", "fake"):
            leases = await asyncio.gather(*(made.lease(name) for _ in range(50)))
            assert len({lease.pool for lease in leases}) == 1
            assert made.status(name).busy == 50
            for lease in leases:
                lease.release()
                lease.release()
            assert made.status(name).state is EngineState.READY
            assert made.status(name).busy == 0
    assert count.read_text().count("started") == 1


async def test_the_states_go_by_in_order_and_memory_comes_back(tmp_path: Path, scripted_model: Path) -> None:
    async with engines(tmp_path, Table(real=embedded(scripted_model))) as (made, bus):
        with bus.subscribe("engines") as told:
            pid = (await made.start("real")).pid
            assert pid is not None
            assert psutil.Process(pid).memory_info().rss > 0
            await made.stop("real")
            seen: list[str] = []
            async for _, event in told:
                if not seen or seen[-1] != event["state"]:
                    seen.append(event["state"])
                if event["state"] == "stopped":
                    break
        assert seen == ["starting", "loading", "ready", "stopping", "stopped"]
        assert gone(pid)
        assert made.status("real").pid is None
        assert (await made.start("real")).state is EngineState.READY


async def test_an_engine_is_reachable_with_its_key_alone(tmp_path: Path, scripted_model: Path) -> None:
    async with engines(tmp_path, Table(real=embedded(scripted_model), fake=fake())) as (made, _):
        for name in ("real", "fake"):
            lease = await made.lease(name)
            assert (await lease.pool.request(b"GET", b"/v1/models", headers=lease.headers)).status == 200
            assert (await lease.pool.request(b"POST", b"/v1/chat/completions", body=b"{}")).status in (401, 501)
            lease.release()
            folder = Path(str(getattr(lease.pool.address, "path", tmp_path / "none"))).parent
            assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("failed to allocate 99 GB", "memory"),
        ("bind: address already in use", "port"),
        ("error: unknown argument --frobnicate", "options"),
        ("gguf: invalid magic", "download"),
    ],
)
async def test_a_failing_start_shows_its_last_lines_and_what_to_change(tmp_path: Path, line: str, hint: str) -> None:
    async with engines(tmp_path, Table(fake=fake("--say", line, "--exit", "3"))) as (made, _):
        with pytest.raises(EngineFailed) as caught:
            await made.lease("fake")
        assert line in caught.value.message
        assert hint in caught.value.message
        status = made.status("fake")
        assert status.state is EngineState.FAILED
        assert status.error is not None
        assert line in status.error.last_lines


async def test_a_damaged_model_is_told(tmp_path: Path, scripted_model: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(scripted_model.read_bytes()[:300_000])
    async with engines(tmp_path, Table(real=embedded(broken))) as (made, _):
        with pytest.raises(EngineFailed, match="real"):
            await made.lease("real")
        assert made.logs("real")


async def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    spec = EngineSpec("none", None, entry=AttachedEngine(command=("/no/such/engine", "{port}")))
    async with engines(tmp_path, Table(none=spec)) as (made, _):
        with pytest.raises(EngineFailed, match="cannot run /no/such/engine"):
            await made.lease("none")


async def test_pitfall_14_a_start_is_judged_by_its_progress(tmp_path: Path) -> None:
    table = Table(fake=fake("--load", "4"), dead=fake("--stall"))
    async with engines(tmp_path, table, start_stall=2.0) as (made, _):
        # Twice as long as a stall may be, but with a line now and then.
        assert (await made.start("fake")).state is EngineState.READY
        with pytest.raises(EngineFailed, match="no progress"):
            await made.start("dead")


async def test_a_crash_is_followed_by_a_new_start_until_it_happens_too_often(tmp_path: Path) -> None:
    count = tmp_path / "count"
    table = Table(fake=fake("--die-after", "0.2", "--count", str(count)))
    async with engines(tmp_path, table, crash_limit=2) as (made, _):
        await made.start("fake")
        await eventually(lambda: "too often" in (getattr(made.status("fake").error, "hint", "") or ""))
        assert made.status("fake").state is EngineState.FAILED
        assert made.status("fake").restarts == 2
        assert count.read_text().count("started") == 3
        # A user's start is another try.
        assert (await made.start("fake")).state is EngineState.READY


async def test_pitfall_04_05_one_that_ignores_sigterm_is_ended_with_its_whole_group(tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    async with engines(tmp_path, Table(fake=fake("--deaf", "--fork", str(note))), stop_grace=1.0) as (made, _):
        pid = (await made.start("fake")).pid
        grandchild = int(note.read_text())
        assert pid is not None
        assert not gone(grandchild)
        await made.stop("fake")
        assert gone(pid)
        await eventually(lambda: gone(grandchild))


async def test_pitfall_10_a_stop_while_it_loads(tmp_path: Path) -> None:
    async with engines(tmp_path, Table(fake=fake("--load", "60"))) as (made, _):
        waiting = asyncio.create_task(made.lease("fake"))
        await eventually(lambda: made.status("fake").state is EngineState.LOADING)
        pid = made.status("fake").pid
        assert pid is not None
        assert (await made.stop("fake")).state is EngineState.STOPPED
        with pytest.raises(EngineFailed, match="stopped"):
            await waiting
        assert gone(pid)


async def test_a_stop_waits_for_leases(tmp_path: Path) -> None:
    async with engines(tmp_path, Table(fake=fake()), drain=60.0) as (made, _):
        lease = await made.lease("fake")
        stopping = asyncio.create_task(made.stop("fake"))
        await eventually(lambda: made.status("fake").state is EngineState.STOPPING)
        assert made.try_lease("fake") is None
        assert (await lease.pool.request(b"GET", b"/v1/models", headers=lease.headers)).status == 200
        assert not stopping.done()
        lease.release()
        assert (await stopping).state is EngineState.STOPPED


async def test_the_end_of_the_server_during_a_start(tmp_path: Path) -> None:
    async with engines(tmp_path, Table(fake=fake("--load", "60"))) as (made, _):
        waiting = asyncio.create_task(made.lease("fake"))
        await eventually(lambda: made.status("fake").pid is not None)
        pid = made.status("fake").pid
    with pytest.raises((EngineFailed, ShuttingDown)):
        await waiting
    assert pid is not None
    assert gone(pid)
    with pytest.raises(ShuttingDown):
        await made.lease("fake")


async def test_an_attached_server_is_used_and_never_ended(tmp_path: Path) -> None:
    async with engines(tmp_path / "a", Table(fake=fake())) as (owner, _):
        lease = await owner.lease("fake")
        key = lease.headers.split()[-1].decode()
        url = f"http://127.0.0.1:{getattr(lease.pool.address, 'port', 0)}"
        attached = EngineSpec("other", None, entry=AttachedEngine(url=url, api_key=key))
        async with engines(tmp_path / "b", Table(other=attached), start_stall=1.0) as (made, _):
            assert (await made.start("other")).pid is None
            await made.stop("other")
            assert (await lease.pool.request(b"GET", b"/v1/models", headers=lease.headers)).status == 200
            lease.release()
            await owner.stop("fake")
            with pytest.raises(EngineFailed, match="other"):
                await made.start("other")


async def test_unknown_models_are_told(tmp_path: Path) -> None:
    async with engines(tmp_path, Table()) as (made, _):
        with pytest.raises(ModelNotFound):
            await made.lease("nobody")
        with pytest.raises(ModelNotFound):
            await made.stop("nobody")


async def test_a_template_may_not_leak_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORRAL_DATABASE_URL", "postgresql://secret")
    async with engines(tmp_path, Table(fake=fake())) as (made, _):
        pid = (await made.start("fake")).pid
        assert pid is not None
        assert "postgresql://secret" not in psutil.Process(pid).environ().values()


async def test_requests_without_the_key_are_refused_from_outside(tmp_path: Path) -> None:
    async with engines(tmp_path, Table(fake=fake())) as (made, _):
        lease = await made.lease("fake")
        port = getattr(lease.pool.address, "port", 0)
        lease.release()
        with pytest.raises(urllib.error.HTTPError) as caught:
            await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{port}/v1/models")
        assert caught.value.code == 401


async def test_busy_and_free_are_told_to_those_who_watch(tmp_path: Path) -> None:
    async with engines(tmp_path, Table(fake=fake())) as (made, bus):
        await made.start("fake")
        with bus.subscribe("engines") as told:
            lease = await made.lease("fake")
            assert (await anext(aiter(told)))[1]["state"] == "busy"
            lease.release()
            assert (await anext(aiter(told)))[1]["state"] == "ready"
