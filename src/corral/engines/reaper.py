"""Finds engines that a killed server left behind, and ends those that are provably ours.

Each engine is noted in a file before it is used: pid, start time and a random token that stands in its command line.
Only a process that matches all three is ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import psutil

from corral.telemetry import get_logger

_log = get_logger("corral.engines")


@dataclass(frozen=True, slots=True)
class Note:
    """An engine that runs."""

    pid: int
    started: float
    token: str
    folder: str


class Ledger:
    """The notes, one file each in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, pid: int, token: str, socket_folder: str) -> None:
        """Notes an engine."""
        try:
            started = psutil.Process(pid).create_time()
        except psutil.Error:
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self._folder / f"{token}.part"
        part.write_text(json.dumps({"pid": pid, "started": started, "token": token, "folder": socket_folder}))
        part.replace(self._folder / f"{token}.json")

    def remove(self, token: str) -> None:
        """Forgets an engine that has ended."""
        with contextlib.suppress(OSError):
            (self._folder / f"{token}.json").unlink()

    def reap(self) -> int:
        """Ends what is left of an earlier server; how many that were."""
        ended = 0
        for path in sorted(self._folder.glob("*.json")):
            try:
                note = Note(**json.loads(path.read_text()))
                ended += self._end(note)
                if note.folder and Path(note.folder).name.startswith("corral-"):
                    shutil.rmtree(note.folder, ignore_errors=True)
            except (OSError, ValueError, TypeError):
                _log.warning("engine_note_unreadable", path=str(path))
            path.unlink(missing_ok=True)
        return ended

    @staticmethod
    def _end(note: Note) -> int:
        try:
            process = psutil.Process(note.pid)
            if abs(process.create_time() - note.started) > 0.05 or note.token not in process.cmdline():
                return 0
            children = process.children(recursive=True)
            os.killpg(note.pid, signal.SIGKILL)
            for child in children:
                with contextlib.suppress(psutil.Error):
                    child.kill()
            process.wait(5)
        except (psutil.Error, ProcessLookupError, PermissionError):
            return 0
        _log.warning("left_engine_ended", pid=note.pid)
        return 1
