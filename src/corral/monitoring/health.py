"""What the server stands on: storage, disk, log and samples."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import text

from corral.kit.clock import Clock
from corral.kit.errors import CorralError
from corral.monitoring.metrics.collector import EVERY, Collector
from corral.store import Database
from corral.telemetry import LogHub

PATIENCE = 2.0
LEAST_DISK = 200 * 1024 * 1024
"""Free bytes of the data folder's disk below which it is told."""


class Health:
    """Looks whether all is well, at once or within `PATIENCE` seconds."""

    def __init__(self, database: Database, data: Path, hub: LogHub, collector: Collector, clock: Clock) -> None:
        self._database = database
        self._data = data
        self._hub = hub
        self._collector = collector
        self._clock = clock

    async def checks(self) -> dict[str, dict[str, Any]]:
        """Each thing with whether it is `ok` and a figure or a reason."""
        database, disk = await asyncio.gather(self._storage(), asyncio.to_thread(self._disk))
        latest = self._collector.latest
        age = (self._clock.now() - latest.at).total_seconds() if latest is not None else None
        return {
            "database": database,
            "disk": disk,
            "log": {"ok": True, "dropped": self._hub.lost},
            "metrics": {"ok": age is None or age < 3 * EVERY, "age": round(age, 1) if age is not None else None},
        }

    async def _storage(self) -> dict[str, Any]:
        begun = self._clock.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._database.read(lambda connection: connection.execute(text("SELECT 1")).scalar())
        except TimeoutError:
            return {"ok": False, "reason": f"It did not answer within {PATIENCE:.0f} s."}
        except CorralError as error:
            return {"ok": False, "reason": error.message}
        return {"ok": True, "seconds": round(self._clock.monotonic() - begun, 4)}

    def _disk(self) -> dict[str, Any]:
        try:
            free = int(psutil.disk_usage(str(self._data)).free)
        except OSError as error:
            return {"ok": False, "reason": str(error.strerror)}
        return {"ok": free >= LEAST_DISK, "freeBytes": free}
