"""Providers, routes and limits: made, wired and run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from corral.accounts.secrets import Secrets
from corral.accounts.types import Permission
from corral.app.trial import Trial
from corral.bus import Bus, Lagged
from corral.inference import Hooks, Inference
from corral.inference.limits.configured import TOPIC as LIMITS
from corral.inference.limits.configured import ConfiguredLimits
from corral.inference.ports import Recorder
from corral.inference.routes.service import TOPIC as ROUTES
from corral.inference.routes.service import LocalModels, RouteDirectory
from corral.inference.routes.states import TOPIC as STATES
from corral.inference.types import Record
from corral.kit.clock import Clock
from corral.kit.tasks import Tasks
from corral.models.registry import TOPIC as MODELS
from corral.providers.building import build_provider
from corral.providers.directory import TOPIC as PROVIDERS
from corral.providers.directory import Around, Providers
from corral.settings import Settings
from corral.store import Database

TOPICS = {
    PROVIDERS: Permission.PROVIDERS_READ,
    ROUTES: Permission.ROUTES_READ,
    STATES: Permission.ROUTES_READ,
    LIMITS: Permission.ROUTES_READ,
}

NONE = Hooks()


@dataclass(frozen=True, slots=True)
class Ground:
    """What the rooms stand on. `source` is the file that the settings came from."""

    settings: Settings
    source: str
    data: Path
    environ: Mapping[str, str]
    clock: Clock
    bus: Bus


class Recorders:
    """Tells several: see `inference.ports.Recorder`."""

    def __init__(self, recorders: Sequence[Recorder]) -> None:
        self._recorders = recorders

    def record(self, record: Record) -> None:
        """See the port."""
        for one in self._recorders:
            one.record(record)


class Routing:
    """Who can be asked, by which names, and how much. `load` before use, then `start`, and `stop` after the last request."""

    def __init__(self, database: Database, ground: Ground, local: LocalModels) -> None:
        settings, source, clock, bus = ground.settings, ground.source, ground.clock, ground.bus
        around = Around(clock, bus, ground.environ, lambda spec: build_provider(spec, clock))
        secrets = Secrets(settings, ground.data)
        self.providers = Providers(database, secrets, settings.providers, source, around)
        self.routes = RouteDirectory(database, settings.routes, source, self.providers, local, clock=clock, bus=bus)
        self.limits = ConfiguredLimits(database, settings.limits, source, clock=clock, bus=bus)
        self.trial: Trial | None = None
        self._clock = clock
        self._bus = bus
        self._tasks = Tasks("routing")
        self._problems: object = None

    async def load(self) -> None:
        """Reads what there is."""
        await self.providers.load()
        await self.routes.load()
        await self.limits.load()

    def start(self) -> None:
        """Begins what runs beside requests."""
        self.providers.start()
        self.routes.start()
        self.limits.start()
        self._tasks.start("tell of problems", self._follow())

    async def stop(self) -> None:
        """Ends that, and closes all connections to providers."""
        await self._tasks.stop()
        await self.limits.stop()
        await self.routes.stop()
        await self.providers.stop()

    def serve(self, inference: Inference, recorders: Sequence[Recorder], hooks: Hooks = NONE) -> None:
        """Has `inference` ask here, with `hooks` around each request, and tells `recorders` of it as well."""
        self.trial = Trial(inference, self._clock)
        self.providers.live.own = inference.own
        # What was learned of a provider does not count for what it is after a change.
        self.providers.live.watch(inference.health.forget)
        self.routes.states.condition = inference.condition
        own = () if hooks.recorder is None else (hooks.recorder,)
        inference.use(self.routes, replace(hooks, recorder=Recorders((self.trial, *own, *recorders))))

    async def _follow(self) -> None:
        """A route has problems when a provider or a model goes: those who look at it are told."""
        while True:
            try:
                with self._bus.subscribe(PROVIDERS, MODELS) as subscription:
                    self._tell()
                    async for _ in subscription:
                        self._tell()
            except Lagged:
                continue

    def _tell(self) -> None:
        rows = self.routes.listing()["routes"]
        problems = [(row["name"], row["problems"], row["shadows"]) for row in rows]
        if self._problems is not None and problems != self._problems:
            self.routes.problems_changed()
        self._problems = problems
