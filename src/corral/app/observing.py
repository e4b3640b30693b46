"""Traces and figures for an OpenTelemetry collector: made from the settings and wired, where there is one."""

from __future__ import annotations

import asyncio
import os
import platform
import socket
from collections.abc import Iterable, Mapping

from corral.app.debugging import Memory
from corral.inference.ports import Directory
from corral.inference.tracing import SYSTEMS, Place, Traces
from corral.inference.usage.metrics import Sample
from corral.kit.clock import Clock
from corral.kit.errors import CorralError
from corral.kit.ids import new_id
from corral.kit.tasks import Tasks
from corral.providers.remote import RemoteProvider
from corral.settings.otel import OtelEntry
from corral.surfaces.asgi import App
from corral.surfaces.edge.tracing import Traced, request_durations
from corral.telemetry.instruments import Instruments
from corral.telemetry.otlp import Exporter, Options
from corral.telemetry.spans import Value
from corral.version import __version__

CLOSING = 3.0
"""Seconds that what is left may take at the end."""
Metric = tuple[str, str, str, Iterable[Sample]]


class Observing:
    """What sends traces and figures. `start` it when providers are known, `stop` it last."""

    def __init__(self, entry: OtelEntry, clock: Clock, memory: Memory) -> None:
        self._clock = clock
        self._every = entry.interval
        self._directory: Directory | None = None
        self._exporter = Exporter(_options(entry), "corral", __version__)
        self.tracing = memory.tracing(self._exporter, entry.sample)
        self.recorder = Traces(self.tracing, clock, self._place)
        self._durations = request_durations()
        self._instruments = Instruments([*self.recorder.instruments.histograms, self._durations])
        self._tasks = Tasks("observing")

    def start(self, directory: Directory) -> None:
        """Reports figures from now on; `directory` knows where providers are."""
        self._directory = directory
        self._tasks.start("report", self._keep_reporting())

    async def stop(self) -> None:
        """Sends what is left, as far as the collector takes it quickly."""
        await self._tasks.stop()
        self._exporter.report(self._instruments)
        await asyncio.to_thread(self._exporter.close, CLOSING)

    def around(self, app: App, routes: Iterable[str]) -> App:
        """`app` with a span for each request."""
        return Traced(app, self.tracing, self._durations, routes)

    def metrics(self) -> list[Metric]:
        """What was sent, for `/metrics`."""
        counted = self._exporter.counted
        return [
            ("corral_otlp_spans_sent_total", "counter", "Spans that the collector took.", [({}, counted.sent)]),
            ("corral_otlp_spans_lost_total", "counter", "Spans that it never got or refused.", [({}, self._exporter.lost)]),
            ("corral_otlp_reports_lost_total", "counter", "Reports of metrics that it never got.", [({}, counted.reports_lost)]),
        ]  # fmt: skip

    async def _keep_reporting(self) -> None:
        while True:
            await self._clock.sleep(self._every)
            self._exporter.report(self._instruments)

    def _place(self, name: str) -> Place:
        if self._directory is None:
            return Place(SYSTEMS.get(name, name))
        try:
            provider = self._directory.provider(name)
        except CorralError:
            return Place(SYSTEMS.get(name, name))
        system = provider.kind if provider.kind != "compatible" else name
        if isinstance(provider, RemoteProvider):
            return Place(SYSTEMS.get(system, system), provider.url.host, provider.url.port)
        return Place(SYSTEMS.get(system, system))


def _options(entry: OtelEntry) -> Options:
    return Options(
        traces=entry.traces,
        metrics=entry.metrics,
        headers=entry.headers,
        protocol=entry.protocol,
        gzip=entry.compression == "gzip",
        timeout=entry.timeout,
        resource=_resource(entry),
    )


def _resource(entry: OtelEntry) -> Mapping[str, Value]:
    """Who sends: https://opentelemetry.io/docs/specs/semconv/resource/"""
    told: dict[str, Value] = {
        "service.name": entry.service_name,
        "service.version": __version__,
        "service.instance.id": new_id("srv"),
        "host.name": socket.gethostname(),
        "host.arch": platform.machine(),
        "os.type": platform.system().lower(),
        "process.pid": os.getpid(),
        "telemetry.sdk.name": "corral",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": __version__,
    }
    return told | dict(entry.attributes)
