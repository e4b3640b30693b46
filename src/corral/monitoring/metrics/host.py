"""The machine and our own process. Everything here may block for milliseconds, so it runs in a thread."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import psutil

from corral.monitoring.metrics.gpu import Gpus
from corral.monitoring.metrics.processes import Use, families
from corral.monitoring.metrics.types import HostFigures


@dataclass(frozen=True, slots=True)
class Readings:
    """What one look at the machine gave: the host, our own use, and that of the engines by their pid."""

    moment: float
    host: HostFigures
    own: Use
    engines: dict[int, Use]


class HostReader:
    """Looks at the machine. For one thread at a time."""

    def __init__(self, data: Path, gpus: Gpus) -> None:
        self._data = data
        self._gpus = gpus
        self._own = psutil.Process(os.getpid())
        self._busy: tuple[float, float] | None = None
        self._network: tuple[float, int, int] | None = None
        self._cores = psutil.cpu_count() or 1

    def read(self, pids: Collection[int]) -> Readings:
        """Everything now. Rates are over the time since the look before, None for the first one."""
        now = time.monotonic()
        memory = psutil.virtual_memory()
        host = HostFigures(
            cpu=self._cpu(),
            cores=self._cores,
            memory_used=int(memory.total - memory.available),
            memory_total=int(memory.total),
            disk=self._disk(),
            network=self._net(now),
            gpus=self._gpus.read(),
            uptime=max(0.0, time.time() - psutil.boot_time()),
        )
        with self._own.oneshot():
            times = self._own.cpu_times()
            own = Use(self._own.memory_info().rss, times.user + times.system)
        return Readings(now, host, own, families(pids))

    def _cpu(self) -> float | None:
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        # Guests are counted in user already.
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        before, self._busy = self._busy, (total - idle, total)
        if before is None or total <= before[1]:
            return None
        return round(min(1.0, max(0.0, (total - idle - before[0]) / (total - before[1]))), 4)

    def _disk(self) -> tuple[int, int] | None:
        try:
            usage = psutil.disk_usage(str(self._data))
        except OSError:
            return None
        return int(usage.used), int(usage.total)

    def _net(self, now: float) -> tuple[float, float] | None:
        counters = psutil.net_io_counters(pernic=True)
        real = [one for name, one in counters.items() if not name.startswith("lo")]
        received, sent = sum(one.bytes_recv for one in real), sum(one.bytes_sent for one in real)
        before, self._network = self._network, (now, received, sent)
        if before is None or now <= before[0] or received < before[1] or sent < before[2]:
            return None
        seconds = now - before[0]
        return (received - before[1]) / seconds, (sent - before[2]) / seconds
