"""However the server or a part of an engine dies: nothing of the engine is left."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from corral.engines import EngineState
from corral.engines.process import MARK
from corral.engines.reaper import Ledger
from tests.support.engines import Table, engines, fake, gone
from tests.support.waiting import eventually

HOST = textwrap.dedent("""
    import asyncio, sys
    from pathlib import Path
    from tests.support.engines import Table, embedded, engines, fake
    folder, model, moment = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    async def main():
        load = "0" if moment in ("ready", "busy") else "60"
        table = Table(real=embedded(model), fake=fake("--fork", str(folder / "grandchild"), "--load", load, "--deaf"))
        async with engines(folder, table) as (made, _):
            await made.start("real")
            starting = asyncio.create_task(made.start("fake"))
            while not (folder / "grandchild").exists() and moment != "starting":
                await asyncio.sleep(0.02)
            while made.status("fake").state.value not in (moment, "loading", "ready"):
                await asyncio.sleep(0)
            while made.status("fake").state.value != "ready" and moment in ("ready", "busy"):
                await asyncio.sleep(0)
            if moment == "busy":
                leases = [await made.lease(name) for name in ("real", "fake")]
            print("pids", *[one.pid or "" for one in made.statuses()], flush=True)
            await asyncio.sleep(600 if moment != "starting" else 0.0)
            while True:  # the spawning goes on, and this server never comes to know of it
                await asyncio.sleep(0.001)
    asyncio.run(main())
""")


@contextmanager
def killed(folder: Path, model: Path, moment: str) -> Iterator[list[int]]:
    """A server with engines, killed at a moment; the pids that it told."""
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, str(folder), str(model), moment], stdout=subprocess.PIPE, text=True
    )
    try:
        assert host.stdout is not None
        # Between lines of its log.
        line = next(line for line in host.stdout if line.startswith("pids"))
        pids = [int(pid) for pid in line.split()[1:]]
        assert pids
        assert not any(gone(pid) for pid in pids)
    finally:
        host.kill()
        host.wait()
    yield pids


@pytest.mark.parametrize("moment", ["starting", "loading", "ready", "busy"])
async def test_pitfall_01_no_engine_outlives_a_killed_server(tmp_path: Path, scripted_model: Path, moment: str) -> None:
    with killed(tmp_path, scripted_model, moment) as pids:
        if moment != "starting":
            assert len(pids) == 2
            pids.append(int((tmp_path / "grandchild").read_text()))
    await eventually(lambda: all(gone(pid) for pid in pids))
    if moment == "starting" and (tmp_path / "grandchild").exists():
        await eventually(lambda: gone(int((tmp_path / "grandchild").read_text())))
    assert list((tmp_path / "run").glob("*.json")), "the killed server left no notes"
    # The next server clears the notes away.
    async with engines(tmp_path, Table()):
        assert not list((tmp_path / "run").iterdir())


async def test_the_death_of_the_guardian_takes_the_whole_engine_along(tmp_path: Path) -> None:
    notes = {"--fork": tmp_path / "forked", "--loose": tmp_path / "loose"}
    arguments = [part for flag, note in notes.items() for part in (flag, str(note))]
    # Its death alone must tell: a grandchild still holds its output open, and its health is not asked for.
    async with engines(tmp_path, Table(fake=fake(*arguments)), health_every=600.0) as (made, _):
        guardian = (await made.start("fake")).pid
        assert guardian is not None
        engine = psutil.Process(guardian).children()[0].pid
        os.kill(guardian, signal.SIGKILL)
        await eventually(lambda: made.status("fake").restarts == 1)
        await eventually(lambda: gone(engine) and gone(int(notes["--fork"].read_text())))


async def test_pitfall_04_a_stop_ends_also_what_left_the_group(tmp_path: Path) -> None:
    note = tmp_path / "loose"
    async with engines(tmp_path, Table(fake=fake("--loose", str(note)))) as (made, _):
        await made.start("fake")
        loose = int(note.read_text())
        assert os.getpgid(loose) == loose
        await made.stop("fake")
        await eventually(lambda: gone(loose))
        assert made.status("fake").state is EngineState.STOPPED


def test_pitfall_02_the_reaper_ends_what_is_ours_and_nothing_else(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ours, strange = secrets.token_hex(16), secrets.token_hex(16)
    # Ours has a child of its own, in a session of its own.
    family = "import subprocess, sys, time; print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid, flush=True); time.sleep(600)"
    marked = subprocess.Popen(
        [sys.executable, "-c", family], env={**os.environ, MARK: ours}, stdout=subprocess.PIPE, text=True
    )
    # As if somebody else had got the pid of a dead engine: it runs the same, even with a token in its command line.
    stranger = subprocess.Popen(["sleep", "600"], env={**os.environ, MARK: strange})
    namesake = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", ours])
    try:
        assert marked.stdout is not None
        grandchild = int(marked.stdout.readline())
        socket_folder = tmp_path / "corral-socket"
        socket_folder.mkdir()
        ledger.add(ours, str(socket_folder))
        ledger.add(secrets.token_hex(16), "")
        (tmp_path / "rubbish.json").write_text("{not json")
        (tmp_path / "half.part").write_text("")
        assert ledger.reap() == 2
        assert gone(marked.pid)
        assert gone(grandchild)
        assert stranger.poll() is None
        assert namesake.poll() is None
        assert list(tmp_path.iterdir()) == []
        assert ledger.reap() == 0
    finally:
        for process in (marked, stranger, namesake):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            process.wait()
