"""What the server stands on, and how it is told when something gives way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from corral.accounts.service import LocalAccounts
from corral.bus import MemoryBus
from corral.kit.clock import SystemClock
from corral.kit.errors import StorageUnavailable
from corral.monitoring import health as module
from corral.monitoring.health import Health
from corral.monitoring.metrics import Collector
from corral.monitoring.metrics.gpu import Gpus
from corral.monitoring.metrics.host import HostReader
from corral.store import Database, Location
from corral.surfaces.api.application import build_api
from corral.surfaces.api.health import health_router
from corral.telemetry import Levels, LogHub


async def made(tmp_path: Path) -> tuple[Health, Database]:
    database, clock = await Database.open(Location(tmp_path / "corral.db")), SystemClock()
    collector = Collector(HostReader(tmp_path, Gpus(None)), list, lambda: (0, 0), clock=clock, bus=MemoryBus())
    await collector.sample()
    return Health(database, tmp_path, LogHub(Levels("info")), collector, clock), database


async def test_all_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_DISK", 0)
    health, database = await made(tmp_path)
    found = await health.checks()
    assert {name: one["ok"] for name, one in found.items()} == {
        "database": True,
        "disk": True,
        "log": True,
        "metrics": True,
    }
    await database.close()


async def test_a_storage_that_is_away_or_silent_and_a_disk_that_is_full_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    health, database = await made(tmp_path)

    async def away(_: Any) -> None:
        raise StorageUnavailable("The database cannot be read just now.")

    async def silent(_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(module, "LEAST_DISK", 2**62)
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    for read, reason in ((away, "cannot be read"), (silent, "did not answer")):
        with monkeypatch.context() as patched:
            patched.setattr(database, "read", read)
            found = await health.checks()
        assert found["database"]["ok"] is False
        assert reason in found["database"]["reason"]
        assert found["disk"]["ok"] is False
    await database.close()


def test_a_server_that_can_answer_but_is_not_well_is_degraded() -> None:
    well = {"disk": {"ok": True}}

    async def checks() -> dict[str, dict[str, Any]]:
        return well

    router = health_router(LocalAccounts(), lambda: None, lambda: {"version": "1"}, checks)
    with TestClient(build_api([router])) as client:
        assert client.get("/api/health").json()["status"] == "ok"
        well["disk"] = {"ok": False}
        assert client.get("/api/health").json()["status"] == "degraded"
