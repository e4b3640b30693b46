"""Answers in the database: they outlive the server."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Row, and_, bindparam, delete, func, insert, select, update

from corral.inference.cache.tables import response_cache as table
from corral.inference.cache.types import Kept
from corral.kit.clock import Clock
from corral.kit.errors import CorralError
from corral.store import Database
from corral.telemetry import get_logger

T = TypeVar("T")
_log = get_logger("corral.cache")
_PATIENCE = 0.25
"""Seconds that a request waits for the database; then it is left alone for `_REST`."""
_REST = 5.0
_TOUCHED = 1000
"""Uses that are noted before they are written."""


class SqlAnswers:
    """See `AnswerStore`. Uses are noted in memory and written with the next answer: order by last use is near enough so."""

    def __init__(self, database: Database, clock: Clock, max_bytes: int, *, patience: float = _PATIENCE) -> None:
        self._database = database
        self._clock = clock
        self._max = max_bytes
        self._patience = patience
        self._size = 0
        self._used: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._away_until = -1.0

    async def start(self) -> None:
        """See `AnswerStore.start`."""
        self._size = await self._tried(self._database.write(self._swept), 0)

    async def stop(self) -> None:
        """See `AnswerStore.stop`."""
        used, self._used = self._used, OrderedDict()
        if used:
            await self._tried(self._database.write(lambda connection: _touch(connection, used)), None)

    async def get(self, tenant: str, key: str) -> Kept | None:
        """See `AnswerStore.get`."""
        if self._resting():
            return None
        columns = (table.c.body, table.c.media_type, table.c.headers, table.c.expires_at)
        query = select(*columns).where(table.c.tenant == tenant, table.c.key == key)
        row = await self._tried(self._database.read(lambda connection: connection.execute(query).first()), None)
        now = self._now()
        if row is None or row.expires_at <= now:
            return None
        self._used[tenant, key] = now
        self._used.move_to_end((tenant, key))
        if len(self._used) > _TOUCHED:
            self._used.popitem(last=False)
        return _kept(row)

    async def put(self, tenant: str, key: str, kept: Kept) -> None:
        """See `AnswerStore.put`."""
        if self._resting() or kept.size > self._max:
            return
        now = self._now()
        used, self._used = self._used, OrderedDict()
        place = and_(table.c.tenant == tenant, table.c.key == key)
        values = {
            "tenant": tenant, "key": key, "media_type": kept.media_type, "body": kept.body, "size": kept.size,
            "headers": msgspec.json.encode(kept.headers).decode(), "created_at": now, "used_at": now,
            "expires_at": kept.expires,
        }  # fmt: skip

        def work(connection: Connection) -> int:
            before = connection.scalar(select(table.c.size).where(place)) or 0
            connection.execute(delete(table).where(place))
            connection.execute(insert(table).values(values))
            _touch(connection, used)
            size = self._size + kept.size - before
            return self._swept(connection) if size > self._max else size

        self._size = await self._tried(self._database.write(work), self._size, patience=self._patience * 20)

    async def clear(self, tenant: str | None = None) -> None:
        """See `AnswerStore.clear`."""

        def work(connection: Connection) -> int:
            connection.execute(delete(table) if tenant is None else delete(table).where(table.c.tenant == tenant))
            return self._swept(connection)

        self._size = await self._tried(self._database.write(work), self._size, patience=self._patience * 20)

    def _swept(self, connection: Connection) -> int:
        """Removes what is too old, then what was used longest ago until a tenth is free; the bytes that are left."""
        connection.execute(delete(table).where(table.c.expires_at <= self._now()))
        size = int(connection.scalar(select(func.coalesce(func.sum(table.c.size), 0))) or 0)
        while size > self._max:
            oldest = select(table.c.tenant, table.c.key, table.c.size).order_by(table.c.used_at).limit(100)
            for row in connection.execute(oldest).all():
                connection.execute(delete(table).where(table.c.tenant == row.tenant, table.c.key == row.key))
                size -= row.size
                if size <= self._max * 0.9:
                    break
        return size

    async def _tried(self, work: Awaitable[T], otherwise: T, *, patience: float | None = None) -> T:
        try:
            async with asyncio.timeout(self._patience if patience is None else patience):
                return await work
        except (CorralError, TimeoutError) as error:
            if not self._resting():
                _log.warning("cache_away", reason=str(error) or "it does not answer")
            self._away_until = self._clock.monotonic() + _REST
            return otherwise

    def _resting(self) -> bool:
        return self._clock.monotonic() < self._away_until

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


def _touch(connection: Connection, used: OrderedDict[tuple[str, str], int]) -> None:
    if used:
        place = and_(table.c.tenant == bindparam("of"), table.c.key == bindparam("named"))
        rows = [{"of": tenant, "named": key, "at": at} for (tenant, key), at in used.items()]
        connection.execute(update(table).where(place).values(used_at=bindparam("at")), rows)


def _kept(row: Row[Any, Any, Any, Any]) -> Kept:
    headers = msgspec.json.decode(row.headers, type=dict[str, str])
    return Kept(bytes(row.body), row.media_type, headers, row.expires_at)
