"""Finds engines that a killed server left behind, and ends those that are provably ours.

Each engine is noted in a file before it is started: a random token, which also stands in its environment and in that of
all that it starts. A process without the token of a note is never touched, whatever its pid.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from corral.engines.process import MARK
from corral.telemetry import get_logger

_log = get_logger("corral.engines")


@dataclass(frozen=True, slots=True)
class Note:
    """An engine that runs, and the folder of its socket."""

    token: str
    folder: str


class Ledger:
    """The notes, one file each in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, token: str, socket_folder: str) -> None:
        """Notes an engine. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self._folder / f"{token}.part"
        part.write_text(json.dumps(asdict(Note(token, socket_folder))))
        part.replace(self._folder / f"{token}.json")

    def remove(self, token: str) -> None:
        """Forgets an engine that has ended."""
        with contextlib.suppress(OSError):
            (self._folder / f"{token}.json").unlink()

    def reap(self) -> int:
        """Ends what is left of an earlier server; how many processes that were."""
        paths = [path for path in sorted(self._folder.glob("*")) if path.suffix in (".json", ".part")]
        notes = [note for path in paths if (note := _read(path)) is not None]
        ended = _end({note.token for note in notes}) if notes else 0
        for note in notes:
            if Path(note.folder).name.startswith("corral-"):
                shutil.rmtree(note.folder, ignore_errors=True)
        for path in paths:
            path.unlink(missing_ok=True)
        return ended


def _read(path: Path) -> Note | None:
    try:
        note = Note(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        _log.warning("engine_note_unreadable", path=str(path))
        return None
    return note if isinstance(note.token, str) and len(note.token) >= 16 and isinstance(note.folder, str) else None


def _end(tokens: set[str]) -> int:
    ended = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(MARK) in tokens:
                process.kill()
                ended.append(process)
                _log.warning("left_engine_ended", pid=process.pid)
    psutil.wait_procs(ended, timeout=5)
    return len(ended)
