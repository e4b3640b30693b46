"""Getting one file: resumed where it broke off, counted, hashed, never more than was announced. Blocks; runs in a thread."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from corral.models.downloads.hub import Cut, Hub, Stream
from corral.models.downloads.types import HubFile

RESERVE = 256 << 20
"""Bytes of the disk that are left to others."""
TRIES = 8
"""Tries without a single new byte."""
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_HASHED = 4 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Failed(Exception):
    """The file cannot be had; the text says why and what to do."""


class Ended(Exception):
    """Nobody wants it any more."""


class _Changed(Exception):
    """What comes is not what was announced, or not what came before."""


@dataclass(slots=True)
class Watch:
    """What both sides of a transfer see: whether it is still wanted, how far it is, and what it does."""

    ended: threading.Event = field(default_factory=threading.Event)
    done: int = 0
    checking: bool = False

    def look(self) -> None:
        """Raises Ended when it is not wanted any more."""
        if self.ended.is_set():
            raise Ended


@dataclass(frozen=True, slots=True)
class Source:
    """A file of a repository at one commit."""

    hub: Hub
    repo: str
    commit: str
    file: HubFile


class _Digest:
    """The checksum of what was written so far, as far as it was written in order."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.count = 0
        self._hash = hashlib.sha256()

    def add(self, piece: bytes) -> None:
        self._hash.update(piece)
        self.count += len(piece)

    def of(self, part: Path, watch: Watch) -> str:
        """The checksum of the whole file; only what is not known yet is read."""
        with part.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if self.count > size:
                self.begin()
            file.seek(self.count)
            while piece := file.read(_HASHED):
                watch.look()
                self.add(piece)
        return self._hash.hexdigest()


def fetch(source: Source, part: Path, watch: Watch, *, pauses: tuple[float, ...] = PAUSES) -> None:
    """Brings a file whole to `part`. Raises Failed and Ended; what has come stays there for another time."""
    wanted, digest, idle, again = source.file, _Digest(), 0, 0
    while True:
        watch.look()
        before = watch.done = _have(part)
        try:
            if wanted.size is None or before != wanted.size:
                _receive(source, part, watch, digest)
            _check(wanted, part, watch, digest)
        except Cut as error:
            idle = 0 if _have(part) > before else idle + 1
            if idle >= TRIES:
                raise Failed(f"{_capital(str(error))}, {TRIES} times in a row. Resume it later.") from None
            watch.ended.wait(pauses[min(idle, len(pauses) - 1)])
        except _Changed as error:
            watch.look()
            part.unlink(missing_ok=True)
            digest.begin()
            again += 1
            if again > 1:
                raise Failed(f"{error}, twice. It was thrown away; nothing of it is used.") from None
        except OSError as error:
            raise Failed(_disk(error, part)) from None
        else:
            return


def _receive(source: Source, part: Path, watch: Watch, digest: _Digest) -> None:
    have, wanted = _have(part), source.file
    if wanted.size is not None and have > wanted.size:
        raise _Changed(f"More of {wanted.name} is there than the {wanted.size} bytes that the hub lists")
    with source.hub.open(source.repo, source.commit, wanted.name, have) as stream:
        watch.look()
        if have and stream.total == 0:
            raise _Changed(f"The hub has less of {wanted.name} than came before")
        if stream.total is not None and wanted.size is not None and stream.total != wanted.size:
            raise _Changed(f"The hub lists {wanted.size} bytes for {wanted.name} and sends {stream.total}")
        # A server that cannot begin in the middle begins at the start.
        start = have if stream.start == have else 0
        if stream.start != start:
            raise _Changed(f"The hub sends another piece of {wanted.name} than was asked for")
        size = wanted.size if wanted.size is not None else stream.total
        _make_room(part, (size or 0) - start)
        if start != digest.count:
            digest.begin()
        # Unbuffered, so that a thread that was left alone has nothing to write any more when it wakes.
        with part.open("r+b" if part.exists() else "xb", buffering=0) as file:
            file.seek(start)
            if have > start:
                file.truncate()
            watch.done = start
            _write(stream, file, size, watch, digest if digest.count == start else None)
    if size is not None and watch.done < size:
        raise Cut("the connection ended early")


def _write(stream: Stream, file: FileIO, size: int | None, watch: Watch, digest: _Digest | None) -> None:
    for piece in stream.pieces:
        watch.look()
        if size is not None and watch.done + len(piece) > size:
            raise _Changed("The hub sends more than it announced")
        rest = memoryview(piece)
        while rest:
            rest = rest[file.write(rest) :]
        if digest is not None:
            digest.add(piece)
        watch.done += len(piece)
    os.fsync(file.fileno())


def _check(wanted: HubFile, part: Path, watch: Watch, digest: _Digest) -> None:
    if wanted.sha256 is None:
        return
    watch.checking = True
    try:
        if digest.of(part, watch) != wanted.sha256:
            raise _Changed(f"The checksum of {wanted.name} is not the one that the hub lists")
    finally:
        watch.checking = False


def check_whole(wanted: HubFile, path: Path, watch: Watch) -> bool:
    """Whether a file that is there already is the wanted one."""
    if wanted.size is not None and _have(path) != wanted.size:
        return False
    watch.checking = True
    try:
        return wanted.sha256 is None or _Digest().of(path, watch) == wanted.sha256
    finally:
        watch.checking = False


def _make_room(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > 0 and free < needed + RESERVE:
        raise Failed(_space(needed, free))


def _space(needed: int, free: int) -> str:
    return (
        f"The disk has not enough room: {needed / 1e9:.2f} GB are still to come and {free / 1e9:.2f} GB are free. "
        "Make room, then resume it."
    )


def _disk(error: OSError, part: Path) -> str:
    if error.errno in _FULL:
        return "The disk is full. What has come is kept; make room, then resume it."
    return f"{part.parent} cannot be written: {error.strerror or error}."


def _have(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
