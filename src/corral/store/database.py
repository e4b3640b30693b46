"""The database as the rooms see it: functions of a connection, read or written off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from corral.kit.errors import ShuttingDown, StartupError
from corral.store.engines import Location, keep_savepoints_in_memory, open_engines, translate
from corral.store.lock import FolderLock
from corral.store.migrate import upgrade
from corral.store.writer import Writer

T = TypeVar("T")
_READ_THREADS = 4


class Database:
    """One database, opened and migrated. Make it with `open`."""

    def __init__(self, location: Location, writer: Engine, reader: Engine, lock: FolderLock) -> None:
        self.dialect = location.dialect
        self._writing_engine = writer
        self._reading_engine = reader
        self._lock = lock
        self._closed = False
        self._writer = Writer(writer)
        self._readers = ThreadPoolExecutor(_READ_THREADS, thread_name_prefix="corral-reader")

    @classmethod
    async def open(cls, location: Location) -> Database:
        """Locks the folder, migrates to the newest schema and opens. Raises StartupError."""
        return await asyncio.to_thread(cls._open, location)

    @classmethod
    def _open(cls, location: Location) -> Database:
        lock = FolderLock(location.file.parent)
        lock.take(local_only=location.url is None)
        try:
            writer, reader = open_engines(location)
            upgrade(writer)
            keep_savepoints_in_memory(writer)
        except DBAPIError as error:
            lock.release()
            place = location.file if location.url is None else "the database of database_url"
            raise StartupError(f"{place} cannot be opened: {str(error.orig).strip()}. See `corral doctor`.") from None
        except BaseException:
            lock.release()
            raise
        return cls(location, writer, reader, lock)

    async def write(self, work: Callable[[Connection], T], *, urgent: bool = False) -> T:
        """Runs `work` in the writer's transaction and returns its result after the flush.

        An exception of `work` undoes only `work`. When the commit fails nothing of it is kept and StorageFull or
        StorageUnavailable is raised. Urgent work does not wait for others to share its flush.
        A caller that is cancelled stops waiting; work that has begun is committed all the same.
        """
        future = self._writer.submit(work, urgent=urgent)
        result: T = await asyncio.wrap_future(future)
        return result

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` on a read-only snapshot that has everything acknowledged so far.

        Raises StorageUnavailable, and ShuttingDown after `close`.
        """
        if self._closed:
            raise ShuttingDown("The server is stopping.")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._reading_engine.connect() as connection, connection.begin():
                return work(connection)
        except DBAPIError as error:
            raise translate(error) from error

    async def close(self) -> None:
        """Finishes what was submitted and closes."""
        self._closed = True
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.close()
        self._readers.shutdown()
        self._reading_engine.dispose()
        self._writing_engine.dispose()
        self._lock.release()
