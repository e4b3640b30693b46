"""A configuration with real files, a real database and engines that only say what they were asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corral.bus import MemoryBus
from corral.kit.clock import SystemClock
from corral.kit.errors import EngineFailed
from corral.models import ModelRegistry
from corral.models.configuration import Configuration, Surroundings
from corral.settings import load_settings
from corral.store import Database, Location
from tests.support.gguf_files import write


@dataclass
class ScriptedEngines:
    """Fills the port to the engines: `up` run, those of `old` with earlier settings; `refuse` makes starts fail with these last lines, `gate` makes them wait."""

    up: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)
    refuse: list[str] | None = None
    old: set[str] = field(default_factory=set)
    gate: asyncio.Event | None = None

    def running(self, name: str) -> bool:
        return name in self.up

    def stale(self, name: str) -> bool:
        return name in self.old

    async def apply(self, name: str) -> None:
        self.asked.append(("apply", name))
        if self.gate is not None:
            await self.gate.wait()
        if self.refuse is not None:
            details = {"code": "crashed", "lastLines": self.refuse}
            raise EngineFailed(f"The engine of {name!r} ended with code 1. See its last lines.", details=details)
        self.old.discard(name)

    async def renew(self) -> None:
        self.asked.append(("renew", ""))

    async def stop(self, name: str) -> None:
        self.asked.append(("stop", name))
        self.up.discard(name)


@dataclass
class Room:
    """One configuration and what it stands on."""

    configuration: Configuration
    registry: ModelRegistry
    database: Database
    bus: MemoryBus
    engines: ScriptedEngines
    data: Path

    async def save(self, name: str, apply: bool = False, **changes: Any) -> str:
        """Saves onto the present version."""
        version = self.configuration.row(name)["version"]
        return await self.configuration.save(name, version, changes, by="ann", apply=apply)

    def own(self, name: str) -> dict[str, Any]:
        """What is set for a model."""
        return dict(self.configuration.own(name))


async def changes_of(room: Room, **filters: Any) -> list[dict[str, Any]]:
    """The newest changes in the history."""
    wanted = {"scope": None, "name": None, "before": None, "limit": 100, **filters}
    entries: list[dict[str, Any]] = (await room.configuration.history(**wanted))["entries"]
    return entries


@contextlib.asynccontextmanager
async def configured(
    data: Path, location: Location | None = None, *names: str, environ: dict[str, str] | None = None
) -> AsyncIterator[Room]:
    """A configuration of the models `names` (those in DATA/models stay)."""
    for name in names:
        if not (data / "models" / f"{name}.gguf").exists():
            write(data / "models" / f"{name}.gguf")
    database = await Database.open(location or Location(data / "corral.db"))
    bus, clock, engines = MemoryBus(), SystemClock(), ScriptedEngines()
    registry = ModelRegistry([data / "models"], None, clock=clock, bus=bus)
    sourced = load_settings({"data": data}, environ=environ or {})
    made = Configuration(database, registry, sourced, Surroundings(data, clock, bus, engines))
    await made.load()
    await registry.start()
    await made.start()
    try:
        yield Room(made, registry, database, bus, engines, data)
    finally:
        await registry.stop()
        await made.stop()
        await database.close()
