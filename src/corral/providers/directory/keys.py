"""The keys of providers: sealed in the database, bound to their row and to the host that they were entered for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from corral.accounts.secrets import Secrets, hint
from corral.kit.clock import iso, moment
from corral.kit.errors import InvalidRequest, SecretUnreadable
from corral.kit.http.outward import outward_url
from corral.kit.ids import new_id
from corral.providers.directory.shelf import DATABASE
from corral.providers.directory.tables import provider_keys
from corral.providers.types import ProviderKey
from corral.store.versioned import KEEP_MILLISECONDS

MAX_KEYS = 32
MAX_SECRET = 8192


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as it is kept. Times are milliseconds since 1970."""

    id: str
    provider_id: str
    label: str
    secret: bytes = field(repr=False)
    hint: str
    position: int
    created_at: int
    removed_at: int | None = None


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key as a page shows it, and, when it can be used, its value."""

    id: str
    label: str
    hint: str
    source: str
    created_at: int | None = None
    problem: str | None = None
    key: ProviderKey | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The wire form, without the value."""
        made = iso(moment(self.created_at)) if self.created_at is not None else None
        return {
            "id": self.id, "label": self.label, "hint": self.hint, "source": self.source, "createdAt": made, "problem": self.problem
        }  # fmt: skip


class _Sealed(msgspec.Struct):
    value: str
    origin: str


def seal(secrets: Secrets, row: tuple[str, str], value: str, address: str) -> bytes:
    """`value` for the key and the provider of these ids, and for the host of `address` alone."""
    return secrets.seal(msgspec.json.encode(_Sealed(value, _origin(address))).decode(), about(*row))


def unseal(secrets: Secrets, row: KeyRow, address: str) -> KnownKey:
    """A key, with its value when it may be used at `address`; else with the reason why not."""
    problem, key = None, None
    try:
        sealed = msgspec.json.decode(secrets.open(row.secret, about(row.id, row.provider_id)), type=_Sealed)
        if sealed.origin == _origin(address):
            key = ProviderKey(row.label, sealed.value)
        else:
            problem = f"It was entered for {sealed.origin}; enter it again for the new address, or set the old one."
    except SecretUnreadable as error:
        problem = error.message
    except msgspec.DecodeError:
        problem = "It was sealed by another version of Corral. Enter it again."
    return KnownKey(row.id, row.label, row.hint, DATABASE, row.created_at, problem, key)


def from_environment(names: Sequence[str], environ: Mapping[str, str]) -> list[KnownKey]:
    """The keys that variables hold."""
    found = []
    for name in names:
        value = environ.get(name, "").strip()
        problem = _unfit(value) if value else f"The variable {name} is not set."
        key = None if problem else ProviderKey(name, value)
        found.append(KnownKey(f"pky_env_{name}", name, hint(value) if key else "", name, None, problem, key))
    return found


def check_secret(value: str) -> str:
    """A secret as it can be sent in a header. Raises InvalidRequest, without repeating it."""
    value = value.strip()
    problem = _unfit(value)
    if problem is not None:
        raise InvalidRequest(f"secret: {problem}", param="secret", details={"fields": {"secret": problem}})
    return value


def free_label(label: str | None, known: Iterable[KeyRow]) -> str:
    """The label of a new key: the given one, or the first free number. Raises InvalidRequest for one that is taken."""
    taken = {row.label for row in known if row.removed_at is None}
    if label is None:
        return next(name for name in (f"key {count}" for count in range(1, MAX_KEYS + 2)) if name not in taken)
    if label in taken:
        reason = "another key of this provider has this label"
        raise InvalidRequest(f"label: {reason}.", param="label", details={"fields": {"label": reason}})
    return label


def new_key(provider_id: str) -> tuple[str, str]:
    """The ids of a new key and its provider."""
    return new_id("pky"), provider_id


def _unfit(value: str) -> str | None:
    if not value or len(value) > MAX_SECRET:
        return f"takes 1 to {MAX_SECRET} characters."
    if not value.isascii() or not value.isprintable() or " " in value:
        return "holds characters that no key has; it may have been cut or wrapped when it was copied."
    return None


def about(key: str, provider: str) -> str:
    """What the sealed key of these ids is bound to."""
    return f"provider_keys/{key}/{provider}"


def _origin(address: str) -> str:
    return outward_url(address).origin if address else ""


# The table


def all_keys(connection: Connection) -> list[KeyRow]:
    """All keys, those in the trash too, in order."""
    order = (provider_keys.c.provider_id, provider_keys.c.position, provider_keys.c.id)
    return [KeyRow(**row._asdict()) for row in connection.execute(select(provider_keys).order_by(*order))]


def put_key(connection: Connection, row: KeyRow) -> None:
    """Adds a key."""
    values = {name: getattr(row, name) for name in KeyRow.__dataclass_fields__}
    connection.execute(insert(provider_keys).values(**values))


def change_key(connection: Connection, key: str, **values: Any) -> None:
    """Changes columns of a key."""
    connection.execute(update(provider_keys).where(provider_keys.c.id == key).values(**values))


def drop_key(connection: Connection, key: str) -> None:
    """Deletes a key for good."""
    connection.execute(delete(provider_keys).where(provider_keys.c.id == key))


def purge_keys(connection: Connection, now: int) -> None:
    """Deletes for good the keys that were deleted more than a week ago."""
    connection.execute(delete(provider_keys).where(provider_keys.c.removed_at <= now - KEEP_MILLISECONDS))
