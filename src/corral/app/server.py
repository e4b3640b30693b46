"""The whole server: makes the parts, wires them, starts and stops them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from corral.accounts.service import LocalAccounts
from corral.accounts.types import Permission
from corral.agents import AgentOptions, Agents
from corral.app.accounting import Accounting
from corral.app.answering import PACKAGE, Answering
from corral.app.debugging import Memory
from corral.app.doors import add_gateway_intents, gateway_routers
from corral.app.failures import AnswerErrors
from corral.app.gateway import EngineDoors, build_gateway
from corral.app.monitoring import TOPICS, MonitoringRoom, Watched
from corral.app.paths import Surfaces, by_path, not_started
from corral.app.routing import TOPICS as ROUTING_TOPICS
from corral.app.sources import AgentSource
from corral.app.supply import TOPICS as SUPPLY_TOPICS
from corral.app.supply import Supply
from corral.app.v1 import StatusSource
from corral.bus import MemoryBus
from corral.inference.ports import Recorder
from corral.kit import faultpoints
from corral.kit.clock import Clock, SystemClock, iso
from corral.kit.errors import StartupError
from corral.models.configuration import Configuration
from corral.realtime import Realtime, RealtimeParts
from corral.realtime.configuration import add_configuration
from corral.realtime.device_turns import add_device_turns
from corral.settings import Settings, Sourced, is_loopback
from corral.settings.otel import OtelEntry
from corral.surfaces.api.agents import agents_router
from corral.surfaces.api.application import build_api
from corral.surfaces.api.chat import chat_router
from corral.surfaces.api.configuration import configuration_router
from corral.surfaces.api.device_turns import device_turns_router
from corral.surfaces.api.health import health_router
from corral.surfaces.api.models import models_router
from corral.surfaces.api.routing import ApiRouter
from corral.surfaces.asgi import App
from corral.surfaces.door import Pace
from corral.surfaces.edge.middleware import Edge, EdgePolicy, known_hosts
from corral.surfaces.edge.tracing import Traced
from corral.surfaces.v1.application import v1_router
from corral.surfaces.web import WebApp
from corral.telemetry import LogHub
from corral.telemetry.classification import ErrorLog
from corral.version import __version__

if TYPE_CHECKING:
    from corral.app.observing import Metric, Observing

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
        self.bus = MemoryBus()
        self.accounts = LocalAccounts()
        self._clock = SystemClock()
        self._errors = ErrorLog(self._clock)
        self._started = self._clock.now()
        answering = self._answering = Answering(self._sourced, environ, clock=self._clock, bus=self.bus)
        self.data = answering.data
        self.registry, self.catalogue, self.engines = answering.registry, answering.catalogue, answering.engines
        self.inference = answering.inference
        self.monitoring = MonitoringRoom(settings, self.data, hub, clock=self._clock, bus=self.bus)
        self._supply: Supply | None = None
        self._agents: Agents | None = None
        self._policy = EdgePolicy(known_hosts(settings.host, settings.allowed_hosts), settings.max_body_bytes)
        self._realtime: Realtime | None = None
        self._observing: Observing | None = None
        self._memory = Memory(self._clock)
        self._tracing = self._memory.tracing()
        self._hub = hub
        self.asgi: App = not_started

    async def start(self) -> None:
        """Opens the data, ends left-over engines, finds models and goes on with unfinished turns. Raises StartupError."""
        settings = self.settings
        database, configuration = await self._answering.open()
        self.monitoring.keep_levels(configuration.settings)
        sources = (self.registry, configuration, self.engines)
        supply = self._supply = Supply(settings, self.data, sources, clock=self._clock, bus=self.bus)
        self.catalogue.expected = supply.fit.expected
        await supply.start()
        observing = self._observing = _observing(settings.otel, self._clock, self._memory)
        recorders: list[Recorder] = [self._memory.requests, AnswerErrors(self._errors)]
        if observing is not None:
            recorders.append(observing.recorder)
        tracing = self._tracing = observing.tracing if observing is not None else self._memory.tracing()
        begin = tracing.begin if observing is not None else tracing.within
        routing, accounting = await self._answering.serve(recorders, begin)
        if observing is not None:
            observing.start(routing.routes)
        options = AgentOptions(settings.system_prompt, settings.max_answer_tokens, settings.stop_grace)
        speaker = AgentSource(self.inference, self.catalogue.longest_answer)
        agents = self._agents = Agents(
            database, speaker, clock=self._clock, bus=self.bus, options=options, tracing=tracing
        )
        await self._agents.start()
        self.monitoring.start(
            database,
            Watched(self.engines, self.inference, self._usage, self._sockets, self._gateway_metrics(accounting)),
        )
        parts = RealtimeParts(
            self.accounts, self._agents, self.catalogue, self._health, self._policy, self.bus, self._clock,
            topics={"config": Permission.CONFIG_READ, "templates": Permission.MODELS_READ, **TOPICS, **SUPPLY_TOPICS, **ROUTING_TOPICS},
            doors=(
                lambda intents: add_configuration(intents, configuration, self.catalogue),
                self.monitoring.add_intents,
                supply.add_intents,
                lambda intents: add_gateway_intents(intents, routing),
                lambda intents: add_device_turns(intents, agents.device),
            ),
            errors=self._errors,
            tracing=tracing,
        )  # fmt: skip
        self._realtime = Realtime(parts)
        await self._realtime.start()
        self.asgi = self._build(
            self._agents,
            self._realtime,
            configuration,
            [*supply.routers(self.accounts), *gateway_routers(self.accounts, routing, accounting)],
        )

    async def stop(self) -> None:
        """Lets turns finish for a while, then stops everything; what is left of a turn goes on after the next start."""
        self._memory.profiler.stop()
        if self._realtime is not None:
            await self._realtime.stop()
        if self._agents is not None:
            await self._agents.stop()
        await self._answering.end()
        if self._supply is not None:
            await self._supply.stop()
        await self._answering.settle()
        if self._observing is not None:
            await self._observing.stop()
        await self.monitoring.stop()
        await self._answering.close()
        await asyncio.to_thread(self.monitoring.close)

    def _build(self, agents: Agents, realtime: Realtime, configuration: Configuration, more: list[ApiRouter]) -> App:
        accounts, listing = self.accounts, self._answering.listing()
        status = StatusSource(
            self.catalogue, self.engines, self.inference.waiting, clock=self._clock, since=self._started
        )
        api = build_api(
            [
                v1_router(accounts, self.inference, listing, status, Pace()),
                chat_router(accounts, agents),
                agents_router(accounts, agents),
                device_turns_router(accounts, agents.device),
                models_router(accounts, self.catalogue, configuration),
                configuration_router(accounts, configuration),
                health_router(accounts, self.catalogue.readiness, self._health, self.monitoring.checks),
                *more,
                *self.monitoring.routers(accounts),
                self._memory.router(accounts, self._tracing, self._hub, self.monitoring.logs),
            ],
            self._errors,
        )
        doors = EngineDoors(self.engines, self.catalogue)
        gateway = build_gateway(accounts, self.inference, listing, doors)
        observed = api if self._observing is not None else Traced(api, self._tracing, None, [])
        surfaces = Surfaces(realtime.asgi, gateway, observed, WebApp(PACKAGE / "web_dist"))
        edge = Edge(by_path(surfaces), self._policy, self._errors)
        if self._observing is None:
            return edge
        return self._observing.around(edge, [path for _, path, _ in gateway.routes()])

    def _gateway_metrics(self, accounting: Accounting) -> Callable[[], list[Metric]]:
        observing, errors = self._observing, self._errors
        if observing is None:
            return lambda: [*accounting.metrics(), *errors.metrics()]
        return lambda: [*accounting.metrics(), *errors.metrics(), *observing.metrics()]

    def _usage(self) -> dict[str, dict[str, int]]:
        return self._answering.used()

    def _sockets(self) -> int:
        return self._realtime.sockets if self._realtime is not None else 0

    def _health(self) -> dict[str, Any]:
        engines = [{**one.as_dict(), "waiting": self.inference.waiting(one.model)} for one in self.engines.statuses()]
        told = {"version": __version__, "startedAt": iso(self._started), "memory": self.engines.memory()}
        return {**told, "engines": engines, "usage": self._usage()}


def _observing(entry: OtelEntry, clock: Clock, memory: Memory) -> Observing | None:
    """What sends traces and figures; where nobody takes them none of it is loaded."""
    if not (entry.traces or entry.metrics):
        return None
    from corral.app.observing import Observing

    return Observing(entry, clock, memory)
