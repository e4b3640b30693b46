"""Engines in trouble: wishes that cross, failures that repeat, servers of somebody else that come and go."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from corral.engines import EngineSpec, EngineState
from corral.kit.errors import EngineFailed
from corral.settings import AttachedEngine
from tests.support.engines import FAKE, Table, attached, embedded, engines, fake, gone
from tests.support.waiting import eventually

LLAMA_SERVER = FAKE.with_name("llama_server.py")


async def test_a_stop_returns_although_requests_start_it_again(tmp_path: Path) -> None:
    async with engines(tmp_path, Table(fake=fake("--load", "0.2"))) as (made, _):
        await made.start("fake")

        async def ask() -> None:
            while True:
                with suppress(EngineFailed):
                    (await made.lease("fake")).release()
                await asyncio.sleep(0)

        asking = asyncio.create_task(ask())
        for _ in range(3):
            assert await asyncio.wait_for(made.stop("fake"), 60)
            await asyncio.sleep(0.1)
        asking.cancel()


async def test_pitfall_05_a_stop_during_the_pause_after_a_crash_is_the_end_of_it(tmp_path: Path) -> None:
    count = tmp_path / "count"
    async with engines(tmp_path, Table(fake=fake("--die-after", "0", "--count", str(count)))) as (made, _):
        await made.start("fake")
        await eventually(lambda: made.status("fake").restarts == 1)
        assert (await made.stop("fake")).state is EngineState.STOPPED
        starts = count.read_text()
        await asyncio.sleep(1.0)
        assert made.status("fake").state is EngineState.STOPPED
        assert count.read_text() == starts


async def test_requests_wait_for_the_restart_after_a_crash(tmp_path: Path) -> None:
    async with engines(tmp_path, Table(fake=fake("--die-after", "0.3"))) as (made, _):
        await made.start("fake")
        await eventually(lambda: made.status("fake").restarts == 1)
        lease = await made.lease("fake")
        assert (await lease.pool.request(b"GET", b"/v1/models", headers=lease.headers)).status == 200
        lease.release()


async def test_requests_do_not_hammer_a_model_that_cannot_start(tmp_path: Path) -> None:
    count = tmp_path / "count"
    table = Table(fake=fake("--exit", "3", "--say", "out of memory", "--count", str(count)))
    async with engines(tmp_path, table, crash_limit=2) as (made, _):
        for _ in range(3):
            while True:
                with pytest.raises(EngineFailed, match="out of memory"):
                    await made.lease("fake")
                if "too often" in str(made.status("fake").error):
                    break
                await asyncio.sleep(0.02)
        assert count.read_text().count("started") == 3
        with pytest.raises(EngineFailed, match="too often"):
            await made.lease("fake")
        # A user's start is another try; so is a request once the model has been changed.
        with pytest.raises(EngineFailed):
            await made.start("fake")
        assert count.read_text().count("started") == 4
        table.specs["fake"] = fake("--load", "0.1")
        (await made.lease("fake")).release()
        assert made.status("fake").state is EngineState.READY


async def test_an_engine_that_closes_its_port_is_started_again(tmp_path: Path) -> None:
    async with engines(tmp_path, Table(fake=fake("--close-after", "0.2")), health_every=0.1) as (made, bus):
        with bus.subscribe("engines") as told:
            pid = (await made.start("fake")).pid
            await eventually(lambda: made.status("fake").restarts >= 1)
            async for _, event in told:
                if event["state"] == "failed":
                    break
        assert event["error"]["code"] == "unresponsive"
        assert pid is not None
        assert gone(pid)
        (await made.lease("fake")).release()


async def test_a_caller_that_leaves_takes_nothing_along(tmp_path: Path) -> None:
    async with engines(tmp_path, Table(fake=fake("--load", "0.5"))) as (made, _):
        leaving = asyncio.create_task(made.lease("fake"))
        staying = asyncio.create_task(made.lease("fake"))
        await eventually(lambda: made.status("fake").state is EngineState.LOADING)
        leaving.cancel()
        (await staying).release()
        assert made.status("fake").busy == 0


async def test_a_grace_period_ends_with_the_engine(tmp_path: Path) -> None:
    async with engines(tmp_path, Table(fake=fake()), stop_grace=600.0) as (made, _):
        await made.start("fake")
        # An engine that hears its SIGTERM does not wait for the grace to pass.
        await asyncio.wait_for(made.stop("fake"), 60)


async def test_a_llama_server_is_run_and_tells_what_it_has_loaded(tmp_path: Path, scripted_model: Path) -> None:
    binary = program(tmp_path / "llama-server", LLAMA_SERVER)
    entry = AttachedEngine(llama_server=str(binary), model=str(scripted_model), slots=3)
    spec = EngineSpec("real", scripted_model, 0, 512, 3, entry=entry)
    async with engines(tmp_path, Table(real=spec, embedded=embedded(scripted_model))) as (made, _):
        for name, slots in (("real", 3), ("embedded", 2)):
            status = await made.start(name)
            assert (status.slots, status.context_length) == (slots, 512)
            lease = await made.lease(name)
            body = b'{"messages": [{"role": "user", "content": "ping"}]}'
            path, kind = b"/v1/chat/completions", b"content-type: application/json\r\n"
            answer = await lease.pool.request(b"POST", path, headers=lease.headers + kind, body=body)
            assert b"pong" in await answer.read(1 << 20)
            assert (await lease.pool.request(b"POST", path, headers=kind, body=body)).status == 401
            lease.release()


async def test_a_llama_server_that_knows_other_flags_is_told(tmp_path: Path, scripted_model: Path) -> None:
    old = tmp_path / "old.py"
    old.write_text(LLAMA_SERVER.read_text().replace("] = ()", '] = ("--jinja",)'))
    entry = AttachedEngine(llama_server=str(program(tmp_path / "llama-server", old)), model=str(scripted_model))
    async with engines(tmp_path, Table(old=EngineSpec("old", scripted_model, entry=entry))) as (made, _):
        with pytest.raises(EngineFailed, match=r"(?s)does not know one of its options.*invalid argument: --jinja"):
            await made.start("old")


def program(path: Path, script: Path) -> Path:
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    path.chmod(0o755)
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(port: int, key: str = "") -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, str(FAKE), "--port", str(port), "--key", key])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_an_attached_server_that_comes_and_goes(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    table = Table(other=attached(url, "k"))
    async with engines(tmp_path, table, attach_patience=0.2, health_every=0.1) as (made, _):
        with pytest.raises(EngineFailed, match=f"attached to .{url}. does not answer"):
            await made.lease("other")
        with server(port, "k"):

            async def leased() -> bool:
                try:
                    (await made.lease("other")).release()
                except EngineFailed:
                    return False
                return True

            await eventually(leased)
        await eventually(lambda: made.status("other").state is not EngineState.READY)
        await eventually(lambda: (getattr(made.status("other").error, "code", "")) == "unreachable")
        with pytest.raises(EngineFailed, match="does not answer"):
            await made.lease("other")
        with server(port, "k"):
            # Nobody asks for it, and it is there again.
            await eventually(lambda: made.status("other").state is EngineState.READY)


async def test_an_attached_server_with_another_key_is_told_at_once(tmp_path: Path) -> None:
    port = free_port()
    with server(port, "right") as process:
        async with engines(tmp_path, Table(other=attached(f"http://127.0.0.1:{port}", "wrong"))) as (made, _):
            await eventually(lambda: listens(port))
            with pytest.raises(EngineFailed, match="refuses our key"):
                await made.start("other")
        assert process.poll() is None


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
