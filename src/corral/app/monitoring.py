"""Wires the monitoring room: metrics and the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corral.accounts.service import Accounts
from corral.accounts.types import Permission
from corral.bus import Bus
from corral.engines import Engines
from corral.inference import Inference
from corral.kit.clock import Clock
from corral.monitoring.health import Health
from corral.monitoring.logs import TOPIC as LOGS_TOPIC
from corral.monitoring.logs import LevelSettings, Logs
from corral.monitoring.metrics import TOPIC as METRICS_TOPIC
from corral.monitoring.metrics import Collector, EngineView, History, Metrics
from corral.monitoring.metrics.exposition import Gathered
from corral.monitoring.metrics.gpu import Gpus, open_nvml
from corral.monitoring.metrics.host import HostReader
from corral.realtime.intents import Intents
from corral.realtime.log_followers import LogFollowers
from corral.realtime.monitoring import add_logs, add_metrics
from corral.settings import Settings
from corral.store import Database
from corral.surfaces.api.logs import logs_router
from corral.surfaces.api.monitoring import monitoring_router
from corral.surfaces.api.routing import ApiRouter
from corral.telemetry import LogFiles, LogHub
from corral.version import __version__

TOPICS = {METRICS_TOPIC: Permission.MONITORING_READ, LOGS_TOPIC: Permission.LOGS_READ}


@dataclass(frozen=True, slots=True)
class Watched:
    """What is looked at."""

    engines: Engines
    inference: Inference
    usage: Callable[[], Mapping[str, Mapping[str, int]]]
    """What was asked since the start, by model."""
    sockets: Callable[[], int]
    gateway: Callable[[], Iterable[Gathered]] = tuple


class MonitoringRoom:
    """Metrics and the log of one server. `start` after the database is open, `stop` when all else has stopped."""

    def __init__(self, settings: Settings, data: Path, hub: LogHub, *, clock: Clock, bus: Bus) -> None:
        self._data = data
        self._hub = hub
        self._clock = clock
        self._bus = bus
        self._settings = settings
        hub.levels.change(rules=settings.log_rules)
        self._files: LogFiles | None = None
        self._collector: Collector | None = None
        self._followers: LogFollowers | None = None
        self._logs: Logs | None = None
        self._kept: LevelSettings | None = None
        self._health: Health | None = None
        self._metrics: Metrics | None = None

    def keep_levels(self, settings: LevelSettings) -> None:
        """Keeps levels of the log that are changed at run time in `settings`. Before `start`."""
        self._kept = settings

    def start(self, database: Database, watched: Watched) -> None:
        """Writes the log's files from now on, and begins to take samples."""
        days, size = self._settings.log_days, self._settings.log_max_bytes
        self._files = LogFiles(self._data / "logs", days=days, max_bytes=size)
        self._logs = Logs(self._hub, self._files, self._bus, self._kept)
        self._hub.add_sink(self._files)
        reader = HostReader(self._data, Gpus(open_nvml()))

        def about_us() -> tuple[int, int]:
            return watched.sockets(), self._hub.lost

        collector = Collector(reader, lambda: views(watched), about_us, clock=self._clock, bus=self._bus)
        history = History(database, self._clock)
        self._metrics = Metrics(
            collector, history, self._clock, version=__version__, usage=watched.usage, gateway=watched.gateway
        )
        self._collector, self._followers = collector, LogFollowers(self._hub, self._clock)
        self._health = Health(database, self._data, self._hub, collector, self._clock)
        self._followers.start()
        collector.start(history)

    async def stop(self) -> None:
        """Takes no more samples; what was logged is written."""
        if self._collector is not None:
            await self._collector.stop()
        if self._followers is not None:
            await self._followers.stop()

    def close(self) -> None:
        """Writes what is left of the log. May block for a moment."""
        if self._files is not None:
            self._hub.remove_sink(self._files)
            self._files.flush()

    async def checks(self) -> dict[str, dict[str, Any]]:
        """What the server stands on."""
        return await self._health.checks() if self._health is not None else {}

    def routers(self, accounts: Accounts) -> list[ApiRouter]:
        """The routes of metrics and the log."""
        assert self._metrics is not None
        assert self._logs is not None
        return [monitoring_router(accounts, self._metrics), logs_router(accounts, self._logs)]

    @property
    def logs(self) -> Logs:
        """The log. After `start`."""
        assert self._logs is not None
        return self._logs

    def add_intents(self, intents: Intents) -> None:
        """The intents of metrics and the log."""
        assert self._metrics is not None
        assert self._logs is not None
        assert self._followers is not None
        add_metrics(intents, self._metrics)
        add_logs(intents, self._logs, self._followers)


def views(watched: Watched) -> list[EngineView]:
    """The engines as the collector sees them."""
    found = []
    for door in watched.engines.doors():
        status = door.status
        found.append(
            EngineView(
                name=status.model,
                state=status.state.value,
                pid=status.pid,
                slots=status.slots,
                busy=status.busy,
                queue=watched.inference.waiting(status.model) + status.waiting,
                requests=door.requests,
                pool=door.pool,
                headers=door.headers,
                sleeping=status.sleeping,
            )
        )
    return found
