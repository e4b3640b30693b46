"""The whole server: makes the parts, wires them, starts and stops them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corral.accounts.service import LocalAccounts
from corral.accounts.types import Permission
from corral.agents import AgentOptions, Agents
from corral.app.accounting import Accounting
from corral.app.accounting import Around as Stands
from corral.app.catalogue import Catalogue
from corral.app.engine_control import EngineControl
from corral.app.gateway import EngineDoors, Totals, build_gateway
from corral.app.listing import Listing
from corral.app.loaded import LoadedModels
from corral.app.monitoring import TOPICS, MonitoringRoom, Watched
from corral.app.paths import Surfaces, by_path, not_started
from corral.app.routing import TOPICS as ROUTING_TOPICS
from corral.app.routing import Ground, Routing
from corral.app.sources import AgentSource
from corral.app.supply import TOPICS as SUPPLY_TOPICS
from corral.app.supply import Supply
from corral.bus import MemoryBus
from corral.engines import EngineOptions, Engines
from corral.inference import Inference
from corral.inference.tap import Meter
from corral.kit import faultpoints
from corral.kit.clock import SystemClock, iso
from corral.kit.errors import StartupError
from corral.models import ModelRegistry
from corral.models.configuration import Configuration, Surroundings
from corral.realtime import Realtime, RealtimeParts
from corral.realtime.configuration import add_configuration
from corral.settings import Settings, Sourced, is_loopback
from corral.store import Database, Location
from corral.surfaces.api.agents import agents_router
from corral.surfaces.api.application import build_api
from corral.surfaces.api.chat import chat_router
from corral.surfaces.api.configuration import configuration_router
from corral.surfaces.api.health import health_router
from corral.surfaces.api.models import models_router
from corral.surfaces.api.routing import ApiRouter
from corral.surfaces.asgi import App
from corral.surfaces.edge.middleware import Edge, EdgePolicy, known_hosts
from corral.surfaces.web import WebApp
from corral.telemetry import LogHub
from corral.version import __version__

PACKAGE = Path(__file__).parent.parent
INCLUDED = PACKAGE / "included" / "corral-demo.gguf"
PUBLIC_EXIT = 4


class Corral:
    """The whole server. `start`, serve `asgi`, `stop`."""

    def __init__(self, settings: Settings | Sourced, environ: Mapping[str, str], hub: LogHub) -> None:
        self._sourced = Sourced.of(settings) if isinstance(settings, Settings) else settings
        settings = self._sourced.settings
        if not is_loopback(settings.host):
            raise StartupError(
                f"Without accounts Corral serves this machine only; {settings.host} is not loopback. Use --host 127.0.0.1.",
                PUBLIC_EXIT,
            )
        if settings.faultpoint:
            faultpoints.arm(settings.faultpoint)
        self.settings = settings
        self.data = settings.data.resolve()
        self.bus = MemoryBus()
        self.accounts = LocalAccounts()
        self._clock = SystemClock()
        self._environ = environ
        self._meter = Meter()
        self._started = self._clock.now()
        folders = [self.data / "models", *settings.models]
        self.registry = ModelRegistry(folders, INCLUDED, clock=self._clock, bus=self.bus)
        self.catalogue = Catalogue(settings, self.registry)
        options = EngineOptions(
            start_stall=settings.start_stall,
            memory_budget=settings.memory_budget,
            min_residency=settings.min_residency,
            max_wait=settings.max_wait,
            kv_budget=settings.kv_budget,
        )
        ledger = self.data / "run"
        self.engines = Engines(
            self.catalogue, ledger, clock=self._clock, bus=self.bus, options=options, environ=environ
        )
        self.catalogue.engines = self.engines
        self.inference = Inference(self.catalogue, self.engines, queue=settings.queue, max_wait=settings.max_wait)
        self.monitoring = MonitoringRoom(settings, self.data, hub, clock=self._clock, bus=self.bus)
        self._database: Database | None = None
        self._configuration: Configuration | None = None
        self._loaded: LoadedModels | None = None
        self._supply: Supply | None = None
        self._routing: Routing | None = None
        self._accounting: Accounting | None = None
        self._agents: Agents | None = None
        self._policy = EdgePolicy(known_hosts(settings.host, settings.allowed_hosts), settings.max_body_bytes)
        self._realtime: Realtime | None = None
        self.asgi: App = not_started

    async def start(self) -> None:
        """Opens the data, ends left-over engines, finds models and goes on with unfinished turns. Raises StartupError."""
        settings = self.settings
        self._database = await Database.open(Location(self.data / "corral.db", settings.database_url))
        await self.engines.start_up()
        (self.data / "models").mkdir(exist_ok=True)
        around = Surroundings(self.data, self._clock, self.bus, EngineControl(self.engines, self.catalogue))
        configuration = self._configuration = Configuration(self._database, self.registry, self._sourced, around)
        await configuration.load()
        self.catalogue.configuration = configuration
        loaded = self._loaded = LoadedModels(self.engines, self.bus, lambda name: name in settings.engines)
        self.catalogue.loaded = loaded
        loaded.start()
        await self.registry.start()
        await configuration.start()
        sources = (self.registry, configuration, self.engines)
        supply = self._supply = Supply(settings, self.data, sources, clock=self._clock, bus=self.bus)
        self.catalogue.expected = supply.fit.expected
        await supply.start()
        routing, accounting = await self._open_gateway(self._database)
        options = AgentOptions(settings.system_prompt, settings.max_answer_tokens, settings.stop_grace)
        speaker = AgentSource(self.inference, self.catalogue.longest_answer)
        self._agents = Agents(self._database, speaker, clock=self._clock, bus=self.bus, options=options)
        await self._agents.start()
        self.monitoring.start(
            self._database, Watched(self.engines, self.inference, self._meter, self._sockets, accounting.metrics)
        )
        parts = RealtimeParts(
            self.accounts, self._agents, self.catalogue, self._health, self._policy, self.bus, self._clock,
            topics={"config": Permission.CONFIG_READ, "templates": Permission.MODELS_READ, **TOPICS, **SUPPLY_TOPICS, **ROUTING_TOPICS},
            doors=(
                lambda intents: add_configuration(intents, configuration, self.catalogue),
                self.monitoring.add_intents,
                supply.add_intents,
                routing.add_intents,
            ),
        )  # fmt: skip
        self._realtime = Realtime(parts)
        await self._realtime.start()
        self.asgi = self._build(
            self._agents,
            self._realtime,
            configuration,
            routing,
            [*supply.routers(self.accounts), *routing.routers(self.accounts), *accounting.routers(self.accounts)],
        )

    async def _open_gateway(self, database: Database) -> tuple[Routing, Accounting]:
        """Who can be asked, and what stands around each request."""
        settings = self.settings
        source = str(self._sourced.file or self._sourced.place)
        ground = Ground(settings, source, self.data, self._environ, self._clock, self.bus)
        routing = self._routing = Routing(database, ground, self.catalogue)
        await routing.load()
        stands = Stands(routing.routes, routing.limits.entries, self.catalogue.version)
        accounting = self._accounting = Accounting(settings, database, stands, clock=self._clock, bus=self.bus)
        await accounting.start()
        routing.serve(self.inference, [Totals(self._meter)], accounting.hooks)
        routing.start()
        return routing, accounting

    async def stop(self) -> None:
        """Lets turns finish for a while, then stops everything; what is left of a turn goes on after the next start."""
        if self._realtime is not None:
            await self._realtime.stop()
        if self._agents is not None:
            await self._agents.stop()
        await self.inference.stop()
        if self._loaded is not None:
            await self._loaded.stop()
        await self.engines.shut_down()
        await self.registry.stop()
        if self._supply is not None:
            await self._supply.stop()
        if self._accounting is not None:
            await self._accounting.stop()
        if self._routing is not None:
            await self._routing.stop()
        if self._configuration is not None:
            await self._configuration.stop()
        await self.monitoring.stop()
        if self._database is not None:
            await self._database.close()
        await asyncio.to_thread(self.monitoring.close)

    def _build(
        self, agents: Agents, realtime: Realtime, configuration: Configuration, routing: Routing, more: list[ApiRouter]
    ) -> App:
        accounts = self.accounts
        api = build_api(
            [
                chat_router(accounts, agents),
                agents_router(accounts, agents),
                models_router(accounts, self.catalogue, configuration),
                configuration_router(accounts, configuration),
                health_router(accounts, self.catalogue.readiness, self._health, self.monitoring.checks),
                *more,
                *self.monitoring.routers(accounts),
            ]
        )
        listing = Listing(self.catalogue, self.registry, routing.routes, routing.providers)
        doors = EngineDoors(self.engines, self.catalogue)
        gateway = build_gateway(accounts, self.inference, listing, doors)
        return Edge(by_path(Surfaces(realtime.asgi, gateway, api, WebApp(PACKAGE / "web_dist"))), self._policy)

    def _sockets(self) -> int:
        return self._realtime.sockets if self._realtime is not None else 0

    def _health(self) -> dict[str, Any]:
        totals = {
            name: {
                "requests": one.requests,
                "failures": one.failures,
                "promptTokens": one.prompt_tokens,
                "completionTokens": one.completion_tokens,
            }
            for name, one in self._meter.totals.items()
        }
        engines = [{**one.as_dict(), "waiting": self.inference.waiting(one.model)} for one in self.engines.statuses()]
        told = {"version": __version__, "startedAt": iso(self._started), "memory": self.engines.memory()}
        return {**told, "engines": engines, "usage": totals}
