"""What differs between SQLite and PostgreSQL: connections, and how their errors are told."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import QueuePool

from corral.kit.errors import CorralError, StartupError, StorageFull, StorageUnavailable
from corral.store.lock import IN_USE_EXIT

_BUSY_MS = 10_000
_READERS = 4
_OWNER = 0x436F7272616C
"""The advisory lock of the server that writes ("Corral")."""
_OWNED_PATIENCE = 3.0
"""Seconds for PostgreSQL to notice that a killed server is gone."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where the data is: a SQLite file, or a PostgreSQL address that goes before it."""

    file: Path
    url: str | None = None

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return "postgresql" if self.url else "sqlite"


def open_engines(location: Location) -> tuple[Engine, Engine]:
    """The engine for the one writer and the one for readers. Raises StartupError for a bad address."""
    if location.url is None:
        return _sqlite(location.file, read_only=False), _sqlite(location.file, read_only=True)
    try:
        url = make_url(re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql+psycopg://", location.url))
    except ArgumentError:
        raise StartupError(
            "database_url is not a database address such as postgresql://user:password@host/name."
        ) from None
    if url.get_backend_name() != "postgresql":
        raise StartupError("database_url takes a PostgreSQL address; without it Corral uses SQLite.")
    writing: dict[str, Any] = {"connect_timeout": 10}
    reading = {**writing, "options": "-c default_transaction_read_only=on"}
    common: dict[str, Any] = {"poolclass": QueuePool, "max_overflow": 0, "pool_pre_ping": True}
    writer = create_engine(url, pool_size=1, connect_args=writing, **common)
    event.listen(writer, "connect", _own)
    return writer, create_engine(url, pool_size=_READERS, connect_args=reading, **common)


def _own(connection: Any, _: Any) -> None:
    """Makes the writing connection the only one: PostgreSQL frees the lock when the connection ends, however it does.

    It is taken again with every new connection, so a server that lost the database to another one cannot write to it.
    """
    deadline = time.monotonic() + _OWNED_PATIENCE
    while not connection.execute("SELECT pg_try_advisory_lock(%s)", (_OWNER,)).fetchone()[0]:
        if time.monotonic() > deadline:
            raise StartupError(
                "The database of database_url is in use by another Corral. Stop it, or give this one a database of its own.",
                IN_USE_EXIT,
            )
        time.sleep(0.05)
    connection.commit()


def _sqlite(file: Path, *, read_only: bool) -> Engine:
    mode = "ro" if read_only else "rwc"
    engine = create_engine(
        f"sqlite:///file:{quote(str(file))}?mode={mode}&uri=true",
        poolclass=QueuePool,
        connect_args={"check_same_thread": False, "timeout": _BUSY_MS / 1000, "isolation_level": None},
        pool_size=_READERS if read_only else 1,
        max_overflow=0,
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        cursor.execute("PRAGMA foreign_keys=ON")
        if read_only:
            cursor.execute("PRAGMA query_only=ON")
        else:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA journal_size_limit=67108864")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        # Python's own transaction handling would commit behind our back around savepoints.
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def keep_savepoints_in_memory(engine: Engine) -> None:
    """Has the writer's connection keep in memory what a savepoint would put back: else SQLite makes a file for each large statement and
    removes it again. For short transactions: a migration may have to sort more than should be in memory."""
    if engine.dialect.name == "sqlite":
        connection = engine.raw_connection()
        connection.cursor().execute("PRAGMA temp_store=MEMORY")
        connection.close()


def translate(error: DBAPIError) -> CorralError:
    """The reported form of a database's failure."""
    text = str(error.orig).lower()
    if "full" in text or "no space left" in text or "disk quota" in text:
        return StorageFull("The disk is full; nothing was saved. Free some space and send it again.", retry_after=10)
    if "readonly" in text or "read-only" in text:
        return StorageUnavailable(
            "The data folder cannot be written; nothing was saved. See `corral doctor`.", retry_after=10
        )
    return StorageUnavailable("The database cannot be written just now; nothing was saved. Try again.", retry_after=2)
