"""What is set for each model and for all of them: kept in memory, written through to the tables.

Only what is set is read and held: a model with nothing of its own costs its name.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from corral.bus import Bus
from corral.kit.clock import Clock
from corral.kit.ids import new_id
from corral.models.configuration import repository
from corral.models.configuration.policy import before_and_after
from corral.models.configuration.records import Change, record
from corral.models.registry import TOPIC, ModelRegistry
from corral.models.types import Model
from corral.store import Database

CONFIG_TOPIC = "config"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """What Corral knows of a model beside its files. `version` counts the changes of `own`."""

    id: str
    name: str
    version: int = 0
    own: Mapping[str, Any] = field(default_factory=dict)
    template: str | None = None
    fit: str | None = None
    removed_at: int | None = None
    removed: Mapping[str, Any] | None = None
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of what is set for a model, or for all of them: who makes it, and how the history calls it."""

    by: str
    action: str = "save"
    note: str | None = None
    quiet: bool = False
    """One of many, of which all are told together."""


class Sets:
    """The values of models and of the server. All reading is from memory; `revision` counts all changes."""

    def __init__(self, database: Database, registry: ModelRegistry, *, clock: Clock, bus: Bus) -> None:
        self._database = database
        self._registry = registry
        self._clock = clock
        self._bus = bus
        self._entries: dict[str, Entry] = {}
        self._trials: dict[str, Mapping[str, Any]] = {}
        self._server: Mapping[str, Any] = {}
        self.server_version = 0
        self.revision = 0
        self._syncing = asyncio.Lock()
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def load(self) -> None:
        """Reads what there is."""
        rows, own, verdicts, server, known = await self._database.read(_read_all)
        self._entries = {
            row.name: Entry(
                row.id, row.name, row.version, own.get(row.id, {}), row.template, verdicts.get(row.id), row.removed_at,
                json.loads(row.removed) if row.removed else None, row.fingerprint,
            )
            for row in rows
        }  # fmt: skip
        self.server_version, self._server = server
        self._registry.remember(known)

    async def sync(self) -> None:
        """Writes what the files say now."""
        async with self._syncing:
            new, other = [], []
            for model in self._registry.all():
                # What cannot be read today may be readable tomorrow without a change of the file.
                mark = None if model.problem else self._registry.fingerprint(model.name)
                entry = self._entries.get(model.name)
                if entry is None:
                    new.append((new_id("mdl"), mark, model))
                elif entry.fingerprint != mark:
                    other.append((entry.id, mark, model))
            await self._put_facts(new, other)

    async def _put_facts(
        self, new: list[tuple[str, str | None, Model]], other: list[tuple[str, str | None, Model]]
    ) -> None:
        if not new and not other:
            return
        now = self.now()

        def work(connection: Connection) -> None:
            repository.put_facts(connection, new, now, new=True)
            repository.put_facts(connection, other, now, new=False)

        await self._database.write(work)
        self.revision += 1
        for key, mark, model in new:
            self._entries[model.name] = Entry(key, model.name, fingerprint=mark)
        for _, mark, model in other:
            self._entries[model.name] = replace(self._entries[model.name], fingerprint=mark)

    def lock(self, name: str) -> asyncio.Lock:
        """Held by who changes a model, so that changes of one model come one after the other."""
        return self._locks[name]

    def now(self) -> int:
        """Milliseconds since 1970."""
        return int(self._clock.now().timestamp() * 1000)

    def entries(self) -> Mapping[str, Entry]:
        """All models that Corral knows, also those whose files are gone."""
        return self._entries

    def entry(self, name: str) -> Entry:
        """What is known of a model; an empty entry for one that nothing is known of yet."""
        return self._entries.get(name) or Entry("", name)

    def own(self, name: str) -> Mapping[str, Any]:
        """What counts for a model: what is on trial, else what is set."""
        return self._trials.get(name, self.entry(name).own)

    def server(self) -> Mapping[str, Any]:
        """What is set for all models."""
        return self._server

    def try_out(self, name: str, own: Mapping[str, Any] | None) -> None:
        """Lets other values count for a model, without keeping them; None ends it."""
        self.revision += 1
        if own is None:
            self._trials.pop(name, None)
        else:
            self._trials[name] = own

    async def put(self, name: str, own: Mapping[str, Any], edit: Edit, **known: Any) -> Entry:
        """Sets exactly `own` for a model, with an entry in the history, and tells the bus. Hold its lock.

        `known` are further fields of the entry to change.
        """
        entry = await self._there(name)
        now = self.now()
        before, after = before_and_after(entry.own, own)
        made = replace(entry, own=dict(own), version=entry.version + 1, **known)
        columns = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in known.items()}

        def work(connection: Connection) -> None:
            repository.put_own(connection, entry.id, own, after, now)
            repository.put_version(connection, entry.id, {"version": made.version, **columns})
            record(connection, Change("model", name, made.version, edit.action, edit.by, before, after, edit.note), now)

        await self._database.write(work)
        self._entries[name] = made
        self.revision += 1
        if not edit.quiet:
            self.tell("model", name, made.version)
        return made

    async def put_server(self, own: Mapping[str, Any], edit: Edit) -> None:
        """Sets exactly `own` for all models. Hold the lock of the empty name."""
        now, version = self.now(), self.server_version + 1
        before, after = before_and_after(self._server, own)

        def work(connection: Connection) -> None:
            repository.put_server(connection, own, after, version, now)
            record(connection, Change("server", "", version, edit.action, edit.by, before, after, edit.note), now)

        await self._database.write(work)
        self._server, self.server_version = dict(own), version
        self.revision += 1
        self.tell("server", "", version)

    async def note(self, name: str, **known: Any) -> Entry:
        """Changes fields of an entry without touching what is set."""
        entry = await self._there(name)
        columns = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in known.items()}
        await self._database.write(lambda connection: repository.put_version(connection, entry.id, columns))
        made = self._entries[name] = replace(self._entries[name], **known)
        self.revision += 1
        self._bus.publish(TOPIC, {"event": "models:changed"})
        return made

    async def put_fit(self, name: str, values: Mapping[str, Any]) -> None:
        """Keeps the last fit analysis of a model; values by the columns of `model_fit_params`."""
        entry = await self._there(name)
        kept = {"fingerprint": self._registry.fingerprint(name), "analyzed_at": self.now(), **values}
        await self._database.write(lambda connection: repository.put_fit(connection, entry.id, kept))
        if entry.fit != values["verdict"]:
            self._entries[name] = replace(self._entries[name], fit=values["verdict"])
            self.revision += 1
            self._bus.publish(TOPIC, {"event": "models:changed"})

    async def fit(self, name: str) -> dict[str, Any] | None:
        """The last fit analysis of a model, None when there is none."""
        key = self.entry(name).id
        return await self._database.read(lambda connection: repository.fit(connection, key)) if key else None

    async def forget(self, names: Iterable[str]) -> None:
        """Removes models and all that is set for them."""
        keys = [self._entries.pop(name).id for name in names if name in self._entries]
        self.revision += 1
        await self._database.write(lambda connection: repository.forget(connection, keys))

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Writes something that belongs to the configuration."""
        return await self._database.write(work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Reads something that belongs to the configuration."""
        return await self._database.read(work)

    def tell(self, scope: str, name: str, version: int) -> None:
        """Tells who listens that something was set."""
        self._bus.publish(CONFIG_TOPIC, {"event": "config:changed", "scope": scope, "name": name, "version": version})
        if scope in ("model", "models", "server", "app"):
            self._bus.publish(TOPIC, {"event": "models:changed"})

    async def _there(self, name: str) -> Entry:
        """The entry of a model, made when it is not there yet."""
        if name not in self._entries:
            await self.sync()
        async with self._syncing:
            if name not in self._entries:
                # A model of the settings: it has no file that was found.
                await self._put_facts([(new_id("mdl"), None, Model(name, Path(), 0))], [])
        return self._entries[name]


def _read_all(connection: Connection) -> tuple[Any, ...]:
    rows = repository.known_models(connection)
    own = repository.own_values(connection, [row.id for row in rows if row.own_options])
    verdicts, server = repository.fit_verdicts(connection), repository.server_values(connection)
    return rows, own, verdicts, server, repository.remembered(connection)
