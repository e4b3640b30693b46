"""Limits as configuration: the use cases that HTTP, Socket.IO and the command line share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Row, String, Table, Text

from corral.bus import Bus
from corral.kit.clock import Clock
from corral.kit.errors import CorralError
from corral.kit.ids import new_id
from corral.kit.tasks import Tasks
from corral.providers.directory.shelf import Record, Shelf, from_json, gone, rest_as_json
from corral.settings.changing import wire
from corral.settings.gateway import LimitEntry
from corral.store import Database
from corral.store.schema import metadata
from corral.telemetry import get_logger

TOPIC = "limits"
MOST = 1000
PURGE_SECONDS = 3600.0
_log = get_logger("corral.limits")

limits = Table(
    "limits", metadata,
    Column("id", String(40), primary_key=True),
    Column("scope", String(16), nullable=False),
    Column("subject", String(512), nullable=False),
    # All else that can be set, as JSON.
    Column("rule", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("updated_by", String(64), nullable=False),
    Column("removed_at", BigInteger),
    Index("ix_limits_scope_subject", "scope", "subject"),
)  # fmt: skip


class LimitCodec:
    """See `providers.directory.shelf.Codec`. The name of a limit is its id."""

    shape = LimitEntry
    noun = "limit"
    prefix = "lim"
    table = limits
    most = MOST

    def columns(self, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """See `Codec`."""
        return {
            "scope": values["scope"], "subject": values.get("subject", ""), "enabled": values.get("enabled", True),
            "rule": rest_as_json(values, "scope", "subject", "enabled"),
        }  # fmt: skip

    def values(self, row: Row[Any]) -> tuple[str, dict[str, Any]]:
        """See `Codec`."""
        return row.id, {**from_json(row.rule), "scope": row.scope, "subject": row.subject, "enabled": row.enabled}


class ConfiguredLimits:
    """All limits. `load` before use, then `start`; `revision` counts the changes."""

    def __init__(self, database: Database, given: Sequence[LimitEntry], source: str, *, clock: Clock, bus: Bus) -> None:
        """`given` are the limits of the file at `source`."""
        self._bus = bus
        self._clock = clock
        named = {f"lim_file_{place}": entry for place, entry in enumerate(given, 1)}
        self._shelf: Shelf[LimitEntry] = Shelf(database, LimitCodec(), named, source, clock=clock)
        self._shelf.shown = _row
        self._changing = asyncio.Lock()
        self._tasks = Tasks("limits")
        self.revision = 0

    async def load(self) -> None:
        """Reads what there is."""
        await self._shelf.load()
        self.revision += 1

    def start(self) -> None:
        """Empties the trash now and then."""
        self._tasks.start("empty the trash", self._look_after())

    async def stop(self) -> None:
        """Ends that."""
        await self._tasks.stop()

    def entries(self) -> tuple[LimitEntry, ...]:
        """Those that are switched on."""
        found = (record.entry for record in self._shelf.all())
        return tuple(entry for entry in found if entry is not None and entry.enabled)

    def listing(self) -> dict[str, Any]:
        """All limits, and those in the trash."""
        removed = [{**_row(record), **gone(record)} for record in self._shelf.removed()]
        return {"limits": [_row(record) for record in self._shelf.all()], "removed": removed}

    async def save(self, key: str | None, version: int, changes: Mapping[str, Any], *, by: str) -> dict[str, Any]:
        """Changes a limit, or makes one when `key` is None. Raises InvalidRequest, NotFound and Conflict."""
        async with self._changing:
            if key is None:
                return self._changed(await self._shelf.save(new_id("lim"), 0, changes, by=by))
            self._shelf.get(key)
            return self._changed(await self._shelf.save(key, version, changes, by=by))

    async def delete(self, key: str, *, by: str) -> dict[str, Any]:
        """Puts a limit into the trash. Raises NotFound, and InvalidRequest for one of the file."""
        async with self._changing:
            record = await self._shelf.delete(key, by=by)
            self._changed(record)
            return {"deleted": key, "until": gone(record)["until"]}

    async def restore(self, key: str, *, by: str) -> dict[str, Any]:
        """Brings back what `delete` took away. Raises NotFound."""
        async with self._changing:
            return self._changed(await self._shelf.restore(key, by=by))

    def _changed(self, record: Record[LimitEntry]) -> dict[str, Any]:
        self.revision += 1
        _log.info("limits_changed", limit=record.id, version=record.version, by=record.by)
        self._bus.publish(TOPIC, {"event": "limits:changed"})
        return _row(record)

    async def _look_after(self) -> None:
        while True:
            try:
                async with self._changing:
                    await self._shelf.purge()
            except CorralError as error:
                _log.warning("limits_not_purged", reason=error.message)
            await self._clock.sleep(PURGE_SECONDS)


def _row(record: Record[LimitEntry]) -> dict[str, Any]:
    entry = record.entry
    shown = (
        wire(entry) if entry is not None else {"scope": record.values.get("scope", ""), "subject": "", "enabled": False}
    )
    return {**shown, **record.about(), "problem": record.problem}
