"""SHA-256 of model files: worked out once, one file after the other in a thread, and remembered over restarts."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from corral.kit.tasks import Tasks
from corral.models.device.types import Mark
from corral.models.downloads.aside import aside
from corral.telemetry import get_logger

REMEMBERED = 2_000
WAITING = 256
_PIECE = 1 << 20
_VERSION = 1
_log = get_logger("corral.device")


class Digests:
    """The digests of files by their marks; a file that was written again counts as another one.

    Args:
        path: where they are kept; the oldest of more than REMEMBERED are forgotten.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: OrderedDict[Mark, str] = OrderedDict()
        self._waiting: asyncio.Queue[Mark] = asyncio.Queue(WAITING)
        self._wanted: set[Mark] = set()
        self._ended = threading.Event()
        self._tasks = Tasks("device digests")

    async def start(self) -> None:
        """Reads what is remembered and begins to work."""
        self._known = await asyncio.to_thread(_load, self._path)
        self._tasks.start("digests", self._work())

    async def stop(self) -> None:
        """Ends the work; what is half done is done again when it is wanted."""
        self._ended.set()
        await self._tasks.stop()

    def known(self, mark: Mark) -> str | None:
        """The digest of a file in hexadecimal, None while it is not known."""
        return self._known.get(mark)

    def want(self, mark: Mark) -> None:
        """Has a digest worked out. When too many wait it is left until it is wanted again."""
        if mark in self._known or mark in self._wanted or self._waiting.full():
            return
        self._wanted.add(mark)
        self._waiting.put_nowait(mark)

    async def _work(self) -> None:
        while True:
            mark = await self._waiting.get()
            try:
                digest = await aside(lambda mark=mark: digest_of(mark, self._ended), self._ended)  # type: ignore[misc]
            except OSError as error:
                _log.warning("digest_failed", path=mark.path, reason=str(error))
                continue
            finally:
                self._wanted.discard(mark)
            if digest is not None:
                await self._remember(mark, digest)

    async def _remember(self, mark: Mark, digest: str) -> None:
        self._known[mark] = digest
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        rows = [[*mark, digest] for mark, digest in self._known.items()]
        try:
            await asyncio.to_thread(_keep, self._path, rows)
        except OSError as error:
            _log.warning("digests_not_kept", path=str(self._path), reason=str(error))


def digest_of(mark: Mark, ended: threading.Event) -> str | None:
    """The SHA-256 of the file of `mark`; None when it changes meanwhile, or when `ended` is set. Raises OSError."""
    digest = hashlib.sha256()
    with Path(mark.path).open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            if ended.is_set():
                return None
            digest.update(piece)
        told = os.fstat(file.fileno())
    return digest.hexdigest() if (told.st_size, told.st_mtime_ns) == mark[1:] else None


def _load(path: Path) -> OrderedDict[Mark, str]:
    """What is remembered; nothing where the file cannot be read, since all of it can be worked out again."""
    known: OrderedDict[Mark, str] = OrderedDict()
    try:
        rows = json.loads(path.read_bytes())["digests"]
        for place, size, written, digest in rows[-REMEMBERED:]:
            if isinstance(digest, str) and len(digest) == 64:
                known[Mark(str(place), int(size), int(written))] = digest
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, KeyError) as error:
        _log.warning("digests_unreadable", path=str(path), reason=str(error))
        known.clear()
    return known


def _keep(path: Path, rows: list[list[Any]]) -> None:
    """Writes them, whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump({"version": _VERSION, "digests": rows}, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
