"""The SQL of answers under idempotency keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, update

from corral.inference.idempotency.tables import idempotency_records as table
from corral.kit.clock import Clock
from corral.kit.errors import CorralError, StorageUnavailable
from corral.kit.tasks import Tasks
from corral.store import Database
from corral.telemetry import get_logger

T = TypeVar("T")
_log = get_logger("corral.idempotency")
KEPT_SECONDS = 24 * 3600
MAX_BYTES = 512 * 1024 * 1024
_SWEEP = 300.0
_PATIENCE = 5.0
"""Seconds that a request with a key waits for the database."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a key."""

    request_hash: str
    state: str
    media_type: str
    headers: Mapping[str, str]
    body: bytes | None


class Records:
    """Answers of the last day, at most `max_bytes` of them; beyond, the oldest leave early.

    A claim is durable before anything is asked of a model, an answer before its last byte is told.
    """

    def __init__(
        self, database: Database, clock: Clock, *, max_bytes: int = MAX_BYTES, patience: float = _PATIENCE
    ) -> None:
        self._database = database
        self._clock = clock
        self._max = max_bytes
        self._patience = patience
        self._tasks = Tasks("idempotency records")

    async def start(self) -> None:
        """Forgets what was under way when the server ended, since nobody goes on with it; begins to sweep."""
        await self._write(
            lambda connection: connection.execute(delete(table).where(table.c.state == "running")) and None
        )
        self._tasks.start("sweep", self._keep_swept())

    async def stop(self) -> None:
        """Ends."""
        await self._tasks.stop()

    async def claim(self, tenant: str, key: str, request_hash: str, *, stream: bool) -> Found | None:
        """Takes a key for a request; what is known of it when it was taken before. Raises StorageUnavailable, StorageFull."""
        now = self._now()
        values = {
            "tenant": tenant, "key": key, "request_hash": request_hash, "state": "running", "stream": stream,
            "media_type": "", "headers": "{}", "body": None, "size": 0, "created_at": now,
            "expires_at": now + KEPT_SECONDS * 1000,
        }  # fmt: skip

        def work(connection: Connection) -> Found | None:
            row = connection.execute(select(table).where(_place(tenant, key))).first()
            if row is not None and row.expires_at > now and row.state != "running":
                headers = msgspec.json.decode(row.headers, type=dict[str, str])
                body = bytes(row.body) if row.body is not None else None
                return Found(row.request_hash, row.state, row.media_type, headers, body)
            connection.execute(delete(table).where(_place(tenant, key)))
            connection.execute(insert(table).values(values))
            return None

        return await self._write(work)

    async def keep(
        self, tenant: str, key: str, media_type: str, headers: Mapping[str, str], body: bytes | None
    ) -> None:
        """Keeps the answer; None for one that is too large. Raises StorageUnavailable, StorageFull."""
        values = {
            "state": "done" if body is not None else "toolarge", "media_type": media_type[:100], "body": body,
            "headers": msgspec.json.encode(headers).decode(), "size": len(body or b""),
        }  # fmt: skip
        await self._write(
            lambda connection: connection.execute(update(table).where(_place(tenant, key)).values(values)) and None
        )

    async def release(self, tenant: str, key: str) -> None:
        """The request failed or was given up: its key is free again. Never raises."""
        running = and_(_place(tenant, key), table.c.state == "running")
        try:
            await self._write(lambda connection: connection.execute(delete(table).where(running)) and None)
        except CorralError as error:
            _log.warning("idempotency_key_not_released", reason=error.message)

    async def sweep(self) -> None:
        """Removes what is too old, and the oldest while there is too much. Raises StorageUnavailable, StorageFull."""
        now = self._now()

        def work(connection: Connection) -> None:
            connection.execute(delete(table).where(and_(table.c.expires_at <= now, table.c.state != "running")))
            size = connection.scalar(select(func.coalesce(func.sum(table.c.size), 0))) or 0
            while size > self._max:
                oldest = select(table.c.tenant, table.c.key, table.c.size).where(table.c.state != "running")
                rows = connection.execute(oldest.order_by(table.c.created_at).limit(100)).all()
                if not rows:
                    return
                places = []
                for row in rows:
                    places.append(_place(row.tenant, row.key))
                    size -= row.size
                    if size <= self._max:
                        break
                connection.execute(delete(table).where(or_(*places)))

        await self._write(work)

    async def _keep_swept(self) -> None:
        while True:
            try:
                await self.sweep()
            except CorralError as error:
                _log.warning("idempotency_records_not_swept", reason=error.message)
            await self._clock.sleep(_SWEEP)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        try:
            async with asyncio.timeout(self._patience):
                return await self._database.write(work, urgent=True)
        except TimeoutError:
            raise StorageUnavailable(
                "The database does not answer, so the idempotency key cannot be kept. Try again.", retry_after=2
            ) from None

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


def _place(tenant: str, key: str) -> ColumnElement[bool]:
    return and_(table.c.tenant == tenant, table.c.key == key)
