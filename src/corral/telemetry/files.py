"""The log's files: one a day for everything, one a day for warnings and errors; JSON, a line each.

They are written by a thread of their own. A disk that is full or slow costs lines, which are counted and told in the
file as soon as it takes lines again; it never holds up anybody.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from corral.telemetry.drain import Drain
from corral.telemetry.lines import LogLine, encode, level_number, moment

ALL, ERRORS = "application", "errors"
_NAME = re.compile(r"(application|errors)-(\d{4}-\d{2}-\d{2})(?:\.(\d{1,6}))?\.log")
_GATHER = 0.2
_AFTER_FAILURE = 1.0
_PRUNE_EVERY = 600.0
_WARNING = level_number("warning")
_PARTS = 8
"""A day's file is parted when it has grown to this part of all the room, so that room can be made within a day."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file of the log. `part` is None for the one that is written now; a day's parts come before it."""

    path: Path
    kind: str
    day: str
    part: int | None
    size: int

    @property
    def order(self) -> tuple[str, float]:
        """Sorts the files of a kind by age, the oldest first."""
        return self.day, float("inf") if self.part is None else self.part


def list_files(folder: Path, kind: str | None = None) -> list[LogFile]:
    """The files of the log (of one kind), the oldest first."""
    found = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            name = _NAME.fullmatch(entry.name)
            if name is not None and kind in (None, name.group(1)) and entry.is_file(follow_symlinks=False):
                part = int(name.group(3)) if name.group(3) else None
                size = entry.stat(follow_symlinks=False).st_size
                found.append(LogFile(Path(entry.path), name.group(1), name.group(2), part, size))
    return sorted(found, key=lambda one: (one.order, one.kind))


class LogFiles:
    """Writes lines to `folder`. Keeps `days` days and `max_bytes` bytes in all, the newest."""

    def __init__(self, folder: Path, *, days: int, max_bytes: int) -> None:
        self.folder = folder
        self.days = days
        self.max_bytes = max_bytes
        self._part_bytes = max(64 * 1024, max_bytes // _PARTS)
        self._open: dict[str, tuple[str, BinaryIO, int]] = {}
        self._pruned = 0.0
        self._pause = threading.Event()
        self._drain: Drain[LogLine] = Drain("corral-log-files", self._write, gather=_GATHER)

    @property
    def lost(self) -> int:
        """Lines that could not be written."""
        return self._drain.lost

    def put(self, line: LogLine) -> None:
        """Hands over a line, at once."""
        self._drain.put(line)

    def flush(self, seconds: float = 5.0) -> bool:
        """Waits until everything is written; False when that takes longer."""
        return self._drain.flush(seconds)

    def _write(self, batch: list[LogLine], lost: int) -> int:
        try:
            if time.monotonic() - self._pruned > _PRUNE_EVERY or not self._open:
                self._prune()
            if lost:
                self._append(ALL, [_lost_line(lost, batch[0])])
            self._append(ALL, batch)
            grave = [line for line in batch if level_number(line.level) >= _WARNING]
            if grave:
                self._append(ERRORS, grave)
        except OSError:
            self._close()
            # It is tried again, but not for every line.
            self._pause.wait(_AFTER_FAILURE)
            return len(batch)
        return 0

    def _append(self, kind: str, lines: list[LogLine]) -> None:
        start = 0
        for index, line in enumerate(lines):
            day = line.at[:10]
            if index + 1 == len(lines) or lines[index + 1].at[:10] != day:
                self._append_day(kind, day, b"".join(encode(one) + b"\n" for one in lines[start : index + 1]))
                start = index + 1

    def _append_day(self, kind: str, day: str, data: bytes) -> None:
        held = self._open.get(kind)
        if held is None or held[0] != day:
            held = self._begin(kind, day)
        elif held[2] + len(data) > self._part_bytes and held[2]:
            held = self._next_part(kind, day)
        _, file, size = held
        left = memoryview(data)
        while left:
            # A disk that fills up takes a part first, and refuses only then.
            left = left[file.write(left) :]
        self._open[kind] = (day, file, size + len(data))

    def _begin(self, kind: str, day: str) -> tuple[str, BinaryIO, int]:
        old = self._open.pop(kind, None)
        if old is not None:
            old[1].close()
            self._prune()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / f"{kind}-{day}.log"
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b", buffering=0)
        try:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                # A line that a full disk or a kill cut must not spoil the next one.
                if file.read(1) != b"\n":
                    size += file.write(b"\n")
        except BaseException:
            file.close()
            raise
        self._open[kind] = (day, file, size)
        return self._open[kind]

    def _next_part(self, kind: str, day: str) -> tuple[str, BinaryIO, int]:
        self._open.pop(kind)[1].close()
        parts = [one.part for one in list_files(self.folder, kind) if one.day == day and one.part is not None]
        path = self.folder / f"{kind}-{day}.log"
        path.rename(self.folder / f"{kind}-{day}.{max(parts, default=0) + 1}.log")
        self._prune()
        return self._begin(kind, day)

    def _prune(self) -> None:
        """Removes what is too old or too much; what is written now stays."""
        self._pruned = time.monotonic()
        oldest = moment(time.time() - self.days * 86_400)[:10]
        files = list_files(self.folder)
        total = sum(one.size for one in files)
        held = {f"{kind}-{day}.log" for kind, (day, _, _) in self._open.items()}
        today = moment(time.time())[:10]
        for one in files:
            spare = one.path.name in held or (one.part is None and one.day >= today)
            if (one.day <= oldest or total > self.max_bytes) and not spare:
                with contextlib.suppress(OSError):
                    one.path.unlink()
                    total -= one.size

    def _close(self) -> None:
        for _, file, _ in self._open.values():
            with contextlib.suppress(OSError):
                file.close()
        self._open.clear()


def _lost_line(lost: int, before: LogLine) -> LogLine:
    text = f"{lost} lines could not be written to this file"
    return LogLine(before.id, before.at, "warning", "corral.telemetry", text, "", {"lost": lost})
