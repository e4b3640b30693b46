"""Providers, routes and limits over a real database, with real providers and models of this machine that are only names."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from corral.accounts.secrets import Secrets
from corral.bus import MemoryBus
from corral.inference.limits.configured import ConfiguredLimits
from corral.inference.routes.service import RouteDirectory
from corral.kit.clock import Clock, SystemClock
from corral.kit.errors import ModelNotFound
from corral.providers.building import build_provider
from corral.providers.directory import Around, Providers
from corral.providers.types import Provider, ProviderSpec
from corral.settings import Settings
from corral.store import Database, Location

SOURCE = "corral.toml"
SECRET = "sk-test-0123456789-abcdefghij-wxyz"


def quiet(**changes: Any) -> dict[str, Any]:
    """A provider at an address where nothing is, that nobody asks for models."""
    return {"base_url": "http://127.0.0.1:9/v1", "discover": False, **changes}


class LaterClock(SystemClock):
    """The machine's clock, with a wall clock that is some days ahead."""

    def __init__(self, days: float) -> None:
        self._ahead = timedelta(days=days)

    def now(self) -> datetime:
        return super().now() + self._ahead


@dataclass
class LocalNames:
    """Fills the port to the models of this machine."""

    known: set[str] = field(default_factory=lambda: {"qwen", "org/tiny"})

    def has(self, name: str) -> bool:
        return name in self.known

    def default(self) -> str:
        if not self.known:
            raise ModelNotFound("There is no model yet.")
        return min(self.known)

    def names(self) -> list[str]:
        return sorted(self.known)


@dataclass
class Desk:
    """All that is configured, and what it stands on."""

    providers: Providers
    routes: RouteDirectory
    limits: ConfiguredLimits
    local: LocalNames
    database: Database
    bus: MemoryBus

    async def add(self, name: str = "cloud", **changes: Any) -> dict[str, Any]:
        """A new provider."""
        return await self.providers.save(name, 0, {"kind": "openai", **changes}, by="ann")

    async def add_route(self, name: str, *candidates: Any, **changes: Any) -> dict[str, Any]:
        """A new route."""
        return await self.routes.save(name, 0, {"candidates": list(candidates), **changes}, by="ann")


@contextlib.asynccontextmanager
async def desk(
    folder: Path, location: Location | None = None, *, clock: Clock | None = None, environ: Mapping[str, str] | None = None,
    build: Callable[[ProviderSpec], Provider] | None = None, **settings: Any,
) -> AsyncIterator[Desk]:  # fmt: skip
    """Opened, loaded and started; `settings` are what corral.toml would say."""
    found = Settings.model_validate({"data": folder, **settings})
    database = await Database.open(location or Location(folder / "corral.db"))
    clock, bus, local = clock or SystemClock(), MemoryBus(), LocalNames()
    around = Around(clock, bus, environ or {}, build or partial(build_provider, clock=clock))
    providers = Providers(database, Secrets(found, folder), found.providers, SOURCE, around)
    routes = RouteDirectory(database, found.routes, SOURCE, providers, local, clock=clock, bus=bus)
    limits = ConfiguredLimits(database, found.limits, SOURCE, clock=clock, bus=bus)
    for one in (providers, routes, limits):
        await one.load()
        one.start()
    try:
        yield Desk(providers, routes, limits, local, database, bus)
    finally:
        for one in (limits, routes, providers):
            await one.stop()
        await database.close()
