"""Pitfalls that bit others and concern the supervision of engines, one test each; those that are not here are in
test_engines*.py and tests/unit under the same kind of name."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import os
import signal
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from corral.engines import EngineState
from corral.engines.memory import Machine, SystemGauge
from corral.kit.errors import EngineFailed
from tests.support.engines import MIB, Table, embedded, engines, fake, gone, newcomers, sized, takes
from tests.support.scale import scaled
from tests.support.waiting import eventually, within


async def test_pitfall_03_rounds_of_start_and_stop_leave_nothing(tmp_path: Path, scripted_model: Path) -> None:
    process, rounds, mine = psutil.Process(), scaled(12, 100), newcomers()
    async with engines(tmp_path, Table(real=embedded(scripted_model), fake=fake())) as (made, _):
        before = memory = 0
        for number in range(rounds):
            name = "fake" if number % 4 == 3 else "real"
            lease = await made.lease(name)
            assert (await lease.pool.request(b"GET", b"/v1/models", headers=lease.headers)).status == 200
            lease.release()
            await made.stop(name)
            if number == rounds // 3:
                before, memory = process.num_fds(), process.memory_info().rss
        assert [one for one in mine() if one.status() == psutil.STATUS_ZOMBIE] == []
        await eventually(lambda: not mine(), message="an engine is left")
        await eventually(lambda: process.num_fds() <= before, message="descriptors leak")
        assert process.memory_info().rss - memory < 16 * MIB
        assert not list((tmp_path / "run").glob("*"))
        assert made.memory()["taken"] == 0


async def test_pitfall_05_a_kill_for_want_of_memory_is_followed_by_a_restart_and_a_stop_is_not(tmp_path: Path) -> None:
    async with engines(tmp_path, Table(fake=fake())) as (made, _):
        guardian = (await made.start("fake")).pid
        assert guardian is not None
        # As the system does it: the engine itself, with SIGKILL.
        os.kill(psutil.Process(guardian).children()[0].pid, signal.SIGKILL)
        await eventually(lambda: made.status("fake").restarts == 1)
        await eventually(lambda: made.status("fake").state is EngineState.READY)
        await made.stop("fake")
        await asyncio.sleep(1.0)
        assert made.status("fake").state is EngineState.STOPPED


async def test_pitfall_06_an_engine_that_floods_its_log_goes_on(tmp_path: Path) -> None:
    async with engines(tmp_path, Table(fake=fake("--flood", str(scaled(30, 100))))) as (made, _):
        assert (await made.start("fake")).state is EngineState.READY
        assert len(made.logs("fake")) <= 200


class StubbornGauge(SystemGauge):
    """Says that memory is still in use after the process that used it has ended, until told otherwise."""

    def __init__(self) -> None:
        self.held = True
        self.asked: set[int] = set()

    def used(self, pids: Iterable[int]) -> Mapping[int, int]:
        pids = list(pids)
        self.asked.update(pid for pid in pids if gone(pid))
        real = super().used(pids)
        return {pid: MIB if self.held and gone(pid) else used for pid, used in real.items()}

    def machine(self) -> Machine:
        return Machine(1 << 34, 1 << 34)


async def test_pitfall_07_a_swap_waits_until_memory_is_measured_free(tmp_path: Path) -> None:
    gauge = StubbornGauge()
    table = Table(a=sized("a"), b=sized("b"))
    async with engines(tmp_path, table, memory_budget=150 * MIB, min_residency=0.0, gauge=gauge) as (made, _):
        pid = (await made.start("a")).pid
        assert pid is not None
        swapping = asyncio.create_task(made.lease("b"))
        await eventually(lambda: pid in gauge.asked)
        await asyncio.sleep(0.3)
        assert gone(pid)
        assert made.status("b").state is EngineState.STARTING
        assert made.status("b").waits_for_memory
        gauge.held = False
        (await within(swapping)).release()


async def test_pitfall_08_a_failed_load_does_not_hinder_the_next_model(tmp_path: Path) -> None:
    table = Table(a=sized("a"), bad=sized("bad", "--exit", "3", "--say", "gguf: invalid magic"), c=sized("c"))
    async with engines(tmp_path, table, memory_budget=150 * MIB, min_residency=0.0) as (made, _):
        await made.start("a")
        with pytest.raises(EngineFailed, match="invalid magic"):
            await within(made.lease("bad"))
        assert made.status("bad").state is EngineState.FAILED
        assert made.memory()["taken"] == 0
        (await within(made.lease("c"))).release()


async def test_pitfall_10_a_stop_while_it_waits_for_memory_leaves_nothing(tmp_path: Path) -> None:
    table, mine = Table(a=sized("a"), b=sized("b")), newcomers()
    async with engines(tmp_path, table, memory_budget=150 * MIB, min_residency=0.0) as (made, bus):
        lease = await within(made.lease("a"))
        with bus.subscribe("engines") as told:
            waiting = asyncio.create_task(made.lease("b"))
            async with asyncio.timeout(60):
                async for _, event in told:
                    if event["name"] == "b" and event["waitsForMemory"]:
                        break
        assert (await made.stop("b")).state is EngineState.STOPPED
        with pytest.raises(EngineFailed, match="stopped"):
            await within(waiting)
        # Nobody waits any more, so the one that was closed for it serves again.
        await eventually(lambda: takes(made, "a"))
        lease.release()
        assert len(mine()) == 2


async def test_pitfall_11_an_answer_is_finished_before_another_model_takes_its_place(tmp_path: Path) -> None:
    table = Table(a=sized("a"), b=sized("b"))
    async with engines(tmp_path, table, memory_budget=150 * MIB, min_residency=0.0, drain=0.1) as (made, _):
        lease = await within(made.lease("a"))
        waiting = asyncio.create_task(made.lease("b"))
        await eventually(lambda: not takes(made, "a"))
        late = asyncio.create_task(made.lease("a"))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        assert (await lease.pool.request(b"GET", b"/v1/models", headers=lease.headers)).status == 200
        lease.release()
        other = await within(waiting)
        assert made.status("a").state in (EngineState.STARTING, EngineState.STOPPING, EngineState.STOPPED)
        assert not late.done()
        # And back again, for the request that came late.
        other.release()
        (await within(late)).release()


async def test_pitfall_13_a_long_answer_is_not_idle(tmp_path: Path) -> None:
    async with engines(tmp_path, Table(a=sized("a", idle_stop=0.5))) as (made, _):
        lease = await within(made.lease("a"))
        await asyncio.sleep(2.0)
        assert made.status("a").state is EngineState.BUSY
        lease.release()
        await eventually(lambda: made.status("a").state is EngineState.STOPPED)
        (await within(made.lease("a"))).release()


@contextlib.contextmanager
def stranger(port: int) -> Iterator[list[str | None]]:
    """Somebody else's server at a port, which answers everything with 200; yields the keys that it was told."""
    told: list[str | None] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.append(self.headers.get("authorization"))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_pitfall_15_a_port_that_was_taken_meanwhile(tmp_path: Path) -> None:
    note = tmp_path / "port"
    async with engines(tmp_path, Table(fake=fake("--taken-once", str(note)))) as (made, _):
        starting = asyncio.create_task(made.start("fake"))
        await eventually(note.exists)
        port = int(note.read_text())
        with stranger(port) as told:
            note.with_name("port.done").touch()
            assert (await within(starting)).state is EngineState.READY
            lease = await within(made.lease("fake"))
            assert getattr(lease.pool.address, "port", port) != port
            lease.release()
        assert told == [], "a stranger was told the engine's key"
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
