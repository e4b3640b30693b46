"""The one thread that writes.

Work arrives as functions of a connection. The thread opens a transaction, runs what has arrived, each piece in a
savepoint of its own, commits once, and only then tells the callers. So one flush pays for all that waited, a failing
piece undoes only itself, and nothing is acknowledged before it is on disk.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from corral.kit.errors import ShuttingDown, StorageUnavailable, TooManyRequests
from corral.kit.faultpoints import reach
from corral.store.engines import translate

Work = Callable[[Connection], Any]

GATHER = 0.004
"""Seconds that a write which is not urgent may wait for others to share its flush."""
MAX_GROUP = 256
MAX_WAITING = 20_000
_CLOSE = None

_log = logging.getLogger("corral.store")


@dataclass(slots=True)
class Entry:
    """One piece of work and whoever waits for it."""

    work: Work
    urgent: bool
    future: Future[Any] = field(default_factory=Future)


class Writer:
    """Owns the writing connection. `submit` is for any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._entries: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._closed = False
        # Without it a submit could pass its check and be queued behind the end, where nobody would ever answer it.
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="corral-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work, *, urgent: bool) -> Future[Any]:
        """Queues `work`; the future resolves after the flush. Raises TooManyRequests or ShuttingDown."""
        if self._entries.qsize() >= MAX_WAITING:
            raise TooManyRequests("The database has too many writes waiting; try again.", retry_after=1)
        entry = Entry(work, urgent)
        with self._closing:
            if self._closed:
                raise ShuttingDown("The server is stopping.")
            self._entries.put(entry)
        return entry.future

    def close(self) -> None:
        """Finishes what was submitted, then ends the thread."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._entries.put(_CLOSE)
        self._thread.join()

    def _run(self) -> None:
        closing = False
        while not closing:
            group, closing = self._gather()
            live = [entry for entry in group if entry.future.set_running_or_notify_cancel()]
            if live:
                self._commit(live)

    def _gather(self) -> tuple[list[Entry], bool]:
        first = self._entries.get()
        if first is _CLOSE:
            return [], True
        assert first is not None
        group = [first]
        urgent = first.urgent
        deadline = time.monotonic() + GATHER
        while len(group) < MAX_GROUP:
            # As soon as somebody urgent waits, only what has already arrived goes along.
            left = 0.0 if urgent else deadline - time.monotonic()
            try:
                entry = self._entries.get(timeout=left) if left > 0 else self._entries.get_nowait()
            except queue.Empty:
                break
            if entry is _CLOSE:
                return group, True
            assert entry is not None
            group.append(entry)
            urgent = urgent or entry.urgent
        return group, False

    def _commit(self, group: list[Entry]) -> None:
        done: list[tuple[Entry, Any]] = []
        failed: list[tuple[Entry, BaseException]] = []
        try:
            with self._engine.connect() as connection, connection.begin():
                for entry in group:
                    self._run_one(connection, entry, done, failed)
                reach("store.before_commit")
            reach("store.after_commit")
        except DBAPIError as error:
            _log.error("commit of %d writes failed: %s", len(group), error.orig)
            self._fail(group, translate(error))
            return
        except BaseException as error:  # noqa: BLE001 - the writer outlives whatever goes wrong in one group
            _log.error("writer failed", exc_info=error)
            self._fail(group, StorageUnavailable("The database failed; nothing was saved. Try again.", retry_after=2))
            return
        for entry, result in done:
            entry.future.set_result(result)
        for entry, problem in failed:
            entry.future.set_exception(problem)

    @staticmethod
    def _run_one(
        connection: Connection, entry: Entry, done: list[tuple[Entry, Any]], failed: list[tuple[Entry, BaseException]]
    ) -> None:
        savepoint = connection.begin_nested()
        try:
            result = entry.work(connection)
        except DBAPIError as error:
            if error.connection_invalidated or not savepoint.is_active:
                raise
            try:
                savepoint.rollback()
            except DBAPIError:
                # SQLite gave up the whole transaction, as it does on a full disk; the first error says why.
                raise error from None
            # A broken constraint is the caller's business; anything else is the storage's.
            if isinstance(error, IntegrityError):
                failed.append((entry, error))
            else:
                _log.error("a write failed: %s", error.orig)
                failed.append((entry, translate(error)))
        except BaseException as error:  # noqa: BLE001 - it is raised again where the caller waits
            savepoint.rollback()
            failed.append((entry, error))
        else:
            savepoint.commit()
            done.append((entry, result))

    @staticmethod
    def _fail(group: list[Entry], error: BaseException) -> None:
        for entry in group:
            if not entry.future.done():
                entry.future.set_exception(error)
