"""The keys of all providers as they are kept: added, put in order, thrown away and brought back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection

from corral.accounts.secrets import Secrets, hint
from corral.kit.errors import InvalidRequest, NotFound
from corral.providers.directory import keys as keyring
from corral.providers.directory.keys import KeyRow, KnownKey
from corral.providers.directory.kinds import address
from corral.providers.directory.shelf import Record
from corral.settings.gateway import ProviderEntry
from corral.store import Database
from corral.store.versioned import KEEP_DAYS
from corral.telemetry import get_logger

_log = get_logger("corral.providers")


class Keys:
    """Hold the lock of the directory while changing something.

    Args:
        variables: for providers of corral.toml, the variables that hold their keys.
    """

    def __init__(
        self, database: Database, secrets: Secrets, variables: Mapping[str, Sequence[str]], environ: Mapping[str, str]
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._variables = variables
        self._environ = environ
        self._rows: dict[str, list[KeyRow]] = {}

    async def load(self) -> None:
        """Reads what there is."""
        self._rows = {}
        for row in await self._database.read(keyring.all_keys):
            self._rows.setdefault(row.provider_id, []).append(row)

    def opened(self, record: Record[ProviderEntry]) -> tuple[KnownKey, ...]:
        """The keys of a provider, each with its value when it can be used."""
        if record.entry is None:
            return ()
        if record.read_only:
            return tuple(keyring.from_environment(self._variables.get(record.name, ()), self._environ))
        place = address(record.entry)
        return tuple(keyring.unseal(self._secrets, row, place) for row in self._kept(record))

    async def add(self, record: Record[ProviderEntry], value: str, label: str | None, *, now: int) -> str:
        """Keeps another key, sealed, for the address that is called now; its label.

        Raises InvalidRequest, SecretUnreadable and StorageUnavailable.
        """
        place = self._address(record)
        kept = self._kept(record)
        if len(kept) >= keyring.MAX_KEYS:
            raise InvalidRequest(f"A provider has at most {keyring.MAX_KEYS} keys.", param="secret")
        label = keyring.free_label(label, kept)
        ids = keyring.new_key(record.id)
        sealed = await asyncio.to_thread(keyring.seal, self._secrets, ids, value, place)
        position = 1 + max((row.position for row in kept), default=0)
        row = KeyRow(*ids, label, sealed, hint(value), position, now)
        await self._database.write(lambda connection: keyring.put_key(connection, row))
        self._rows.setdefault(record.id, []).append(row)
        return label

    async def throw_away(self, record: Record[ProviderEntry], key: str, *, now: int) -> str:
        """Puts a key into the trash; its label. Raises NotFound."""
        self._address(record)
        found = next((row for row in self._kept(record) if row.id == key), None)
        if found is None:
            raise NotFound(f"The provider {record.name!r} has no such key.")
        await self._mark(record, found, now)
        return found.label

    async def bring_back(self, record: Record[ProviderEntry], key: str) -> str:
        """Takes a key out of the trash; its label. Raises NotFound, and InvalidRequest when its label is taken by now."""
        self._address(record)
        rows = self._rows.get(record.id, ())
        found = next((row for row in rows if row.id == key and row.removed_at is not None), None)
        if found is None:
            raise NotFound(f"The provider {record.name!r} had no such key within {KEEP_DAYS} days.")
        keyring.free_label(found.label, rows)
        await self._mark(record, found, None)
        return found.label

    async def order(self, record: Record[ProviderEntry], order: Sequence[str]) -> None:
        """Puts the keys in this order. Raises InvalidRequest."""
        self._address(record)
        if sorted(order) != sorted(row.id for row in self._kept(record)):
            reason = "all keys of the provider are needed, each once"
            raise InvalidRequest(f"ids: {reason}.", param="ids", details={"fields": {"ids": reason}})
        places = {key: place for place, key in enumerate(order, 1)}

        def work(connection: Connection) -> None:
            for key, place in places.items():
                keyring.change_key(connection, key, position=place)

        await self._database.write(work)
        moved = [replace(row, position=places.get(row.id, row.position)) for row in self._rows.get(record.id, ())]
        self._rows[record.id] = sorted(moved, key=lambda row: row.position)

    async def purge(self, now: int, known: Sequence[str]) -> None:
        """Deletes for good what was thrown away more than a week ago; `known` are the ids of the providers that are left."""
        await self._database.write(lambda connection: keyring.purge_keys(connection, now))
        await self.load()
        self._rows = {key: rows for key, rows in self._rows.items() if key in known}

    async def seal_anew(self, record: Record[ProviderEntry], keys: Sequence[KnownKey]) -> None:
        """Seals under the present master key what was sealed under an older one."""
        values = {known.id: known.key.value for known in keys if known.key is not None}
        for row in self._kept(record):
            if row.id in values and not self._secrets.current(row.secret):
                ids, place = (row.id, row.provider_id), self._address(record)
                sealed = await asyncio.to_thread(keyring.seal, self._secrets, ids, values[row.id], place)
                await self._database.write(partial(keyring.change_key, key=row.id, secret=sealed))
                _log.info("provider_key_sealed_anew", provider=record.name, label=row.label)

    def _kept(self, record: Record[ProviderEntry]) -> list[KeyRow]:
        return [row for row in self._rows.get(record.id, ()) if row.removed_at is None]

    async def _mark(self, record: Record[ProviderEntry], row: KeyRow, removed_at: int | None) -> None:
        await self._database.write(lambda connection: keyring.change_key(connection, row.id, removed_at=removed_at))
        marked = replace(row, removed_at=removed_at)
        self._rows[record.id] = [marked if one.id == row.id else one for one in self._rows[record.id]]

    @staticmethod
    def _address(record: Record[ProviderEntry]) -> str:
        """What is called, for a provider whose keys can be changed. Raises InvalidRequest for another."""
        if record.read_only:
            raise InvalidRequest(
                f"The keys of {record.name!r} come from the environment: see {record.source}.", param="name"
            )
        if record.entry is None:
            raise InvalidRequest(f"The provider {record.name!r} cannot be changed. {record.problem}", param="name")
        return address(record.entry)
