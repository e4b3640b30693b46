"""Reading pieces of model files in a few threads of their own, so that a slow disk holds up neither the loop nor anybody else."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from corral.kit.errors import TooManyRequests
from corral.models.device.types import Mark

T = TypeVar("T")
READERS = 4
"""Reads that run at once."""
OPEN_FILES = 64
"""Answers that are being sent at once."""
PIECE_BYTES = 256 * 1024
"""The most that one read brings into memory."""


class Readers:
    """The threads that read, and how many files may be open."""

    def __init__(self, threads: int = READERS, files: int = OPEN_FILES) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="corral-device")
        self._limit = files
        self.open = 0

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns, from a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def take(self, open_file: Callable[[], PartFile]) -> PartFile:
        """An open file, which `give_back` closes. Raises TooManyRequests when too many are open, and what `open_file` raises."""
        if self.open >= self._limit:
            raise TooManyRequests("Too many model files are being sent just now.", retry_after=2)
        self.open += 1
        opening = asyncio.get_running_loop().run_in_executor(self._pool, open_file)
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            # Only the waiting was ended: the file opens all the same.
            opening.add_done_callback(self._opened_in_vain)
            raise
        except BaseException:
            self.open -= 1
            raise

    def give_back(self, file: PartFile) -> None:
        """Closes a file once nobody reads it any more, without waiting for that."""
        self.open -= 1
        self._pool.submit(file.close)

    def stop(self) -> None:
        """Lets the threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _opened_in_vain(self, opening: asyncio.Future[PartFile]) -> None:
        self.open -= 1
        if not opening.cancelled() and opening.exception() is None:
            opening.result().close()


class PartFile:
    """One file of a model, open for reading. Its methods block; a read never meets a close."""

    def __init__(self, path: Path) -> None:
        # A pipe in the place of a file must not make anybody wait.
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        self._path = str(path)
        self._reading = threading.Lock()
        self._closed = False
        told = os.fstat(self._fd)
        if not stat.S_ISREG(told.st_mode):
            os.close(self._fd)
            raise OSError(f"{path.name} is not a regular file")
        self.mark = Mark(self._path, told.st_size, told.st_mtime_ns)

    def read(self, offset: int, count: int) -> bytes | None:
        """Up to `count` bytes at `offset`; None when the file is no longer what it was when it was opened."""
        with self._reading:
            if self._closed:
                return None
            piece = os.pread(self._fd, count, offset)
            told = os.fstat(self._fd)
        same = (told.st_size, told.st_mtime_ns) == (self.mark.size, self.mark.written)
        return piece if same and len(piece) == count else None

    def close(self) -> None:
        """Closes it, once."""
        with self._reading:
            if not self._closed:
                self._closed = True
                os.close(self._fd)
