"""Rows that people change: each has a version, and stays for a while after it was deleted. Functions of a connection.

For tables with the columns id, version, created_at, updated_at, updated_by and removed_at, beside their own. Times are
milliseconds since 1970, UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, insert, select, update

KEEP_DAYS = 7
KEEP_MILLISECONDS = KEEP_DAYS * 24 * 3600 * 1000


class Stale(Exception):
    """The row is not as the change supposed it."""


def rows(connection: Connection, table: Table) -> list[Row[Any]]:
    """All rows, those in the trash too, in the order in which they were made."""
    return list(connection.execute(select(table).order_by(table.c.id)))


def add(connection: Connection, table: Table, values: Mapping[str, Any], *, by: str, now: int) -> None:
    """Makes a row with version 1. Raises IntegrityError for one that may not be there twice."""
    known = {"version": 1, "created_at": now, "updated_at": now, "updated_by": by, "removed_at": None}
    connection.execute(insert(table).values(**known, **values))


def change(
    connection: Connection, table: Table, key: str, version: int, values: Mapping[str, Any], *, by: str, now: int
) -> None:
    """Changes a row of that version, which counts up. Raises Stale when it has another one, or is gone."""
    here = (table.c.id == key, table.c.version == version)
    known = {"version": version + 1, "updated_at": now, "updated_by": by}
    if connection.execute(update(table).where(*here).values(**known, **values)).rowcount == 0:
        raise Stale


def purge(connection: Connection, table: Table, now: int) -> int:
    """Deletes for good what was deleted more than a week ago; how many there were."""
    old = table.c.removed_at <= now - KEEP_MILLISECONDS
    return connection.execute(delete(table).where(old)).rowcount


def drop(connection: Connection, table: Table, key: str) -> None:
    """Deletes a row for good."""
    connection.execute(delete(table).where(table.c.id == key))
