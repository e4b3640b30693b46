"""Switching many things that are set at once, and taking such a switch back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from corral.kit.errors import Conflict, CorralError, InvalidRequest
from corral.models.configuration.changing import Changing
from corral.models.configuration.policy import differences
from corral.models.configuration.records import Change
from corral.models.configuration.sets import Edit, Sets
from corral.models.options.values import check

Values = Mapping[str, Any]
TOLD = 50
"""Models whose differences are told when a switch cannot be taken back."""


@dataclass(slots=True)
class Held:
    """What is set: for all models, None when that is not meant, and for single ones. `active` is the profile in force."""

    server: Values | None = None
    models: dict[str, Values] = field(default_factory=dict)
    active: str | None = None

    @property
    def empty(self) -> bool:
        """Whether it says nothing."""
        return self.server is None and not self.models

    def as_dict(self) -> dict[str, Any]:
        """The form of the history; nothing when it says nothing."""
        if self.empty:
            return {}
        return {"server": self.server, "models": self.models, "active": self.active}


@dataclass(slots=True)
class Switched:
    """What became of a switch: each model's result, and what held before and after of all that it changed."""

    results: list[dict[str, Any]]
    before: Held
    after: Held

    @property
    def ok(self) -> bool:
        """Whether everything was switched."""
        return all(one["ok"] for one in self.results)


def undoable(change: Change) -> bool:
    """Whether a change of the history is a switch whose values are still kept."""
    return change.scope == "profile" and bool(change.before) and bool(change.after)


class Switching:
    """One switch at a time."""

    def __init__(self, sets: Sets, changing: Changing) -> None:
        self._sets = sets
        self._changing = changing
        self.lock = asyncio.Lock()

    async def to(self, wanted: Held, edit: Edit, *, apply: bool, expected: Held | None = None) -> Switched:
        """Sets what `wanted` says and nothing else. Hold the lock.

        A model that is not as `expected` any more, or whose engine does not start with it, keeps what it has; the result says so.
        """
        entries = self._sets.entries()
        other = [
            name for name, own in wanted.models.items() if name in entries and dict(entries[name].own) != dict(own)
        ]
        done = Switched([], Held(), Held())

        async def switch(name: str) -> dict[str, Any]:
            own = _set(wanted.models[name], "model")
            was = expected.models.get(name) if expected is not None else None
            took, before = await self._changing.exchange(name, own, edit, apply=apply, expected=was)
            done.before.models[name], done.after.models[name] = before, own
            return {"applied": "now" if took else "next"}

        done.results = await self._changing.each(other, switch, apply=apply)
        if wanted.server is not None and not _same(wanted.server, self._sets.server()):
            try:
                own = _set(wanted.server, "server")
                was = expected.server if expected is not None else None
                done.before.server = await self._changing.exchange_server(own, edit, expected=was)
                done.after.server = own
            except CorralError as error:
                done.results.append({"name": "", "ok": False, "error": error.message})
        return done

    def taken_back(self, change: Change) -> tuple[Held, Held]:
        """What held before a switch and after it. Raises InvalidRequest, and Conflict when anything of it was changed since."""
        if not undoable(change):
            raise InvalidRequest(
                "This cannot be undone: only the last switches of profiles that changed something can. Switch to another profile."
            )
        before, after = _held(change.before), _held(change.after)
        diff = []
        entries = self._sets.entries()
        for name, own in after.models.items():
            entry = entries.get(name)
            if entry is None or (entry.removed or {}).get("files"):
                diff.append({"name": name, "gone": True, "options": {}})
            elif not _same(own, entry.own):
                diff.append({"name": name, "gone": False, "options": differences(own, entry.own)})
        if after.server is not None and not _same(after.server, self._sets.server()):
            options = differences(after.server, self._sets.server())
            diff.insert(0, {"name": "", "gone": False, "options": options})
        if diff:
            raise Conflict(
                "What the switch had set was changed since, so it is not taken back. Take those changes back first, or switch to another profile.",
                details={"diff": diff[:TOLD], "more": max(0, len(diff) - TOLD)},
            )
        return before, after


def _held(values: Values) -> Held:
    return Held(values.get("server"), dict(values.get("models", {})), values.get("active"))


def _same(left: Values, right: Values) -> bool:
    """Whether values are the same once they are written down."""
    return bool(json.loads(json.dumps(left)) == json.loads(json.dumps(dict(right))))


def _set(values: Values, scope: str) -> dict[str, Any]:
    return {name: value for name, value in check(values, scope=scope).items() if value is not None}
