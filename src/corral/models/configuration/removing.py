"""Taking away what is set for a model, or its file too, and bringing it back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from corral.kit.clock import iso, moment
from corral.kit.errors import CorralError, InvalidRequest, NotFound
from corral.models.configuration import trash
from corral.models.configuration.changing import Changing
from corral.models.configuration.policy import wire
from corral.models.configuration.ports import EngineControl
from corral.models.configuration.sets import Edit, Entry, Sets
from corral.models.registry import ModelRegistry
from corral.telemetry import get_logger

_log = get_logger("corral.configuration")


class Removing:
    """Removes and restores.

    Args:
        folder: where files go that were thrown away.
        known: whether a model of a name can be asked for.
    """

    def __init__(
        self, sets: Sets, changing: Changing, registry: ModelRegistry, engines: EngineControl, folder: Path,
        known: Callable[[str], bool],
    ) -> None:  # fmt: skip
        self._sets = sets
        self._changing = changing
        self._registry = registry
        self._engines = engines
        self._folder = folder
        self._known = known

    async def delete(self, name: str, *, by: str, file: bool) -> dict[str, Any]:
        """Takes away all that is set for a model, with `file` its files too; for a week it can be had back."""
        entry = self._sets.entry(name)
        files: list[list[str]] = []
        if file:
            files = await self._plan(name, entry)
            await self._engines.stop(name)
        removed = {"own": wire(entry.own), "template": entry.template, "files": files, "by": by}
        known = {"removed_at": self._sets.now(), "removed": removed, "template": None}
        await self._changing.set_own(name, {}, Edit(by, "delete"), apply=False, **known)
        if files:
            try:
                await trash.move(files)
            except CorralError:
                await self._bring_back(name, self._sets.entry(name), by)
                raise
            await self._registry.rescan()
        _log.info("model_removed", model=name, files=len(files), by=by)
        return {"name": name, "removed": removal(self._sets.entry(name))}

    async def _plan(self, name: str, entry: Entry) -> list[list[str]]:
        if not self._registry.has(name):
            raise InvalidRequest(f"{name!r} is an engine of corral.toml; there is no file to delete.", param="file")
        model = self._registry.get(name)
        if model.included:
            raise InvalidRequest(f"{name!r} ships with Corral and cannot be deleted.", param="file")
        key = f"{entry.id or 'new'}-{self._sets.now()}"
        return await asyncio.to_thread(trash.plan, model.path, self._folder, key)

    async def restore(self, name: str, *, by: str) -> None:
        """Brings back what `delete` took away. Raises NotFound when there is nothing, Conflict when its place is taken."""
        entry = self._sets.entries().get(name)
        if entry is None or entry.removed is None:
            raise NotFound(f"Nothing of {name[:200]!r} was deleted within {trash.KEEP_DAYS} days.")
        files = [[target, source] for source, target in entry.removed.get("files", ())]
        if files:
            await trash.move(files)
        await self._bring_back(name, entry, by)
        await self._registry.rescan()

    async def _bring_back(self, name: str, entry: Entry, by: str) -> None:
        removed = entry.removed or {}
        known = {"removed_at": None, "removed": None, "template": removed.get("template")}
        # Where something was set since, that stays.
        own = dict(entry.own) if entry.own else self._changing.usable(removed.get("own", {}))
        await self._changing.set_own(name, own, Edit(by, "restore"), apply=False, **known)

    async def empty_trash(self) -> None:
        """Deletes for good what was thrown away more than a week ago."""
        now = self._sets.now()
        for entry in list(self._sets.entries().values()):
            if entry.removed_at is None or now - entry.removed_at < trash.KEEP_MILLISECONDS:
                continue
            await trash.empty(entry.removed or {})
            if self._known(entry.name):
                await self._sets.note(entry.name, removed_at=None, removed=None)
            else:
                await self._sets.forget([entry.name])


def removal(entry: Entry) -> dict[str, Any] | None:
    """What was taken away of a model, in the wire form; None when nothing was."""
    if entry.removed is None or entry.removed_at is None:
        return None
    return {
        "at": iso(moment(entry.removed_at)),
        "until": iso(moment(entry.removed_at + trash.KEEP_MILLISECONDS)),
        "file": bool(entry.removed.get("files")),
    }
