"""The files of the log: a day each, kept within days and bytes, whole again after a full disk."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from corral.telemetry import LogFiles, LogLine, list_files
from corral.telemetry.lines import moment


def line(number: int, at: float, level: str = "info", text: str = "x") -> LogLine:
    return LogLine(str(number), moment(at), level, "corral.test", text)


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(one) for one in path.read_bytes().splitlines()]


NOON = 1_800_014_400.0
"""Noon of 15 January 2027, UTC."""


def test_everything_goes_into_the_day_and_what_is_grave_into_errors_too(tmp_path: Path) -> None:
    files = LogFiles(tmp_path / "logs", days=36500, max_bytes=10**8)
    for number, level in enumerate(("debug", "info", "warning", "error")):
        files.put(line(number, NOON, level))
    files.put(line(9, NOON + 86_400))
    assert files.flush(30)
    day, following = moment(NOON)[:10], moment(NOON + 86_400)[:10]
    assert [one["id"] for one in read(tmp_path / "logs" / f"application-{day}.log")] == ["0", "1", "2", "3"]
    assert [one["id"] for one in read(tmp_path / "logs" / f"errors-{day}.log")] == ["2", "3"]
    assert [one["id"] for one in read(tmp_path / "logs" / f"application-{following}.log")] == ["9"]
    assert (tmp_path / "logs").stat().st_mode & 0o077 == 0
    assert files.lost == 0


def test_what_is_too_old_goes_and_other_files_stay(tmp_path: Path) -> None:
    now = time.time()
    for age in range(6):
        (tmp_path / f"application-{moment(now - age * 86_400)[:10]}.log").write_text("{}\n")
    (tmp_path / "application-notes.log").write_text("mine")
    files = LogFiles(tmp_path, days=3, max_bytes=10**8)
    files.put(line(1, now))
    assert files.flush(30)
    assert [one.day for one in list_files(tmp_path)] == [moment(now - age * 86_400)[:10] for age in (2, 1, 0)]
    assert (tmp_path / "application-notes.log").exists()


def test_all_files_together_stay_within_their_bytes_also_within_a_day(tmp_path: Path) -> None:
    now = time.time()
    files = LogFiles(tmp_path, days=3, max_bytes=1024 * 1024)
    for number in range(8000):
        files.put(line(number, now, "error" if number % 3 == 0 else "info", "x" * 400))
        if number % 500 == 0:
            assert files.flush(30)
    assert files.flush(30)
    found = list_files(tmp_path)
    assert sum(one.size for one in found) < 1.6 * 1024 * 1024
    ids = [int(str(one["id"])) for file in found if file.kind == "application" for one in read(file.path)]
    assert ids == sorted(ids)
    assert ids[-1] == 7999
    assert len(ids) > 500


def test_a_line_that_a_kill_cut_does_not_spoil_the_next(tmp_path: Path) -> None:
    now = time.time()
    path = tmp_path / f"application-{moment(now)[:10]}.log"
    path.write_bytes(b'{"id":"1","at"')
    files = LogFiles(tmp_path, days=3, max_bytes=10**8)
    files.put(line(2, now))
    assert files.flush(30)
    assert path.read_bytes().splitlines()[0] == b'{"id":"1","at"'
    assert json.loads(path.read_bytes().splitlines()[1])["id"] == "2"


FULL = textwrap.dedent("""
    import resource, signal, sys, time
    from pathlib import Path
    from corral.telemetry import LogFiles, LogLine
    from corral.telemetry.lines import moment
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    files = LogFiles(Path(sys.argv[1]), days=3, max_bytes=10**8)
    files._pause.set()
    def put(number): files.put(LogLine(str(number), moment(time.time()), "info", "s", "x" * 500))
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    slowest = 0.0
    for number in range(100):
        begin = time.perf_counter()
        put(number)
        slowest = max(slowest, time.perf_counter() - begin)
        files.flush(30)
    lost = files.lost
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for number in range(100, 110):
        put(number)
        files.flush(30)
    print(lost, files.lost, slowest < 5)
""")


def test_a_full_disk_costs_lines_that_are_counted_and_told_and_nothing_else(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=120, check=True
    )
    lost, after, quick = done.stdout.split()
    assert int(lost) > 30
    assert (after, quick) == (lost, "True")
    [file] = [one for one in list_files(tmp_path) if one.kind == "application"]
    whole = []
    for raw in file.path.read_bytes().splitlines():
        try:
            whole.append(json.loads(raw))
        except ValueError:
            continue
    told = [one["fields"]["lost"] for one in whole if "could not be written" in one["message"]]
    assert sum(told) == int(lost)
    assert [one["id"] for one in whole][-10:] == [str(number) for number in range(100, 110)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_survived(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    files = LogFiles(tmp_path / "logs", days=3, max_bytes=10**8)
    files._pause.set()
    files.put(line(1, NOON))
    assert files.flush(30)
    assert files.lost == 1


def test_a_file_in_place_of_the_folder_is_survived(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    files = LogFiles(tmp_path / "logs", days=3, max_bytes=10**8)
    files._pause.set()
    files.put(line(1, NOON))
    assert files.flush(30)
    assert files.lost == 1
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
