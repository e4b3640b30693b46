"""The SQL of the metrics' history. Functions of a connection; the caller's transaction holds them together."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, literal, or_, select

from corral.monitoring.metrics.policy import KEPT, ROLLS, VALUES, Row, bucket
from corral.monitoring.metrics.tables import metrics_history as table

_SLACK = 3_600_000
"""Milliseconds that a row may lie in the future before it is taken for one of a clock that was wrong."""
_CHUNK, _PAUSE = 500, 0.0002
_COLUMNS = [table.c[name] for name in VALUES]


def add(connection: Connection, rows: Sequence[Row]) -> None:
    """Writes rows; those that are there already, as after a clock was set back, are replaced."""
    for resolution, at in {(row.resolution, row.at) for row in rows}:
        connection.execute(delete(table).where(table.c.resolution == resolution, table.c.at == at))
    values: list[dict[str, Any]] = [
        {
            "resolution": row.resolution,
            "subject": row.subject,
            "at": row.at,
            **dict(zip(VALUES, row.values, strict=True)),
        }
        for row in rows
    ]
    if values:
        connection.execute(insert(table), values)


def roll_up(connection: Connection, now: int) -> None:
    """Brings every resolution up to date from the one before it, as far as its steps are over. `now` in milliseconds."""
    for fine, coarse in ROLLS:
        end = bucket(now, coarse)
        newest = connection.scalar(
            select(func.max(table.c.at)).where(table.c.resolution == coarse, table.c.at <= now + _SLACK)
        )
        start = newest + coarse * 1000 if newest is not None else bucket(now - KEPT[fine] * 1000, coarse)
        if start >= end:
            continue
        at = (table.c.at - table.c.at % (coarse * 1000)).label("rolled")
        means = [func.avg(column).label(column.name) for column in _COLUMNS]
        within = and_(table.c.resolution == fine, table.c.at >= start, table.c.at < end)
        source = select(literal(coarse), table.c.subject, at, *means).where(within).group_by(table.c.subject, at)
        connection.execute(
            insert(table).from_select(["resolution", "subject", "at", *VALUES], source, include_defaults=False)
        )


def prune(connection: Connection, now: int) -> None:
    """Removes what is older than it is kept, and what a wrong clock wrote into the future."""
    old: list[ColumnElement[bool]] = [
        and_(table.c.resolution == resolution, table.c.at < now - seconds * 1000)
        for resolution, seconds in KEPT.items()
    ]
    connection.execute(delete(table).where(or_(*old, table.c.at > now + _SLACK)))


def busiest_engines(connection: Connection, start: int, step: int) -> dict[str, tuple[float, float]]:
    """What each engine with rows from `start` on did: its tokens and its memory, summed over time."""
    totals: dict[str, tuple[float, float]] = {}
    for resolution, cursor in _cascade(connection, start, step):
        tokens, memory = func.sum(table.c.tokens_per_second), func.sum(table.c.memory)
        where = (table.c.resolution == resolution, table.c.at >= cursor, table.c.subject.startswith("engine:"))
        for subject, made, held in connection.execute(
            select(table.c.subject, tokens, memory).where(*where).group_by(table.c.subject)
        ):
            before = totals.get(subject, (0.0, 0.0))
            totals[subject] = (before[0] + (made or 0) * resolution, before[1] + (held or 0) * resolution)
    return totals


def read(connection: Connection, start: int, step: int, subjects: Sequence[str]) -> list[Row]:
    """The rows from `start` on (milliseconds), of the coarsest resolution up to `step`, and finer ones after its end."""
    rows: list[Row] = []
    for resolution, cursor in _cascade(connection, start, step):
        wanted = and_(table.c.resolution == resolution, table.c.at >= cursor, table.c.subject.in_(subjects))
        query = select(table.c.subject, table.c.at, *_COLUMNS).where(wanted)
        found = connection.execute(query, execution_options={"yield_per": _CHUNK})
        for part in found.partitions():
            rows += [Row(resolution, one[0], one[1], tuple(one[2:])) for one in part]
            # The driver holds the interpreter while it fetches; others have their turn in between.
            time.sleep(_PAUSE)
    return rows


def _cascade(connection: Connection, start: int, step: int) -> Iterator[tuple[int, int]]:
    """The resolutions to read, the coarsest first, each with the moment from which on it is the coarsest there is."""
    cursor = start
    for resolution in sorted((one for one in KEPT if one <= step), reverse=True):
        yield resolution, cursor
        newest = connection.scalar(
            select(func.max(table.c.at)).where(table.c.resolution == resolution, table.c.at >= cursor)
        )
        if newest is not None:
            cursor = max(cursor, newest + resolution * 1000)
