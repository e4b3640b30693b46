"""The SQL of the metrics' history. Functions of a connection; the caller's transaction holds them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, literal, or_, select

from corral.monitoring.metrics.policy import KEPT, ROLLS, VALUES, Row, bucket
from corral.monitoring.metrics.tables import metrics_history as table

_SLACK = 3_600_000
"""Milliseconds that a row may lie in the future before it is taken for one of a clock that was wrong."""
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


def read(connection: Connection, start: int, step: int, subjects: Sequence[str] | None) -> list[Row]:
    """The rows from `start` on (milliseconds), of the coarsest resolution up to `step`, and finer ones after its end."""
    rows: list[Row] = []
    cursor = start
    for resolution in sorted((one for one in KEPT if one <= step), reverse=True):
        where: list[ColumnElement[bool]] = [table.c.resolution == resolution, table.c.at >= cursor]
        if subjects is not None:
            where.append(table.c.subject.in_(subjects))
        found = connection.execute(
            select(table.c.subject, table.c.at, *_COLUMNS).where(*where).order_by(table.c.at)
        ).all()
        rows += [Row(resolution, one[0], one[1], tuple(one[2:])) for one in found]
        if found:
            cursor = max(cursor, found[-1][1] + resolution * 1000)
    return rows
