"""Named entries of one kind, from the database and from corral.toml: held in memory, written through, versioned, with a trash.

Providers, routes and limits are each one shelf. An entry of the file goes before one of the database of the same name.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection, Row, Table
from sqlalchemy.exc import IntegrityError

from corral.kit.clock import Clock, iso, moment
from corral.kit.errors import Conflict, InvalidRequest, NotFound
from corral.kit.ids import new_id
from corral.settings.changing import changed, dumped, read, wire
from corral.settings.gateway import Entry
from corral.store import Database, versioned

E = TypeVar("E", bound=Entry)
E_co = TypeVar("E_co", bound=Entry, covariant=True)
DATABASE = "database"


@dataclass(frozen=True, slots=True)
class Record(Generic[E]):
    """A named entry. `entry` is None, with the reason in `problem`, for one that this version of Corral cannot read.

    Times are milliseconds since 1970, None for what is written in a file. `values` are the entry's own, by field name.
    """

    id: str
    name: str
    entry: E | None
    values: Mapping[str, Any]
    source: str = DATABASE
    version: int = 0
    created_at: int | None = None
    updated_at: int | None = None
    by: str | None = None
    removed_at: int | None = None
    problem: str | None = None

    @property
    def read_only(self) -> bool:
        """Whether it is written in a file."""
        return self.source != DATABASE

    def about(self) -> dict[str, Any]:
        """What is known beside the entry, in the wire form."""
        return {
            "id": self.id, "version": self.version, "source": self.source, "readOnly": self.read_only, "by": self.by,
            "createdAt": iso(moment(self.created_at)) if self.created_at is not None else None,
            "updatedAt": iso(moment(self.updated_at)) if self.updated_at is not None else None,
        }  # fmt: skip


class Codec(Protocol[E_co]):
    """How an entry lies in its table; in one without names the id is the name."""

    @property
    def shape(self) -> type[E_co]: ...

    @property
    def noun(self) -> str:
        """For messages: provider, route, limit."""
        ...

    @property
    def prefix(self) -> str:
        """Of ids."""
        ...

    @property
    def table(self) -> Table: ...

    @property
    def most(self) -> int:
        """Entries at most, those in the trash not counted."""
        ...

    def columns(self, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """The columns for an entry's values by field name."""
        ...

    def values(self, row: Row[Any]) -> tuple[str, dict[str, Any]]:
        """The name and the values of a row; what is not JSON raises ValueError."""
        ...


