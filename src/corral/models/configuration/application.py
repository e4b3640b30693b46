"""The settings of the program that may be changed while it runs: written to corral.toml, some of them counting at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from corral.kit.errors import InvalidRequest
from corral.models.configuration.records import Change, record, since
from corral.models.configuration.repository import fact, put_fact
from corral.models.configuration.sets import Sets
from corral.settings import FIXED, LIVE, SECRET, TABLES, Settings, Sourced, change_file

_VERSION = "app_version"
_HIDDEN = SECRET | TABLES | {"faultpoint"}
_LOG = frozenset({"log_level", "log_levels"})
"""Those that concern neither models nor engines."""
Changed = Callable[[Settings], Awaitable[None]]


class AppSettings:
    """The settings that count now (`now`, counted by `revision`), and those of the next start.

    Args:
        changed: is told the settings that count after a change of one that does so at once.
        known: whether there is a model of a name.
    """

    def __init__(self, sourced: Sourced, sets: Sets, *, changed: Changed, known: Callable[[str], bool]) -> None:
        self.now = sourced.settings
        self.revision = 0
        self._next = sourced
        self._sets = sets
        self._changed = changed
        self._known = known
        self._changing = asyncio.Lock()
        self._listeners: list[Callable[[Settings, Settings], None]] = []

    def listen(self, listener: Callable[[Settings, Settings], None]) -> None:
        """Calls `listener` with the settings that counted and those that count now, at each change that counts at once."""
        self._listeners.append(listener)

    def source(self, name: str) -> str:
        """Where a setting's value comes from: `default`, a file, a variable of the environment, or `flag`."""
        return self._next.sources[name]

    def before_file(self, name: str) -> bool:
        """Whether the environment or a flag says a setting, which goes before the file."""
        return name in self._next.before_file

    def values(self) -> dict[str, Any]:
        """What may be seen, as it will be after the next start, by wire name."""
        shown = self._next.settings.model_dump(mode="json")
        return {wire_name(name): value for name, value in shown.items() if name not in _HIDDEN}

    def rows(self) -> list[dict[str, Any]]:
        """One entry a setting: value, the one that counts now, default, source, bounds, help, and what a change asks for."""
        after, now = self._next.settings.model_dump(mode="json"), self.now.model_dump(mode="json")
        defaults = Settings().model_dump(mode="json")
        schema = Settings.model_json_schema()["properties"]
        rows = []
        for name, field in Settings.model_fields.items():
            if name in _HIDDEN:
                continue
            reason = FIXED.get(name)
            if reason is None and name in self._next.before_file:
                reason = f"is set by {self._next.sources[name]}"
            rows.append(
                {
                    "name": wire_name(name), "setting": name, "value": after[name], "running": now[name],
                    "default": defaults[name], "source": self._next.sources[name], "help": field.description or "",
                    "restart": name not in LIVE, "pending": after[name] != now[name], "editable": reason is None,
                    "reason": reason, **_form(schema[name]),
                }
            )  # fmt: skip
        return rows

    async def save(self, changes: Mapping[str, Any], *, by: str, action: str = "save", note: str | None = None) -> None:
        """Writes settings, None takes one out of the file. Raises InvalidRequest with a reason for each field."""
        named = {_setting(name): value for name, value in changes.items()}
        model = named.get("default_model")
        if isinstance(model, str) and not self._known(model):
            reason = "there is no model of this name"
            raise InvalidRequest(
                f"defaultModel: {reason}.", param="defaultModel", details={"fields": {"defaultModel": reason}}
            )
        async with self._changing:
            old = self._next.settings.model_dump(mode="json")
            try:
                self._next = await asyncio.to_thread(change_file, self._next, named)
            except InvalidRequest as error:
                raise _as_wire(error) from None
            except OSError as error:
                raise InvalidRequest(f"{self._next.place} cannot be written: {error.strerror}.") from None
            new = self._next.settings.model_dump(mode="json")
            before = {name: old[name] for name in new if old[name] != new[name]}
            await self._record(action, by, before, {name: new[name] for name in before}, note)
            await self._count_at_once()

    async def take_back(self, change: Change, by: str) -> None:
        """Sets what was set before a change. Raises InvalidRequest."""
        values: dict[str, Any] = {}
        for one in await self._sets.read(lambda connection: since(connection, change)):
            values.update(one.before)
        defaults = Settings().model_dump(mode="json")
        values = {name: None if value == defaults.get(name) else value for name, value in values.items()}
        await self.save(values, by=by, action="rollback", note=f"to before version {change.version}")

    async def _record(
        self, action: str, by: str, before: Mapping[str, Any], after: Mapping[str, Any], note: str | None
    ) -> None:
        now = self._sets.now()

        def work(connection: Connection) -> int:
            version = int(fact(connection, _VERSION) or 0) + 1
            put_fact(connection, _VERSION, str(version), now)
            record(connection, Change("app", "", version, action, by, before, after, note), now)
            return version

        self._sets.tell("app", "", await self._sets.write(work))

    async def _count_at_once(self) -> None:
        live = {name: getattr(self._next.settings, name) for name in LIVE}
        before, now = self.now, self.now.model_copy(update=live)
        changed = {name for name in LIVE if getattr(before, name) != getattr(now, name)}
        if not changed:
            return
        self.now = now
        for listener in self._listeners:
            listener(before, now)
        if changed - _LOG:
            self.revision += 1
            await self._changed(now)


def wire_name(name: str) -> str:
    """The name of a setting on the wire."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _setting(name: str) -> str:
    return {wire_name(known): known for known in Settings.model_fields}.get(name, name)


def _as_wire(error: InvalidRequest) -> InvalidRequest:
    fields = {wire_name(name): reason for name, reason in (error.details or {}).get("fields", {}).items()}
    param = wire_name(error.param) if error.param else None
    return InvalidRequest(error.message, param=param, details={"fields": fields} if fields else None)


def _form(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What a form needs to ask for a setting."""
    kinds = [schema, *schema.get("anyOf", ())]
    typed: Mapping[str, Any] = next((one for one in kinds if one.get("type") not in (None, "null")), {})
    kind = {"boolean": "bool", "integer": "int", "number": "float", "array": "texts"}.get(typed.get("type", ""), "text")
    return {
        "kind": "choice" if "enum" in typed else kind,
        "choices": typed.get("enum", []),
        "minimum": typed.get("minimum", typed.get("exclusiveMinimum")),
        "maximum": typed.get("maximum"),
    }
