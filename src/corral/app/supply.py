"""The fit analysis, the downloads, and the models for browsers: made, wired and run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corral.accounts.service import Accounts
from corral.accounts.types import Permission
from corral.bus import Bus
from corral.engines import Engines
from corral.kit.clock import Clock
from corral.models import ModelRegistry
from corral.models.configuration import Configuration
from corral.models.device import DeviceModels, Digests, Readers
from corral.models.downloads import TOPIC, Downloads, Hub, Limits, Places
from corral.models.fit import Base, Fit, look
from corral.realtime.downloads import add_downloads, add_fit
from corral.realtime.intents import Intents
from corral.settings import Settings
from corral.surfaces.api.device import device_router
from corral.surfaces.api.downloads import downloads_router, fit_router
from corral.surfaces.api.routing import ApiRouter

TOPICS = {TOPIC: Permission.MODELS_READ}


class FitSettings:
    """See `models.fit.service.Settings`."""

    def __init__(self, configuration: Configuration, engines: Engines) -> None:
        self._configuration = configuration
        self._engines = engines

    def values(self, name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """See the port."""
        return self._configuration.set_for(name, changes)

    def base(self) -> Base:
        """See the port."""
        now = self._configuration.settings.now
        return Base(now.context_length, now.slots)

    def limit(self) -> int | None:
        """See the port."""
        return self._configuration.settings.now.memory_budget

    def used(self, name: str) -> int:
        """See the port."""
        return sum(one.memory or 0 for one in self._engines.statuses() if one.model == name)

    def revision(self) -> object:
        """See the port."""
        return self._configuration.revision

    async def kept(self, name: str) -> Mapping[str, Any] | None:
        """See the port."""
        return await self._configuration.fit(name)

    async def keep(self, name: str, columns: Mapping[str, Any]) -> None:
        """See the port."""
        await self._configuration.put_fit(name, columns)


class Arrivals:
    """Has the registry look when a download is done: see `models.downloads.service.Arrived`."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry

    async def __call__(self, path: Path) -> str | None:
        """The name of the model whose first file is at `path`."""
        await self._registry.rescan()
        return next((model.name for model in self._registry.all() if model.path == path), None)


class Supply:
    """What a model needs of this machine, getting models, and giving them to browsers. `start`, and `stop` before the configuration stops."""

    def __init__(
        self,
        settings: Settings,
        data: Path,
        parts: tuple[ModelRegistry, Configuration, Engines],
        *,
        clock: Clock,
        bus: Bus,
    ) -> None:
        registry, configuration, engines = parts
        self.fit = Fit(registry, FitSettings(configuration, engines), look, clock=clock, bus=bus)
        places = Places(data / "downloads" / "downloads.json", data / "models")
        hub = Hub(settings.hub_endpoint, settings.hub_token)
        limits = Limits(settings.hub_parallel)
        self.downloads = Downloads(
            places, hub, self.fit.judge_choices, Arrivals(registry), clock=clock, bus=bus, limits=limits
        )

        digests = Digests(data / "device" / "digests.json")
        self.device = DeviceModels(registry, digests, Readers(), limit=settings.device_max_bytes)

    async def start(self) -> None:
        """Goes on with downloads, and analyses models that have no analysis yet."""
        self.fit.start()
        await self.downloads.start()
        await self.device.start()

    async def stop(self) -> None:
        """Leaves downloads for the next start."""
        await self.device.stop()
        await self.downloads.stop()
        await self.fit.stop()

    def add_intents(self, intents: Intents) -> None:
        """The intents of both."""
        add_downloads(intents, self.downloads)
        add_fit(intents, self.fit)

    def routers(self, accounts: Accounts) -> list[ApiRouter]:
        """The routes of all."""
        return [
            downloads_router(accounts, self.downloads),
            fit_router(accounts, self.fit),
            device_router(accounts, self.device),
        ]
