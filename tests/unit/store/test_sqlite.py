"""What is SQLite's own: how it is opened, who may, and what happens when its disk is full or the process is killed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from sqlalchemy import text

from corral.kit.errors import StartupError
from corral.store import Database, Location
from corral.store.lock import FolderLock, file_system, is_network, lock_holder
from tests.support.scale import scaled


async def test_it_flushes_every_commit_and_writes_ahead(tmp_path: Path) -> None:
    database = await Database.open(Location(tmp_path / "corral.db"))
    asked = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    for name, value in asked.items():
        assert await database.write(lambda connection, name=name: connection.scalar(text(f"PRAGMA {name}"))) == value  # type: ignore[misc]
    assert await database.read(lambda connection: connection.scalar(text("PRAGMA query_only"))) == 1
    await database.close()


async def test_a_second_opening_is_refused_with_the_holders_pid(tmp_path: Path) -> None:
    database = await Database.open(Location(tmp_path / "corral.db"))
    with pytest.raises(StartupError, match=str(os.getpid())) as caught:
        await Database.open(Location(tmp_path / "corral.db"))
    assert caught.value.exit_code == 3
    assert lock_holder(tmp_path) == str(os.getpid())
    await database.close()
    assert lock_holder(tmp_path) is None
    await (await Database.open(Location(tmp_path / "corral.db"))).close()


def test_network_file_systems_are_known(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/a / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\n")
    assert file_system(tmp_path / "deep", mounts) == "nfs4"
    assert file_system(Path("/somewhere"), mounts) == "ext4"
    assert file_system(tmp_path, tmp_path / "none") == ""
    mounts.write_text("/dev/a / ext4 rw 0 0\nhost: /mnt/my\\040disk fuse.sshfs rw 0 0\n")
    assert file_system(Path("/mnt/my disk/data"), mounts) == "fuse.sshfs"
    assert is_network("fuse.sshfs")
    assert not is_network("ext4")


async def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corral.store.lock.file_system", lambda _: "nfs4")
    with pytest.raises(StartupError, match=r"nfs4.*--data"):
        await Database.open(Location(tmp_path / "corral.db"))
    assert lock_holder(tmp_path) is None


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartupError, match="--data"):
        FolderLock(tmp_path / "file" / "data").take()


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "corral.db").write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(StartupError, match=r"corral\.db"):
        await Database.open(Location(tmp_path / "corral.db"))


WRITER = textwrap.dedent("""
    import asyncio, resource, signal, sys
    from pathlib import Path
    from sqlalchemy import text
    from corral.kit.errors import CorralError
    from corral.store import Database, Location
    async def main():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        database = await Database.open(Location(Path(sys.argv[1])))
        await database.write(lambda c: c.execute(text("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, x TEXT)")) and None)
        if len(sys.argv) > 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
        start = await database.read(lambda c: c.scalar(text("SELECT coalesce(max(n), 0) FROM t")))
        async def one(n):
            try:
                await database.write(lambda c: c.execute(text("INSERT INTO t VALUES (:n, :x)"), {"n": n, "x": "x" * 2000}) and None)
            except CorralError as error:
                print("error", n, error.code, flush=True)
                return False
            print("kept", n, flush=True)
            return True
        n = start
        while True:
            done = await asyncio.gather(*(one(n + k) for k in range(1, 9)))
            n += 8
            if not all(done):
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                print("again" if await one(n + 1) else "dead", flush=True)
                return await database.close()
    asyncio.run(main())
""")


def kept(lines: list[str]) -> set[int]:
    return {int(line.split()[1]) for line in lines if line.startswith("kept")}


async def rows(path: Path) -> list[int]:
    database = await Database.open(Location(path))
    found = await database.read(lambda connection: list(connection.scalars(text("SELECT n FROM t ORDER BY n"))))
    assert await database.read(lambda connection: connection.scalar(text("PRAGMA integrity_check"))) == "ok"
    await database.close()
    return found


def test_a_full_disk_is_told_loses_nothing_and_is_overcome(tmp_path: Path) -> None:
    path = tmp_path / "corral.db"
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(path), "300000"], capture_output=True, text=True, timeout=120, check=False
    )
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    errors = [line.split() for line in lines if line.startswith("error")]
    assert errors
    assert {code for _, _, code in errors} <= {"storage_full", "storage_unavailable"}
    assert lines[-1] == "again"
    found = asyncio.run(rows(path))
    assert set(found) == kept(lines)


SMALL_DISK = textwrap.dedent("""
    import asyncio, subprocess, sys
    from pathlib import Path
    from sqlalchemy import text
    from corral.kit.errors import StartupError, StorageFull
    from corral.store import Database, Location
    folder = Path(sys.argv[1])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=True)
    def insert(n):
        return lambda c: c.execute(text("INSERT INTO t VALUES (:n, :x)"), {"n": n, "x": "x" * 5000}) and n
    async def main():
        location = Location(folder / "corral.db")
        database = await Database.open(location)
        (folder / "filler").write_bytes(bytes(500_000))
        await database.write(lambda c: c.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY, x TEXT)")) and None)
        kept, n, full = [], 0, 0
        while not full:
            group = range(n, n + 7)
            n += 7
            for one in await asyncio.gather(*(database.write(insert(k)) for k in group), return_exceptions=True):
                if isinstance(one, int):
                    kept.append(one)
                else:
                    assert type(one) is StorageFull, repr(one)
                    assert one.status == 507
                    full += 1
        rows = lambda c: list(c.scalars(text("SELECT n FROM t ORDER BY n")))
        assert await database.read(rows) == kept, "read while the disk is full"
        (folder / "filler").unlink()
        kept.append(await database.write(insert(n)))
        assert await database.read(rows) == kept
        assert await database.read(lambda c: c.scalar(text("PRAGMA integrity_check"))) == "ok"
        await database.close()
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        try:
            await Database.open(location)
        except StartupError as error:
            assert str(folder) in error.message and "--data" in error.message, error.message
            print("all well")
    asyncio.run(main())
""")


def test_a_disk_of_two_megabytes_fills_up_and_gets_room_again(tmp_path: Path) -> None:
    # In a mount namespace of its own, so that nothing stays behind.
    alone = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    probe = [*alone, "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here; the limit on file sizes stands in for it")
    command = [*alone, sys.executable, "-c", SMALL_DISK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "all well\n", done.stderr


@pytest.mark.parametrize("round_", range(scaled(3, 100)))
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, round_: int) -> None:
    path = tmp_path / "corral.db"
    acknowledged: set[int] = set()
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(20 + 37 * round_)]
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.read().splitlines()
        writer.wait()
        acknowledged |= kept([line for line in lines if line.strip().count(" ") == 1])
        found = asyncio.run(rows(path))
        assert acknowledged <= set(found)