class Shelf(Generic[E]):
    """All entries of one kind. Reading is from memory; `load` before use.

    Args:
        given: the entries of the file at `source`, by name.
        shown: an entry as clients see it, for conflicts.
    """

    def __init__(
        self, database: Database, codec: Codec[E], given: Mapping[str, E], source: str, *, clock: Clock
    ) -> None:  # fmt: skip
        self._database = database
        self._codec = codec
        self._clock = clock
        self._changing = asyncio.Lock()
        self._given = {
            name: Record(f"{codec.prefix}_file_{name}", name, entry, dumped(entry), source)
            for name, entry in given.items()
        }
        self._rows: dict[str, Record[E]] = {}
        self.shown: Callable[[Record[E]], dict[str, Any]] = lambda record: {"name": record.name, **record.about()}

    async def load(self) -> None:
        """Reads what there is."""
        found = await self._database.read(lambda connection: versioned.rows(connection, self._codec.table))
        records = map(self._record, found)
        self._rows = {record.name: record for record in records}

    def all(self) -> list[Record[E]]:
        """All entries that are not in the trash: those of the file, then those of the database in the order they were made."""
        own = (record for record in self._rows.values() if record.removed_at is None and record.name not in self._given)
        return [*self._given.values(), *own]

    def removed(self) -> list[Record[E]]:
        """What is in the trash."""
        return [record for record in self._rows.values() if record.removed_at is not None]

    def find(self, name: str) -> Record[E] | None:
        """The entry of a name, None when there is none."""
        found = self._given.get(name) or self._rows.get(name)
        return None if found is None or found.removed_at is not None else found

    def get(self, name: str) -> Record[E]:
        """The entry of a name. Raises NotFound."""
        found = self.find(name)
        if found is None:
            raise NotFound(f"There is no {self._codec.noun} {name[:200]!r}.", param="name")
        return found

    async def save(
        self, name: str, version: int, changes: Mapping[str, Any], *, by: str, rename: str | None = None,
        check: Callable[[E], object] = id,
    ) -> Record[E]:  # fmt: skip
        """Changes single fields of an entry, None takes one away; with version 0 a new one is made.

        `check` may refuse what the entry would be.

        Raises InvalidRequest with a reason for each field, NotFound, and Conflict with what differs when `version` is not
        the present one or the new name is taken.
        """
        async with self._changing:
            self._may_change(name)
            found = self.find(name)
            if version == 0 and found is None:
                check(entry := changed(self._codec.shape, {}, changes))
                return await self._make(name, entry, by)
            record = found or self.get(name)
            if version != record.version:
                raise self._conflict(record, changes)
            check(entry := changed(self._codec.shape, record.values, changes))
            return await self._change(record, rename or name, dumped(entry), by)

    async def delete(self, name: str, *, by: str) -> Record[E]:
        """Puts an entry into the trash. Raises NotFound and InvalidRequest."""
        async with self._changing:
            self._may_change(name)
            record = self.get(name)
            thrown = await self._change(record, name, record.values, by, removed_at=self.now())
            await self._bound_trash()
            return thrown

    async def restore(self, name: str, *, by: str) -> Record[E]:
        """Takes an entry out of the trash. Raises NotFound."""
        async with self._changing:
            record = self._rows.get(name)
            if record is None or record.removed_at is None:
                raise NotFound(f"No {self._codec.noun} {name[:200]!r} was deleted within {versioned.KEEP_DAYS} days.")
            self._has_room()
            return await self._change(record, name, record.values, by)

    async def purge(self) -> None:
        """Deletes for good what was deleted more than a week ago."""
        now = self.now()
        old = now - versioned.KEEP_MILLISECONDS
        gone = [one.name for one in self._rows.values() if one.removed_at is not None and one.removed_at <= old]
        if gone:
            await self._database.write(lambda connection: versioned.purge(connection, self._codec.table, now))
            self._rows = {name: record for name, record in self._rows.items() if name not in gone}

    async def _bound_trash(self) -> None:
        trash = sorted(self.removed(), key=lambda record: record.removed_at or 0)
        for record in trash[: max(0, len(trash) - self._codec.most)]:
            await self._database.write(partial(versioned.drop, table=self._codec.table, key=record.id))
            self._rows = {name: row for name, row in self._rows.items() if row.id != record.id}

    def now(self) -> int:
        """Milliseconds since 1970."""
        return int(self._clock.now().timestamp() * 1000)

    async def _make(self, name: str, entry: E, by: str) -> Record[E]:
        self._has_room()
        values, now = dumped(entry), self.now()
        key = name if "name" not in self._codec.table.c else new_id(self._codec.prefix)
        trashed = self._rows.get(name)
        table, columns = self._codec.table, self._codec.columns(name, values)

        def work(connection: Connection) -> None:
            if trashed is not None:
                versioned.drop(connection, table, trashed.id)
            versioned.add(connection, table, {"id": key, **columns}, by=by, now=now)

        try:
            await self._database.write(work)
        except IntegrityError:
            # Another server on the same database was first.
            await self.load()
            raise self._conflict(self.get(name), {}) from None
        made = Record(key, name, entry, values, DATABASE, 1, now, now, by)
        self._rows = {**{other: row for other, row in self._rows.items() if other != name}, name: made}
        return made

    async def _change(
        self, record: Record[E], name: str, values: Mapping[str, Any], by: str, *, removed_at: int | None = None
    ) -> Record[E]:
        if name != record.name:
            self._name_free(name)
        now, table = self.now(), self._codec.table
        trashed = self._rows.get(name) if name != record.name else None
        # What cannot be read can be thrown away and brought back all the same: its own columns stay as they are.
        own = {} if values is record.values else self._codec.columns(name, values)
        columns = {**own, "removed_at": removed_at}

        def work(connection: Connection) -> None:
            if trashed is not None:
                versioned.drop(connection, table, trashed.id)
            versioned.change(connection, table, record.id, record.version, columns, by=by, now=now)

        try:
            await self._database.write(work)
        except versioned.Stale:
            await self.load()
            raise self._conflict(self.get(record.name), {}) from None
        made = self._made(record, name, values, (now, by, removed_at))
        renamed = {record.name: made, name: made}
        self._rows = {
            (made.name if row.id == made.id else other): renamed.get(other, row)
            for other, row in self._rows.items()
            if trashed is None or row.id != trashed.id
        }
        return made

    def _made(
        self, record: Record[E], name: str, values: Mapping[str, Any], known: tuple[int, str, int | None]
    ) -> Record[E]:
        now, by, removed_at = known
        entry, problem = self._read(values)
        return Record(
            record.id,
            name,
            entry,
            values,
            DATABASE,
            record.version + 1,
            record.created_at,
            now,
            by,
            removed_at,
            problem,
        )

    def _record(self, row: Row[Any]) -> Record[E]:
        try:
            name, values = self._codec.values(row)
        except ValueError:
            name, values = row.name if "name" in self._codec.table.c else row.id, {}
        entry, problem = self._read(values)
        return Record(
            row.id, name, entry, values, DATABASE, row.version, row.created_at, row.updated_at, row.updated_by, row.removed_at,
            problem,
        )  # fmt: skip

    def _read(self, values: Mapping[str, Any]) -> tuple[E | None, str | None]:
        try:
            return read(self._codec.shape, values), None
        except InvalidRequest as error:
            return None, f"It cannot be used by this version of Corral: {error.message}"

    def _may_change(self, name: str) -> None:
        given = self._given.get(name)
        if given is not None:
            raise InvalidRequest(
                f"The {self._codec.noun} {name!r} is written in {given.source}; change it there and start Corral again.",
                param="name",
            )

    def _name_free(self, name: str) -> None:
        if self.find(name) is not None:
            reason = f"there is a {self._codec.noun} of this name"
            raise Conflict(f"name: {reason}.", param="name", details={"fields": {"name": reason}})

    def _has_room(self) -> None:
        if len(self._rows) - len(self.removed()) >= self._codec.most:
            raise InvalidRequest(
                f"There are {self._codec.most} {self._codec.noun}s already; delete some.", param="name"
            )

    def _conflict(self, record: Record[E], changes: Mapping[str, Any]) -> Conflict:
        now = wire(record.entry) if record.entry is not None else dict(record.values)
        aliases = {name: field.alias or name for name, field in self._codec.shape.model_fields.items()}
        yours = {aliases.get(name, name): value for name, value in changes.items()}
        diff = {name: {"yours": value, "now": now.get(name)} for name, value in yours.items() if value != now.get(name)}
        return Conflict(
            "Somebody else changed this meanwhile; look at the differences and save again.",
            details={"version": record.version, "current": self.shown(record), "diff": diff}, param="version",
        )  # fmt: skip


def rest_as_json(values: Mapping[str, Any], *columns: str) -> str:
    """What has no column of its own, as JSON."""
    return json.dumps({name: value for name, value in values.items() if name not in columns}, ensure_ascii=False)


def from_json(text: str) -> dict[str, Any]:
    """The values of a JSON object. Raises ValueError."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def gone(record: Record[Any]) -> dict[str, Any]:
    """What is told of an entry in the trash."""
    assert record.removed_at is not None
    at, until = record.removed_at, record.removed_at + versioned.KEEP_MILLISECONDS
    return {"name": record.name, "at": iso(moment(at)), "until": iso(moment(until))}
