"""Profiles: all that is set, for all models and for each, under a name, to be switched as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from corral.kit.clock import iso, moment
from corral.kit.errors import CorralError, InvalidRequest, NotFound
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
)
from corral.models.configuration.repository import fact, put_fact
from corral.models.configuration.sets import Edit, Sets
from corral.models.options.values import check

MOST = 100
_ACTIVE = "active_profile"


class Profiles:
    """All profiles. They are read when they are asked for."""

    def __init__(self, sets: Sets, changing: Changing) -> None:
        self._sets = sets
        self._changing = changing

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

        A model whose engine does not start with it keeps what it had; the result says which and why. Raises NotFound.
        """
        found = _must(await self._sets.read(lambda connection: profile(connection, name)), name)
        edit = Edit(by, "profile", name, quiet=True)
        entries = self._sets.entries()
        other = [one for one, own in found.models.items() if one in entries and dict(entries[one].own) != dict(own)]

        async def switch(model: str) -> dict[str, Any]:
            took = await self._changing.set_own(model, _set(found.models[model], "model"), edit, apply=apply)
            return {"applied": "now" if took else "next"}

        results = await self._changing.each(other, switch, apply=apply)
        try:
            await self._changing.set_server(_set(found.server, "server"), edit)
        except CorralError as error:
            results.append({"name": "", "ok": False, "error": error.message})
        now, version = self._sets.now(), self._sets.server_version

        def work(connection: Connection) -> None:
            put_fact(connection, _ACTIVE, name, now)
            record(connection, Change("profile", name, version, "activate", by, {}, {}), now)

        await self._sets.write(work)
        self._sets.tell("profile", name, version)
        return {"active": name, "results": results, "ok": all(one["ok"] for one in results)}


def _must(found: Profile | None, name: str) -> Profile:
    if found is None:
        raise NotFound(f"There is no profile {name[:100]!r}.")
    return found


def _set(values: Mapping[str, Any], scope: str) -> dict[str, Any]:
    return {name: value for name, value in check(values, scope=scope).items() if value is not None}


def _wire(one: Profile) -> dict[str, Any]:
    own = {name: wire(values) for name, values in one.models.items() if values}
    return {
        "name": one.name, "description": one.description, "server": wire(one.server), "models": own,
        "createdAt": iso(moment(one.created_at)), "updatedAt": iso(moment(one.updated_at)), "by": one.by,
    }  # fmt: skip
