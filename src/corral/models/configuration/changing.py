"""Changes of what is set for a model or for all of them: checked, tried out, written, taken back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from corral.kit.errors import ConfigRefused, Conflict, CorralError, EngineFailed, InvalidRequest
from corral.models.configuration.policy import blame, changed, differences, walked_back, wire
from corral.models.configuration.ports import EngineControl
from corral.models.configuration.records import Change, after_version, since
from corral.models.configuration.sets import Edit, Sets
from corral.models.options.catalogue import BY_NAME
from corral.models.options.launching import needs_restart, untaken
from corral.models.options.values import check, check_together, merge, refuse

Values = Mapping[str, Any]
MANY = 64
SERVER = ""
"""The name under which what is set for all models is locked and written into the history."""


class Changing:
    """Changes the sets. `apply` makes engines that run take a change at once, or else refuses it.

    What needs no new start is taken at once in any case.
    """

    def __init__(self, sets: Sets, engines: EngineControl, kind: Callable[[str], str]) -> None:
        """`kind`: which kind of engine runs a model: embedded, llama_server, command or url."""
        self._sets = sets
        self._engines = engines
        self._kind = kind

    async def save(self, name: str, version: int, changes: Values, *, edit: Edit, apply: bool) -> bool:
        """Changes single options of a model, None takes one away; whether an engine took them at once.

        Raises InvalidRequest with a reason for each field, Conflict when `version` is not the present one, and
        ConfigRefused when the engine does not start with the change; nothing is changed then.
        """
        checked = check(changes, scope="model")
        async with self._sets.lock(name):
            entry = self._sets.entry(name)
            if version != entry.version:
                raise await self._conflict("model", name, version, entry.version, entry.own)
            return await self._put(name, changed(entry.own, checked), edit, apply)

    async def set_own(self, name: str, own: Values, edit: Edit, *, apply: bool, **known: Any) -> bool:
        """Sets exactly `own` for a model, whatever its version is; whether an engine took it at once."""
        async with self._sets.lock(name):
            return await self._put(name, own, edit, apply, **known)

    async def exchange(
        self, name: str, own: Values, edit: Edit, *, apply: bool, expected: Values | None
    ) -> tuple[bool, Values]:
        """Sets exactly `own` for a model; whether an engine took it at once, and what was set before.

        Raises Conflict when that is not `expected`, where something is.
        """
        async with self._sets.lock(name):
            before = dict(self._sets.entry(name).own)
            _must_be(expected, before)
            return await self._put(name, own, edit, apply), before

    async def exchange_server(self, own: Values, edit: Edit, *, expected: Values | None) -> Values:
        """Sets exactly `own` for all models; what was set before. Raises Conflict when that is not `expected`."""
        async with self._sets.lock(SERVER):
            before = dict(self._sets.server())
            _must_be(expected, before)
            await self._put_server(own, edit)
            return before

    async def add(self, name: str, values: Values, edit: Edit, *, apply: bool, **known: Any) -> bool:
        """Sets `values` over what a model has; whether an engine took it at once."""
        async with self._sets.lock(name):
            return await self._put(name, changed(self._sets.entry(name).own, values), edit, apply, **known)

    async def save_server(self, version: int | None, changes: Values, edit: Edit) -> None:
        """Changes single options for all models. Raises InvalidRequest and Conflict."""
        async with self._sets.lock(SERVER):
            await self._put_server(await self.check_server(version, changes), edit)

    async def check_server(self, version: int | None, changes: Values) -> dict[str, Any]:
        """What would be set for all models after the changes. Raises InvalidRequest and Conflict."""
        own = changed(self._sets.server(), check(changes, scope="server"))
        now = self._sets.server_version
        if version is not None and version != now:
            raise await self._conflict("server", SERVER, version, now, self._sets.server())
        _together(own)
        return own

    async def set_server(self, own: Values, edit: Edit) -> None:
        """Sets exactly `own` for all models."""
        async with self._sets.lock(SERVER):
            await self._put_server(own, edit)

    async def each(
        self, names: Sequence[str], work: Callable[[str], Awaitable[dict[str, Any]]], *, apply: bool
    ) -> list[dict[str, Any]]:
        """Changes many models and tells of all at once; what became of each, in order.

        Many at a time, so that they share flushes of the database; one after the other where engines start for it.
        """
        at_once = asyncio.Semaphore(1 if apply else MANY)

        async def one(name: str) -> dict[str, Any]:
            async with at_once:
                try:
                    return {"name": name, "ok": True, **await work(name)}
                except CorralError as error:
                    return {"name": name, "ok": False, "error": error.message}

        results = await asyncio.gather(*map(one, names))
        self._sets.tell("models", "", 0)
        return list(results)

    async def take_back(self, change: Change, by: str, *, apply: bool) -> bool:
        """Sets what was set before a change of a model or of the server; whether an engine took it at once."""
        later = await self._sets.read(lambda connection: since(connection, change))
        edit = Edit(by, "rollback", f"to before version {change.version}")
        if change.scope == "server":
            own = _usable(walked_back(self._sets.server(), (one.before for one in later)), "server")
            await self.set_server(own, edit)
            return False
        own = walked_back(self._sets.entry(change.name).own, (one.before for one in later))
        return await self.set_own(change.name, _usable(own, "model"), edit, apply=apply)

    @staticmethod
    def usable(own: Values) -> dict[str, Any]:
        """Old values of a model as this version of Corral takes them; those that it does not take are left out."""
        kept: dict[str, Any] = {}
        for name, value in own.items():
            with contextlib.suppress(InvalidRequest):
                kept.update(check({name: value}, scope="model"))
        return {name: value for name, value in kept.items() if value is not None}

    async def _put(self, name: str, own: Values, edit: Edit, apply: bool, **known: Any) -> bool:
        entry = self._sets.entry(name)
        changes = differences(entry.own, own)
        if not changes:
            if any(getattr(entry, key) != value for key, value in known.items()):
                await self._sets.note(name, **known)
            return False
        _together(merge(self._sets.server(), own))
        refuse(
            untaken({option: own[option] for option in own if own[option] != entry.own.get(option)}, self._kind(name))
        )
        other = {option for option in BY_NAME if entry.own.get(option) != own.get(option)}
        took = self._engines.running(name) and (apply or not needs_restart(dict.fromkeys(other)))
        if took:
            await self._try_out(name, entry.own, own)
        await self._sets.put(name, own, edit, **known)
        return took

    async def _put_server(self, own: Values, edit: Edit) -> None:
        if differences(self._sets.server(), own):
            await self._sets.put_server(own, edit)
            await self._engines.renew()

    async def _try_out(self, name: str, before: Values, own: Values) -> None:
        """Starts the engine with `own` beside the old one. Raises ConfigRefused; then the old one serves on."""
        self._sets.try_out(name, own)
        try:
            await self._engines.apply(name)
        except EngineFailed as error:
            names = [option for option in BY_NAME if before.get(option) != own.get(option)]
            raise _refusal(name, {option: own.get(option) for option in names}, error) from None
        finally:
            self._sets.try_out(name, None)

    async def _conflict(self, scope: str, name: str, version: int, now: int, own: Values) -> CorralError:
        later = await self._sets.read(lambda connection: after_version(connection, scope, name, version))
        before = walked_back(own, (one.before for one in later))
        return Conflict(
            "Somebody else changed this meanwhile; look at the differences and save again.",
            details={"version": now, "diff": differences(before, own)}, param="version",
        )  # fmt: skip


def _must_be(expected: Values | None, now: Values) -> None:
    if expected is not None and differences(expected, now):
        raise Conflict("It was changed meanwhile.", details={"diff": differences(expected, now)})


def _together(values: Values) -> None:
    """Refuses values that do not go together, by their wire names. Raises InvalidRequest."""
    try:
        check_together(values)
    except InvalidRequest as error:
        fields = wire((error.details or {}).get("fields", {}))
        name = next(iter(fields), None)
        raise InvalidRequest(f"{name}: {fields[name]}." if name else error.message, param=name, details={"fields": fields}) from None  # fmt: skip


def _usable(own: Values, scope: str) -> dict[str, Any]:
    """Old values as this version of Corral takes them. Raises InvalidRequest."""
    return {name: value for name, value in check(own, scope=scope).items() if value is not None}


def _refusal(name: str, changes: Values, error: EngineFailed) -> ConfigRefused:
    """What to say of a start that failed: the reason beside each option that may be its cause."""
    told = error.details or {}
    lines = [str(line) for line in told.get("lastLines", ())]
    reason = error.message.splitlines()[0].removesuffix(" Last lines of the engine:")
    fields = wire(blame(changes, lines, str(told.get("code", "")), reason))
    first, why = next(iter(fields.items()))
    return ConfigRefused(
        f"The engine of {name!r} does not start with this, so nothing was changed. {first}: {why}",
        details={"fields": fields, "lastLines": lines, "reason": reason},
    )
