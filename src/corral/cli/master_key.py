"""What `corral doctor` looks at in the master key of secrets: is it there, whose is it, and does it open what is stored."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from corral.accounts.secrets import KEY_FILE, Secrets
from corral.cli.output import plain
from corral.kit.errors import SecretUnreadable, StartupError
from corral.settings import Settings

if TYPE_CHECKING:
    from corral.providers.directory.keys import KeyRow

Said = tuple[Literal["ok", "note", "problem"], str, str]
NAME = "master key"
_NAMED = 5
"""Keys that are named when they cannot be opened."""


def master_key(settings: Settings) -> Iterator[Said]:
    """What is to be said: a level (ok, note, problem), a text, and what to do."""
    place = "CORRAL_MASTER_KEY" if settings.master_key else str(_file(settings))
    rows = _stored(settings)
    if not settings.master_key:
        file = _file(settings)
        if not file.exists():
            yield _missing(settings, file, rows)
            return
        yield from _rights(file)
    secrets = Secrets(settings, settings.data.resolve())
    try:
        marks = secrets.marks()
    except SecretUnreadable as error:
        lost = f" {_counted(rows)} cannot be opened without it." if rows else ""
        yield "problem", f"{plain(error.message)}{lost}", f"Put the right key back into {place}, from a backup."
        return
    if not marks:
        yield "problem", f"{place} holds no key.", f"Put it back, or a new one: `openssl rand -base64 32 > {place}`."
        return
    yield _opened(secrets, rows, place)


def _file(settings: Settings) -> Path:
    return settings.master_key_file or settings.data.resolve() / KEY_FILE


def _missing(settings: Settings, file: Path, rows: list[KeyRow]) -> Said:
    if rows:
        again = f"Put it back from a backup of {file.parent}; without it they have to be entered again on the page Providers."
        return "problem", f"{file} is missing, so {_counted(rows)} cannot be opened.", again
    if settings.master_key_file is not None:
        make = f"Make it: `umask 077; openssl rand -base64 32 > {file}`."
        return "problem", f"{file} is missing; no key of a provider can be kept.", make
    return "ok", "made with the first key of a provider", ""


def _rights(file: Path) -> Iterator[Said]:
    """Whether the file is its owner's alone, and the owner is who runs this."""
    found = file.stat()
    if not stat.S_ISREG(found.st_mode):
        yield "problem", f"{file} is no file.", "Take it away and put the key back from a backup."
        return
    mine = os.geteuid()
    if found.st_uid != mine:
        text = f"{file} belongs to the user {found.st_uid} and not to {mine}, who runs this."
        yield "problem", text, f"Run `corral` as that user, or `chown {mine} {file}`."
    if found.st_mode & 0o077:
        text = f"{file} can be read by others (mode {stat.S_IMODE(found.st_mode):04o})."
        yield "problem", text, f"`chmod 600 {file}`. If others use this machine, change the providers' keys as well."


def _stored(settings: Settings) -> list[KeyRow]:
    """The sealed keys of providers; none where the database cannot be read, which is told elsewhere."""
    from sqlalchemy import inspect
    from sqlalchemy.exc import DBAPIError

    from corral.providers.directory.keys import all_keys
    from corral.providers.directory.tables import provider_keys
    from corral.store.engines import Location, open_engines

    location = Location(settings.data.resolve() / "corral.db", settings.database_url)
    if location.url is None and not location.file.exists():
        return []
    try:
        engines = open_engines(location)
        try:
            with engines[1].connect() as connection:
                there = inspect(connection).has_table(provider_keys.name)
                return [row for row in all_keys(connection) if row.removed_at is None] if there else []
        finally:
            for one in engines:
                one.dispose()
    except (StartupError, DBAPIError):
        return []


def _opened(secrets: Secrets, rows: list[KeyRow], place: str) -> Said:
    from corral.providers.directory.keys import about

    shut: list[str] = []
    why = ""
    for row in rows:
        try:
            secrets.open(row.secret, about(row.id, row.provider_id))
        except SecretUnreadable as error:
            why = why or plain(error.message)
            shut.append(f"{plain(row.label)} (…{plain(row.hint)})" if row.hint else plain(row.label))
    if shut:
        named = ", ".join(shut[:_NAMED]) + (f" and {len(shut) - _NAMED} more" if len(shut) > _NAMED else "")
        return "problem", f"{len(shut)} of {_counted(rows)} cannot be opened: {named}. {why}", (
            f"Run this with the settings that the server has; then put the key that they were sealed under into {place}, or enter them again."
        )  # fmt: skip
    older = sum(not secrets.current(row.secret) for row in rows)
    if older:
        text = f"{place} opens all of {_counted(rows)}, {older} under an older key that it holds"
        return "note", text, "The next start seals them anew; keep the older key there until then."
    return "ok", f"{place} opens {_counted(rows)}" if rows else f"{place}; no key of a provider is stored", ""


def _counted(rows: list[KeyRow]) -> str:
    return "1 stored key of a provider" if len(rows) == 1 else f"{len(rows)} stored keys of providers"
