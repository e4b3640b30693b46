"""What answers requests, without the doors to it: models, engines, providers, routes, limits, usage. The server and the library stand on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from corral.app.accounting import Accounting
from corral.app.accounting import Around as Stands
from corral.app.catalogue import Catalogue
from corral.app.engine_control import EngineControl
from corral.app.listing import Listing
from corral.app.loaded import LoadedModels
from corral.app.routing import Ground, Routing
from corral.bus import Bus
from corral.engines import EngineOptions, Engines
from corral.inference import Inference
from corral.inference.ports import Recorder
from corral.kit.clock import Clock
from corral.kit.trace import Trace
from corral.models import ModelRegistry
from corral.models.configuration import Configuration, Surroundings
from corral.settings import Sourced
from corral.store import Database, Location

PACKAGE = Path(__file__).parent.parent
INCLUDED = PACKAGE / "included" / "cria.gguf"


class Answering:
    """The parts and their order. `open`, `serve`; and `end`, `settle` and `close`, between which others may stop what stands on it."""

    def __init__(self, sourced: Sourced, environ: Mapping[str, str], *, clock: Clock, bus: Bus) -> None:
        settings = sourced.settings
        self._sourced = sourced
        self._environ = environ
        self._clock = clock
        self._bus = bus
        self.settings = settings
        self.data = settings.data.resolve()
        folders = [self.data / "models", *settings.models]
        self.registry = ModelRegistry(folders, INCLUDED, clock=clock, bus=bus)
        self.catalogue = Catalogue(settings, self.registry)
        options = EngineOptions(
            start_stall=settings.start_stall,
            memory_budget=settings.memory_budget,
            min_residency=settings.min_residency,
            max_wait=settings.max_wait,
            kv_budget=settings.kv_budget,
        )
        ledger = self.data / "run"
        self.engines = Engines(self.catalogue, ledger, clock=clock, bus=bus, options=options, environ=environ)
        self.catalogue.engines = self.engines
        self.inference = Inference(self.catalogue, self.engines, queue=settings.queue, max_wait=settings.max_wait)
        self._database: Database | None = None
        self._configuration: Configuration | None = None
        self._loaded: LoadedModels | None = None
        self._routing: Routing | None = None
        self._accounting: Accounting | None = None

    async def open(self) -> tuple[Database, Configuration]:
        """Opens the data, ends left-over engines and finds models. Raises StartupError."""
        settings = self.settings
        database = self._database = await Database.open(Location(self.data / "corral.db", settings.database_url))
        await self.engines.start_up()
        (self.data / "models").mkdir(exist_ok=True)
        around = Surroundings(self.data, self._clock, self._bus, EngineControl(self.engines, self.catalogue))
        configuration = self._configuration = Configuration(database, self.registry, self._sourced, around)
        await configuration.load()
        self.catalogue.configuration = configuration
        loaded = self._loaded = LoadedModels(self.engines, self._bus, lambda name: name in settings.engines)
        self.catalogue.loaded = loaded
        loaded.start()
        await self.registry.start()
        await configuration.start()
        return database, configuration

    async def serve(
        self, recorders: Sequence[Recorder] = (), trace: Callable[[], Trace | None] | None = None
    ) -> tuple[Routing, Accounting]:
        """Lets requests be answered: who can be asked, and what stands around each of them. `recorders` are told of them too; `trace`
        begins the span of each that is traced."""
        assert self._database is not None
        settings = self.settings
        source = str(self._sourced.file or self._sourced.place)
        ground = Ground(settings, source, self.data, self._environ, self._clock, self._bus)
        routing = self._routing = Routing(self._database, ground, self.catalogue)
        await routing.load()
        stands = Stands(routing.routes, routing.limits.entries, self.catalogue.version)
        accounting = self._accounting = Accounting(settings, self._database, stands, clock=self._clock, bus=self._bus)
        await accounting.start()
        routing.serve(self.inference, recorders, replace(accounting.hooks, trace=trace))
        routing.start()
        return routing, accounting

    def listing(self) -> Listing:
        """What can be asked for. After `serve`."""
        assert self._routing is not None
        return Listing(self.catalogue, self.registry, self._routing.routes, self._routing.providers)

    def used(self) -> dict[str, dict[str, int]]:
        """What was asked of each model since the start."""
        return self._accounting.usage.totals.told() if self._accounting is not None else {}

    async def end(self) -> None:
        """Takes no more requests and ends the engines."""
        await self.inference.stop()
        if self._loaded is not None:
            await self._loaded.stop()
        await self.engines.shut_down()
        await self.registry.stop()

    async def settle(self) -> None:
        """Writes what is left, and closes all connections."""
        if self._accounting is not None:
            await self._accounting.stop()
        if self._routing is not None:
            await self._routing.stop()
        if self._configuration is not None:
            await self._configuration.stop()

    async def close(self) -> None:
        """Closes the data."""
        if self._database is not None:
            await self._database.close()
