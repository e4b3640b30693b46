"""Profiles: all that is set, for all models and for each, under a name, to be switched as a whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from corral.kit.clock import iso, moment
from corral.kit.errors import InvalidRequest, NotFound
from corral.models.configuration.changing import Changing
from corral.models.configuration.policy import wire
from corral.models.configuration.records import (
    Change,
    Profile,
    drop_profile,
    profile,
    profiles,
    put_profile,
    record,
    thin_out,
)
from corral.models.configuration.repository import fact, put_fact
from corral.models.configuration.sets import Edit, Sets
from corral.models.configuration.switching import Held, Switched, Switching

MOST = 100
UNDOABLE = 20
"""The last switches whose values are kept, so that they can be undone."""
_ACTIVE = "active_profile"


class Profiles:
    """All profiles. They are read when they are asked for."""

    def __init__(self, sets: Sets, changing: Changing) -> None:
        self._sets = sets
        self._switching = Switching(sets, changing)

    async def listing(self) -> dict[str, Any]:
        """All profiles in the wire form, without their values, and which was switched on last."""
        found, active = await self._sets.read(lambda connection: (profiles(connection), fact(connection, _ACTIVE)))
        return {"profiles": [_wire(one) for one in found], "active": active}

    async def save(self, name: str, *, description: str | None, by: str) -> dict[str, Any]:
        """Keeps all that is set now under a name. Raises InvalidRequest when there are too many."""
        now, sets = self._sets.now(), self._sets
        # A model whose settings alone were deleted is there still, with nothing set.
        there = (entry for entry in sets.entries().values() if not (entry.removed or {}).get("files"))
        own = {entry.name: dict(entry.own) for entry in there}
        server, version = dict(sets.server()), sets.server_version

        def work(connection: Connection) -> Profile:
            old = profile(connection, name)
            if old is None and len(profiles(connection)) >= MOST:
                raise InvalidRequest(f"There are {MOST} profiles already; delete some.", param="name")
            text = description if description is not None else old.description if old else ""
            made = Profile(name, text, server, own, old.created_at if old else now, now, by)
            put_profile(connection, made)
            put_fact(connection, _ACTIVE, name, now)
            record(connection, Change("profile", name, version, "save", by, {}, {}), now)
            return made

        made = await sets.write(work)
        sets.tell("profile", name, version)
        return _wire(made)

    async def delete(self, name: str, *, by: str) -> None:
        """Forgets a profile; what is set stays. Raises NotFound."""
        now, version = self._sets.now(), self._sets.server_version

        def work(connection: Connection) -> None:
            _must(profile(connection, name), name)
            drop_profile(connection, name)
            if fact(connection, _ACTIVE) == name:
                put_fact(connection, _ACTIVE, None, now)
            record(connection, Change("profile", name, version, "delete", by, {}, {}), now)

        await self._sets.write(work)
        self._sets.tell("profile", name, version)

    async def activate(self, name: str, *, by: str, apply: bool) -> dict[str, Any]:
        """Sets all that the profile says; models that it does not know keep what they have.

        A model whose engine does not start with it keeps what it had; the result says which and why, and by which `change` of
        the history it can be undone. Raises NotFound.
        """
        async with self._switching.lock:
            found = _must(await self._sets.read(lambda connection: profile(connection, name)), name)
            done = await self._switching.to(
                Held(found.server, dict(found.models)), Edit(by, "profile", name, quiet=True), apply=apply
            )
            change = await self._write(done, Change("profile", name, 0, "activate", by, {}, {}), name)
        return {"active": name, "results": done.results, "ok": done.ok, "change": change}

    async def undo(self, change: Change, *, by: str, apply: bool) -> dict[str, Any]:
        """Brings back what held before a switch, where nothing of it was changed since. It can be undone as well.

        Raises InvalidRequest, and Conflict with the differences.
        """
        async with self._switching.lock:
            before, after = self._switching.taken_back(change)
            edit = Edit(by, "profile", f"{change.name}, undone", quiet=True)
            done = await self._switching.to(before, edit, apply=apply, expected=after)
            key = await self._write(done, Change("profile", change.name, 0, "undo", by, {}, {}), before.active)
        return {"active": before.active, "results": done.results, "ok": done.ok, "change": key}

    async def _write(self, done: Switched, change: Change, active: str | None) -> str | None:
        """Keeps a switch in the history, with what held before and after it; its id when it can be undone."""
        now, version = self._sets.now(), self._sets.server_version

        def work(connection: Connection) -> str:
            done.before.active = fact(connection, _ACTIVE)
            done.after.active = active if active and profile(connection, active) else None
            put_fact(connection, _ACTIVE, done.after.active, now)
            held, holds = done.before.as_dict(), done.after.as_dict()
            key = record(connection, replace(change, version=version, before=held, after=holds), now)
            thin_out(connection, "profile", UNDOABLE)
            return key

        key = await self._sets.write(work)
        self._sets.tell("profile", change.name, version)
        return None if done.before.empty else key


def _must(found: Profile | None, name: str) -> Profile:
    if found is None:
        raise NotFound(f"There is no profile {name[:100]!r}.")
    return found


def _wire(one: Profile) -> dict[str, Any]:
    own = {name: wire(values) for name, values in one.models.items() if values}
    return {
        "name": one.name, "description": one.description, "server": wire(one.server), "models": own,
        "createdAt": iso(moment(one.created_at)), "updatedAt": iso(moment(one.updated_at)), "by": one.by,
    }  # fmt: skip
