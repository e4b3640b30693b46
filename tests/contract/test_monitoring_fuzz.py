"""Every route and intent of metrics and the log is given anything at all: it answers, or refuses with a reason."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from corral.accounts.service import LocalAccounts
from corral.bus import MemoryBus
from corral.kit.clock import SystemClock
from corral.kit.errors import CorralError
from corral.monitoring.logs import Logs
from corral.monitoring.metrics import Collector, EngineView, History, Metrics
from corral.monitoring.metrics.gpu import Gpus
from corral.monitoring.metrics.host import HostReader
from corral.realtime.connection import Connection
from corral.realtime.intents import Intents
from corral.realtime.log_followers import LogFollowers
from corral.realtime.monitoring import add_logs, add_metrics
from corral.store import Database, Location
from corral.surfaces.api.application import build_api
from corral.surfaces.api.logs import logs_router
from corral.surfaces.api.monitoring import monitoring_router
from corral.telemetry import LogFiles, LogHub
from tests.support.logs import own_hub, put

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
likely = st.sampled_from(
    ["debug", "info", "error", "10m", "1h", "30d", "engine", "engine:m", "corral.a", "2026-01-01", "17", "9" * 18, "-1", "0", "500", "x\x00y", ""]
)  # fmt: skip
NAMES = [
    "range",
    "engine",
    "level",
    "levels",
    "source",
    "sources",
    "text",
    "requestId",
    "before",
    "after",
    "limit",
    "name",
    "other",
]
bodies = st.dictionaries(st.sampled_from(NAMES), likely | anything, max_size=4)
queries = st.dictionaries(st.sampled_from(NAMES), likely | st.text(max_size=300), max_size=4)
ROUTES = [
    "/api/monitoring",
    "/api/monitoring/latest",
    "/api/monitoring/history",
    "/metrics",
    "/api/logs",
    "/api/logs/download",
    "/api/logger/config",
]


class Room:
    """Metrics and the log on a real database and real files."""

    def __init__(self, folder: Path, hub: LogHub) -> None:
        self.runner = asyncio.Runner()
        self.hub, self.clock = hub, SystemClock()
        self.files = LogFiles(folder / "logs", days=36500, max_bytes=10**8)
        hub.add_sink(self.files)
        for number in range(300):
            put(
                hub,
                f"line {number}",
                source="engine:m" if number % 2 else "corral.a",
                request_id=f"r{number}",
                slot=number,
            )
        self.database = self.runner.run(Database.open(Location(folder / "corral.db")))
        self.runner.run(self._make(folder))

    async def _make(self, folder: Path) -> None:
        bus, engine = MemoryBus(), EngineView("m", "ready", None, 4, 1, 2, 3)
        collector = Collector(
            HostReader(folder, Gpus(None)), lambda: [engine], lambda: (1, 0), clock=self.clock, bus=bus
        )
        history = History(self.database, self.clock)
        metrics = Metrics(collector, history, self.clock, version="1", usage=lambda: {"m": {"requests": 1}})
        for _ in range(2):
            await history.keep(await collector.sample())
        self.intents, logs = Intents(), Logs(self.hub, self.files, bus)
        add_metrics(self.intents, metrics)
        add_logs(self.intents, logs, LogFollowers(self.hub, self.clock))
        accounts = LocalAccounts()
        routers = [monitoring_router(accounts, metrics), logs_router(accounts, logs)]
        self.client = TestClient(build_api(routers), raise_server_exceptions=False)

    def intent(self, event: str, data: Any) -> Any:
        async def nothing(_: str, __: object) -> None: ...

        connection = Connection("s", "s", LocalAccounts(), {}, None, lambda: None, lambda: 0, nothing)
        return self.runner.run(self.intents.run(event, connection, data))


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with own_hub() as hub:
        made = Room(tmp_path_factory.mktemp("fuzz"), hub)
        with made.client:
            yield made
        made.runner.run(made.database.close())
        made.runner.close()


@pytest.mark.parametrize(
    "event", ["metrics:latest", "metrics:history", "logs:search", "logs:subscribe", "logs:unsubscribe", "logs:config"]
)
@given(data=bodies)
def test_no_data_breaks_an_intent(room: Room, event: str, data: dict[str, Any]) -> None:
    try:
        answer = room.intent(event, data)
    except CorralError as error:
        assert 400 <= error.status < 500
        assert error.message
    else:
        orjson.dumps(answer)


@pytest.mark.parametrize("path", ROUTES)
@given(query=queries)
def test_no_query_breaks_a_route(room: Room, path: str, query: dict[str, str]) -> None:
    answer = room.client.get(path, params=query)
    assert answer.status_code in (200, 400, 404), answer.text
    if answer.status_code != 200:
        assert answer.json()["error"]["message"]
    assert room.client.get("/metrics").status_code == 200


@given(body=anything | bodies)
def test_no_body_breaks_the_levels(room: Room, body: Any) -> None:
    try:
        text = json.dumps(body)
    except ValueError:
        return
    answer = room.client.post("/api/logger/config", content=text, headers={"Content-Type": "application/json"})
    assert answer.status_code in (200, 400), answer.text


def test_the_fuzzed_room_still_works(room: Room) -> None:
    room.client.post("/api/logger/config", json={"level": "info"})
    assert room.client.get("/api/logs", params={"requestId": "r7"}).json()["lines"][0]["message"] == "line 7"
    told = room.client.get("/api/monitoring/history").json()
    assert told["engines"]["m"]["queue"] == [2, 2]
    assert abs(told["to"] / 1000 - datetime.now(UTC).timestamp()) < 600
