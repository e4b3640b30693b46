"""The SQL of usage events. Functions of a connection."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection, case, delete, func, select
from sqlalchemy.sql import ColumnElement

from corral.inference.usage.events import Event
from corral.inference.usage.tables import usage_events as table

GROUPS: dict[str, tuple[str, ...]] = {
    "model": ("provider", "model"),
    "provider": ("provider",),
    "route": ("route",),
    "user": ("user_id",),
    "key": ("key_id",),
}
STEPS = {"hour": 3_600_000, "day": 86_400_000}
MAX_ROWS = 5000


_NAMES = tuple(column.name for column in table.columns)
_TOGETHER = (100, 10, 1)
"""Rows that one statement writes. SQLite's driver gives the interpreter to the other threads and waits for it again with every
statement, which costs more than a row; and it keeps every statement that it has read, so there are few."""


def add(connection: Connection, rows: Sequence[Event]) -> None:
    """Writes events. Those that are there already, since nobody knew whether a commit had reached the disk, are left alone.

    There is one for every request, so the driver gets them as they are: what SQLAlchemy does to each value costs several times as
    much as writing it.
    """
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    values = f"({', '.join([mark] * len(_NAMES))})"
    start = 0
    for together in _TOGETHER:
        words = f"INSERT INTO {table.name} ({', '.join(_NAMES)}) VALUES {', '.join([values] * together)} ON CONFLICT (id) DO NOTHING"  # noqa: S608 - names of our own
        while len(rows) - start >= together:
            some = rows[start : start + together]
            connection.exec_driver_sql(words, tuple(chain.from_iterable(some)))
            start += together


def prune(connection: Connection, before: int, most: int) -> int:
    """Removes at most `most` events from before a moment; how many it removed."""
    old = select(table.c.id).where(table.c.at < before).order_by(table.c.at).limit(most)
    return connection.execute(delete(table).where(table.c.id.in_(old.scalar_subquery()))).rowcount


def sums(
    connection: Connection, start: int, end: int, group: Sequence[str], step: int | None, user_id: str | None
) -> list[dict[str, Any]]:
    """Sums of the events in [start, end), by the columns of `group` and by steps of so many milliseconds; the newest step and
    the most requests first, at most `MAX_ROWS`."""
    keys: list[ColumnElement[Any]] = [table.c[name] for name in group]
    if step is not None:
        keys.insert(0, (table.c.at - table.c.at % step).label("step"))
    where = [table.c.at >= start, table.c.at < end]
    if user_id is not None:
        where.append(table.c.user_id == user_id)
    requests = func.count().label("requests")
    query = select(
        *keys,
        requests,
        _times(table.c.outcome == "failed").label("failed"),
        _times(table.c.outcome == "cancelled").label("cancelled"),
        _times(table.c.cache.in_(["hit", "joined", "replayed"])).label("saved"),
        *(func.sum(table.c[name]).label(name) for name in _SUMMED),
        func.sum(table.c.cost).label("cost"),
        _times(table.c.cost.is_(None)).label("unpriced"),
        func.avg(table.c.first_content_ms).label("first_content_ms"),
        func.avg(table.c.duration_ms).label("duration_ms"),
    ).where(*where)
    if keys:
        query = query.group_by(*keys)
    order = ([keys[0].desc()] if step is not None else []) + [requests.desc()]
    return [dict(row._mapping) for row in connection.execute(query.order_by(*order).limit(MAX_ROWS))]  # noqa: SLF001


_SUMMED = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")


def _times(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))
