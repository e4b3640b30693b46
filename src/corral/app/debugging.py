"""Memory of what happened lately: made and wired."""

from __future__ import annotations

from corral.accounts.service import Accounts
from corral.inference.recent import RecentRequests
from corral.kit.clock import Clock
from corral.monitoring.debug import Debug, ErrorLines, Memories, Profiler
from corral.monitoring.logs import Logs
from corral.surfaces.api.routing import ApiRouter
from corral.surfaces.v1.debug import debug_router
from corral.telemetry import LogHub
from corral.telemetry.failures import Failures
from corral.telemetry.ring import SpanRing
from corral.telemetry.samples import Samples
from corral.telemetry.tracing import Spans, Tracing


class Memory:
    """What is kept in memory of this server. `tracing` first, then `router`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.ring = SpanRing()
        self.samples = Samples()
        self.failures = Failures()
        self.requests = RecentRequests(clock, self.failures)
        self.samples.add_source(self.requests.samples)
        self.profiler = Profiler()
        self._lines = ErrorLines()

    def tracing(self, export: Spans | None = None, sample: float = 1.0) -> Tracing:
        """What everything is traced with."""
        return Tracing(export, sample, ring=self.ring, samples=self.samples, failures=self.failures)

    def router(self, accounts: Accounts, tracing: Tracing, hub: LogHub, logs: Logs) -> ApiRouter:
        """The routes that show it."""
        hub.add_sink(self._lines)
        memories = Memories(
            self.ring, self.requests, self.failures, self.samples, tracing, hub, self._lines
        )  # fmt: skip
        return debug_router(accounts, Debug(memories, self._clock), self.profiler, logs)
