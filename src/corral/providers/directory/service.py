"""Providers as configuration: the use cases that HTTP, Socket.IO and the command line share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from sqlalchemy import Row

from corral.accounts.secrets import Secrets, hint
from corral.bus import Bus
from corral.kit.clock import Clock
from corral.kit.errors import CorralError, InvalidRequest
from corral.kit.tasks import Tasks
from corral.providers.directory.asking import Asking
from corral.providers.directory.building import health_row, own_row, row_of, spec_of
from corral.providers.directory.keeping import Keys
from corral.providers.directory.keys import KnownKey, check_secret
from corral.providers.directory.kinds import CARDS
from corral.providers.directory.live import LiveProviders
from corral.providers.directory.shelf import Record, Shelf, from_json, gone, rest_as_json
from corral.providers.directory.tables import providers
from corral.providers.types import Provider, ProviderKey, ProviderModel, ProviderSpec
from corral.settings.changing import changed
from corral.settings.gateway import LOCAL, FileProvider, ProviderEntry, ProviderName
from corral.store import Database
from corral.telemetry import get_logger

TOPIC = "providers"
MOST = 200
PURGE_SECONDS = 3600.0
LOOK_SECONDS = 60.0
_NAME: TypeAdapter[str] = TypeAdapter(ProviderName)
_log = get_logger("corral.providers")


@dataclass(frozen=True, slots=True)
class Around:
    """What the directory is wired to. `build` makes the object that is called."""

    clock: Clock
    bus: Bus
    environ: Mapping[str, str]
    build: Callable[[ProviderSpec], Provider]


class ProviderCodec:
    """See `directory.shelf.Codec`."""

    shape = ProviderEntry
    noun = "provider"
    prefix = "prv"
    table = providers
    most = MOST

    def columns(self, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """See `Codec`."""
        return {
            "name": name, "kind": values["kind"], "base_url": values.get("base_url"), "enabled": values.get("enabled", True),
            "options": rest_as_json(values, "kind", "base_url", "enabled"),
        }  # fmt: skip

    def values(self, row: Row[Any]) -> tuple[str, dict[str, Any]]:
        """See `Codec`."""
        values = {**from_json(row.options), "kind": row.kind, "enabled": row.enabled}
        return row.name, {**values, "base_url": row.base_url} if row.base_url is not None else values


class Providers:
    """All providers. `load` before use, then `start`. A change counts for the next request; those under way end as they began."""

    def __init__(
        self, database: Database, secrets: Secrets, given: Mapping[str, FileProvider], source: str, around: Around
    ) -> None:
        """`given` are the providers of the file at `source`."""
        self._around = around
        plain = {name: ProviderEntry(**entry.model_dump(exclude={"api_key_env"})) for name, entry in given.items()}
        self._shelf: Shelf[ProviderEntry] = Shelf(database, ProviderCodec(), plain, source, clock=around.clock)
        self._shelf.shown = self._row
        variables = {name: entry.api_key_env for name, entry in given.items()}
        self._keys = Keys(database, secrets, variables, around.environ)
        self.live = LiveProviders(around.build, around.clock)
        self._asking = Asking(around.clock)
        self._changing = asyncio.Lock()
        self._tasks = Tasks("providers")
        self.uses: Callable[[str], Sequence[str]] = lambda _: ()
        """The routes that name a provider; `app` fills it."""

    async def load(self) -> None:
        """Reads what there is."""
        await self._shelf.load()
        await self._keys.load()
        records = self._shelf.all()
        # The first secret imports the cipher and reads the master key.
        opened = await asyncio.to_thread(lambda: [self._keys.opened(record) for record in records])
        for record, keys in zip(records, opened, strict=True):
            self.live.put(record, keys)
            for known in keys:
                if known.problem is not None:
                    _log.warning("provider_key_unusable", provider=record.name, label=known.label, reason=known.problem)
            if not record.read_only:
                await self._quietly(self._keys.seal_anew(record, keys))

    def start(self) -> None:
        """Asks providers for their models, and looks after what was replaced and thrown away."""
        self._tasks.start("look after", self._look_after())
        for live in self.live.all():
            self._ask_for_models(live.record.name)

    async def stop(self) -> None:
        """Closes all connections."""
        await self._tasks.stop()
        await self.live.close()

    def has(self, name: str) -> bool:
        """Whether there is a provider of that name, be it switched off."""
        return name == LOCAL or self.live.find(name) is not None

    def names(self) -> list[str]:
        """Those that can be asked, without this machine's engines."""
        return [live.record.name for live in self.live.all() if live.provider is not None]

    def known_models(self, name: str) -> list[ProviderModel]:
        """The models of a provider, as far as they are known: those that were written down, and those that it told of last."""
        live = self.live.find(name)
        if live is None or live.record.entry is None:
            return []
        written = spec_of(name, live.record.entry, ()).models
        told = self._asking.models(name) if live.record.entry.discover else ()
        return [*written.values(), *(model for model in told if model.name not in written)]

    # Use cases

    def kinds(self) -> dict[str, Any]:
        """What can be added."""
        return {"kinds": [one.as_dict() for one in CARDS]}

    def listing(self) -> dict[str, Any]:
        """All providers, and those in the trash."""
        own = [{**own_row(), "routes": list(self.uses(LOCAL))}] if self.live.own is not None else []
        rows = [self._row(live.record) for live in self.live.all()]
        return {"providers": [*own, *rows], "removed": [gone(record) for record in self._shelf.removed()]}

    def row(self, name: str) -> dict[str, Any]:
        """One provider. Raises NotFound."""
        return self._row(self._shelf.get(name))

    async def save(self, name: str, version: int, changes: Mapping[str, Any], *, by: str) -> dict[str, Any]:
        """Makes or changes a provider. Raises InvalidRequest with a reason for each field, NotFound and Conflict."""
        _check_name(name)
        async with self._changing:
            record = await self._shelf.save(name, version, changes, by=by, check=lambda entry: self._try(name, entry))
            _log.info("provider_saved", provider=name, version=record.version, by=by)
            return self._changed(record)

    async def delete(self, name: str, *, by: str) -> dict[str, Any]:
        """Puts a provider into the trash, with its keys. Raises NotFound, and InvalidRequest for one of the file."""
        async with self._changing:
            record = await self._shelf.delete(name, by=by)
            self.live.forget(name)
            self._asking.drop(name)
            self._tell([], [name])
            _log.info("provider_removed", provider=name, by=by)
            return {"deleted": name, "until": gone(record)["until"], "routes": list(self.uses(name))}

    async def restore(self, name: str, *, by: str) -> dict[str, Any]:
        """Brings back what `delete` took away. Raises NotFound."""
        async with self._changing:
            return self._changed(await self._shelf.restore(name, by=by))

    async def add_key(self, name: str, secret: str, label: str | None, *, by: str) -> dict[str, Any]:
        """Keeps another key. Raises NotFound, InvalidRequest, SecretUnreadable and StorageUnavailable."""
        value = check_secret(secret)
        async with self._changing:
            record = self._shelf.get(name)
            label = await self._keys.add(record, value, label, now=self._shelf.now())
            _log.info("provider_key_added", provider=name, label=label, by=by)
            return self._changed(record)

    async def remove_key(self, name: str, key: str, *, by: str) -> dict[str, Any]:
        """Puts a key into the trash. Raises NotFound and InvalidRequest."""
        async with self._changing:
            record = self._shelf.get(name)
            label = await self._keys.throw_away(record, key, now=self._shelf.now())
            _log.info("provider_key_removed", provider=name, label=label, by=by)
            return self._changed(record)

    async def restore_key(self, name: str, key: str, *, by: str) -> dict[str, Any]:
        """Brings a key back. Raises NotFound, and InvalidRequest when its label is taken by now."""
        async with self._changing:
            record = self._shelf.get(name)
            label = await self._keys.bring_back(record, key)
            _log.info("provider_key_restored", provider=name, label=label, by=by)
            return self._changed(record)

    async def order_keys(self, name: str, order: Sequence[str], *, by: str) -> dict[str, Any]:
        """Puts the keys in this order. Raises NotFound and InvalidRequest."""
        async with self._changing:
            record = self._shelf.get(name)
            await self._keys.order(record, order)
            _log.info("provider_keys_ordered", provider=name, by=by)
            return self._changed(record)

    async def test(self, name: str, changes: Mapping[str, Any] | None, secret: str | None) -> dict[str, Any]:
        """Tries all keys of a provider; with `changes` or `secret` as it would be with them, be it new. Raises NotFound, InvalidRequest."""
        draft = bool(changes) or secret is not None
        spec = self._draft(name, changes or {}, secret) if draft else self._present(name)
        told, results = await self._asking.test(spec, self._around.build)
        if not draft and self.live.find(name) is not None:
            self._asking.note(name, results)
            self._tell([name])
        return told

    async def models(self, name: str, *, refresh: bool) -> dict[str, Any]:
        """The models of a provider, which is asked unless it was lately; of `local` those of this machine. Raises NotFound."""
        if name == LOCAL and self.live.own is not None:
            rows = [self._asking.row(LOCAL, one, is_set=False) for one in await self.live.own.models()]
            return {"models": rows, "at": None, "problem": None}
        record = self._shelf.get(name)
        live = self.live.find(name)
        if live is not None and live.provider is not None and record.entry is not None and record.entry.discover:
            await self._asking.ask(name, live.provider, refresh=refresh)
        at, problem = self._asking.about_models(name)
        written = {one.name for one in record.entry.models} if record.entry is not None else set()
        kind = record.entry.kind if record.entry is not None else ""
        rows = [self._asking.row(kind, one, is_set=one.name in written) for one in self.known_models(name)]
        return {"models": rows, "at": at, "problem": self.live.problem(name) or problem}

    # Within

    def _row(self, record: Record[ProviderEntry]) -> dict[str, Any]:
        live = self.live.find(record.name)
        keys, problem = (live.keys, live.problem) if live is not None else ((), record.problem)
        health = health_row(self._asking.health(record.name))
        return {**row_of(record, keys, problem, health), "routes": list(self.uses(record.name))}

    def _try(self, name: str, entry: ProviderEntry) -> None:
        """Refuses what no provider can be made of. Raises InvalidRequest."""
        try:
            self._around.build(spec_of(name, entry, ()))
        except InvalidRequest as error:
            field = to_camel(error.param or "kind")
            raise InvalidRequest(error.message, param=field, details={"fields": {field: error.message}}) from None

    def _changed(self, record: Record[ProviderEntry]) -> dict[str, Any]:
        self._asking.forget(record.name)
        self.live.put(record, self._keys.opened(record))
        self._tell([record.name])
        self._ask_for_models(record.name)
        return self._row(record)

    def _present(self, name: str) -> ProviderSpec:
        record, live = self._shelf.get(name), self.live.find(name)
        if record.entry is None or live is None:
            raise InvalidRequest(f"The provider {name!r} cannot be tested. {record.problem}")
        if record.entry.enabled and live.provider is None:
            raise InvalidRequest(self.live.problem(name) or f"The provider {name!r} cannot be tested.")
        return spec_of(name, record.entry, live.keys)

    def _draft(self, name: str, changes: Mapping[str, Any], secret: str | None) -> ProviderSpec:
        """A provider as it would be. Its stored keys go along only to the host that they were entered for."""
        _check_name(name)
        record = self._shelf.find(name)
        entry = changed(ProviderEntry, record.values if record is not None else {}, changes)
        self._try(name, entry)
        keys: tuple[KnownKey, ...] = ()
        if secret is not None:
            value = check_secret(secret)
            keys = (KnownKey("", "new", hint(value), "", key=ProviderKey("new", value)),)
        elif record is not None and not record.read_only:
            keys = self._keys.opened(replace(record, entry=entry))
        return spec_of(name, entry, keys)

    def _ask_for_models(self, name: str) -> None:
        live = self.live.find(name)
        if (
            live is not None
            and live.provider is not None
            and live.record.entry is not None
            and live.record.entry.discover
        ):
            self._tasks.start(f"models of {name}", self._asking.ask(name, live.provider, refresh=False))

    async def _look_after(self) -> None:
        last_purge = float("-inf")
        while True:
            await self.live.close_retired()
            if self._around.clock.monotonic() - last_purge >= PURGE_SECONDS:
                last_purge = self._around.clock.monotonic()
                await self._quietly(self._purge())
            await self._around.clock.sleep(LOOK_SECONDS)

    async def _purge(self) -> None:
        async with self._changing:
            await self._shelf.purge()
            left = [record.id for record in (*self._shelf.all(), *self._shelf.removed())]
            await self._keys.purge(self._shelf.now(), left)

    def _tell(self, names: Sequence[str], removed: Sequence[str] = ()) -> None:
        rows = [self._row(live.record) for name in names if (live := self.live.find(name)) is not None]
        event = {"event": "providers:changed", "providers": rows, "removed": list(removed), "full": False}
        self._around.bus.publish(TOPIC, event)

    @staticmethod
    async def _quietly(work: Awaitable[None]) -> None:
        """Does what can be done later as well, should it not be possible now."""
        try:
            await work
        except CorralError as error:
            _log.warning("providers_not_written", reason=error.message)


def _check_name(name: str) -> None:
    reason = "stands for the engines of this machine; choose another name" if name == LOCAL else None
    try:
        _NAME.validate_python(name)
    except ValidationError as error:
        reason = error.errors(include_url=False, include_input=False)[0]["msg"].removeprefix("Value error, ")
    if reason is not None:
        raise InvalidRequest(f"name: {reason}.", param="name", details={"fields": {"name": reason}})
