"""Metrics and the log of a real server with real engines, over HTTP and by Socket.IO's own client alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import socketio
from prometheus_client.parser import text_string_to_metric_families

from corral.realtime import PATH
from tests.support.server import Server
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, slow_model: Path) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("monitored"))
    (made.data / "models").mkdir(exist_ok=True)
    (made.data / "models" / "slow.gguf").symlink_to(slow_model)
    made.start()
    yield made
    made.stop()


class Browser:
    """A client of the dashboard."""

    def __init__(self) -> None:
        self.io = socketio.AsyncClient(reconnection=False)
        self.pushes: dict[str, list[Any]] = {}
        self.answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self.io.on("*", self._hear)

    async def _hear(self, event: str, body: dict[str, Any]) -> None:
        waiting = self.answers.pop(body.get("requestId", ""), None)
        if waiting is not None:
            waiting.set_result(body)
        else:
            self.pushes.setdefault(event, []).append(body["data"])

    async def ask(self, event: str, **data: Any) -> Any:
        name = f"{event}-{len(self.answers)}-{id(data)}"
        waiting = self.answers[name] = asyncio.get_running_loop().create_future()
        await self.io.emit(event, {"requestId": name, "data": data})
        body = await asyncio.wait_for(waiting, 60)
        return body["data"] if body["success"] else body["error"]


@contextlib.asynccontextmanager
async def browser(server: Server) -> AsyncIterator[Browser]:
    made = Browser()
    await made.io.connect(server.url, socketio_path=PATH, transports=["websocket"], wait_timeout=60)
    try:
        yield made
    finally:
        await made.io.disconnect()


def of_engine(told: dict[str, Any], name: str) -> dict[str, Any]:
    return next((one for one in told["engines"] if one["name"] == name), {})


async def test_an_answer_under_way_shows_in_the_figures_and_in_their_history(server: Server) -> None:
    async with browser(server) as one:
        sent = await one.ask("chat:send", message="Tell me about the sea.", model="slow")
        busy = await eventually(
            lambda: [
                told
                for told in one.pushes.get("metrics:update", ())
                if (of_engine(told, "slow").get("tokensPerSecond") or 0) > 0
            ],
            timeout=120,
        )
        told = busy[0]
        engine = of_engine(told, "slow")
        assert engine["state"] in ("busy", "ready")
        assert engine["rss"] > 20_000_000
        assert engine["slots"] >= 1
        assert engine["requests"] >= 1
        assert 0 < told["host"]["memory"]["used"] < told["host"]["memory"]["total"]
        assert told["server"]["rss"] > 10_000_000
        assert told["server"]["sockets"] >= 1
        assert set(told) == {"at", "host", "server", "engines"}
        assert of_engine(await one.ask("metrics:latest"), "slow")["name"] == "slow"
        with_engine = await eventually(lambda: _history(one, "slow"), timeout=60)
        assert with_engine["step"] == 10
        assert any(value for value in with_engine["engines"]["slow"]["tokensPerSecond"])
        assert len(with_engine["at"]) == len(with_engine["host"]["cpu"])
        used = await eventually(lambda: _kv_use(one), timeout=60)
        assert 0 < used <= 1
        assert (await one.ask("metrics:history", range="1y"))["code"] == "invalid_request"
        await one.ask("turn:cancel", agentId=sent["agentId"], turnId=sent["turnId"])


async def _history(one: Browser, name: str) -> Any:
    told = await one.ask("metrics:history", range="10m", engine=name)
    return told if told["engines"].get(name) else None


async def _kv_use(one: Browser) -> Any:
    return of_engine(await one.ask("metrics:latest"), "slow").get("kvUse")


async def test_a_request_leads_from_the_chat_to_the_lines_of_the_engine(server: Server) -> None:
    async with browser(server) as one:
        watching = await one.ask("logs:subscribe", level="info", sources=["engine", "corral.agents"])
        assert watching["sources"] == ["engine", "corral.agents"]
        status, answer = await asyncio.to_thread(
            server.ask, "POST", "/api/chat", {"message": "hello", "model": "corral-demo"}, {"X-Request-Id": "chat-7"}
        )
        assert status == 200, answer

        async def about() -> Any:
            page = await one.ask("logs:search", requestId="chat-7")
            said = " ".join(line["message"] for line in page["lines"])
            return page["lines"] if "turn_begins" in said and "release" in said else None

        lines = await eventually(about)
        assert {line["source"] for line in lines} == {"corral.agents", "engine:corral-demo"}
        assert {line["requestId"] for line in lines} == {"chat-7"}
        tasks = {line["fields"]["task"] for line in lines if "task" in line["fields"]}
        assert len(tasks) == 1
        assert [int(line["id"]) for line in lines] == sorted(int(line["id"]) for line in lines)
        batches = await eventually(lambda: one.pushes.get("logs:batch"))
        pushed = [line for batch in batches for line in batch["lines"]]
        assert {line["source"].split(":")[0] for line in pushed} <= {"engine", "corral.agents"}
        assert (await one.ask("logs:unsubscribe"))["was"] is True

        # The same over HTTP, from the files.
        _, page = await asyncio.to_thread(server.ask, "GET", "/api/logs?requestId=chat-7&limit=500")
        assert [line["id"] for line in page["lines"]] == [line["id"] for line in lines]
        with urllib.request.urlopen(f"{server.url}/api/logs/download?requestId=chat-7", timeout=60) as got:
            assert [json.loads(raw)["id"] for raw in got.read().splitlines()] == [line["id"] for line in lines]
            assert "attachment" in got.headers["Content-Disposition"]


async def test_a_call_of_the_api_leads_to_the_lines_of_the_engine_too(server: Server) -> None:
    body = {"model": "corral-demo", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
    for number, stream in enumerate((False, True)):
        headers = {"X-Request-Id": f"api-{number}", "Content-Type": "application/json"}
        data = json.dumps({**body, "stream": stream}).encode()
        asked = urllib.request.Request(f"{server.url}/v1/chat/completions", data, headers)
        await asyncio.to_thread(lambda asked=asked: urllib.request.urlopen(asked, timeout=60).read())  # type: ignore[misc]

        def about(number: int = number) -> Any:
            _, page = server.ask("GET", f"/api/logs?requestId=api-{number}&source=engine")
            return page["lines"] if any("release" in line["message"] for line in page["lines"]) else None

        lines = await eventually(about)
        assert len({line["fields"]["task"] for line in lines}) == 1


async def test_levels_change_at_run_time_for_all_browsers(server: Server) -> None:
    async with browser(server) as one, browser(server) as two:
        changed = await one.ask("logs:config", level="warning", levels={"corral.agents": "info"})
        assert (changed["level"], changed["levels"]) == ("warning", {"corral.agents": "info"})
        await eventually(lambda: two.pushes.get("logs:config:changed"))
        await asyncio.to_thread(
            server.ask, "POST", "/api/chat", {"message": "quiet", "model": "corral-demo"}, {"X-Request-Id": "quiet-1"}
        )

        async def turn() -> Any:
            return (await one.ask("logs:search", requestId="quiet-1"))["lines"]

        lines = await eventually(turn)
        assert {line["source"] for line in lines} == {"corral.agents"}
        refused = await two.ask("logs:config", levels={"corral.agents": "loud"})
        assert refused["code"] == "invalid_request"
        back = await two.ask("logs:config", level="info", levels={"corral.agents": None})
        assert (back["level"], back["levels"]) == ("info", {})
        assert {"corral.agents", "engine:corral-demo"} <= set(back["sources"])
        [newest, *_] = [file["name"] for file in reversed(back["files"]) if file["name"].startswith("application-")]
        with urllib.request.urlopen(f"{server.url}/api/logs/download?name={newest}", timeout=60) as got:
            assert b"quiet-1" in got.read()
        assert (await asyncio.to_thread(server.ask, "GET", "/api/logs/download?name=..%2Fcorral.db"))[0] == 404
        status, told = await asyncio.to_thread(server.ask, "POST", "/api/logger/config", {"level": "loud"})
        assert (status, told["error"]["code"]) == (400, "invalid_request")


def scraped(server: Server) -> tuple[str, str]:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=60) as got:
        return got.headers["Content-Type"], got.read().decode()


async def test_prometheus_own_parser_takes_all_metrics(server: Server) -> None:
    assert (await asyncio.to_thread(server.ask, "POST", "/api/models/slow/start"))[0] == 200

    async def with_engine() -> str:
        kind, text = await asyncio.to_thread(scraped, server)
        assert kind == "text/plain; version=0.0.4; charset=utf-8"
        return text if 'model="slow"' in text else ""

    text = await eventually(with_engine, timeout=90)
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["corral_host_memory_total_bytes"].samples[0].value > 0
    assert families["corral_engine_requests"].type == "counter"
    states = [sample for sample in families["corral_engine_state"].samples if sample.labels["model"] == "slow"]
    assert sum(sample.value for sample in states) == 1
    assert all(sample.value >= 0 for family in families.values() for sample in family.samples)


def test_the_monitoring_routes_answer(server: Server) -> None:
    status, told = server.ask("GET", "/api/monitoring")
    assert status == 200
    assert told["interval"] == 10
    assert told["latest"]["host"]["memory"]["total"] > 0
    assert server.ask("GET", "/api/monitoring/latest")[1]["server"]["rss"] > 0
    assert server.ask("GET", "/api/monitoring/history?range=24h")[1]["step"] == 300
    assert server.ask("GET", "/api/monitoring/history?range=2h")[0] == 400
    status, health = server.ask("GET", "/api/health")
    assert status == 200
    assert health["startedAt"]
    assert health["checks"]["database"]["ok"] is True


async def test_looking_at_an_engine_neither_keeps_it_awake_nor_wakes_it(tmp_path: Path) -> None:
    (tmp_path / "corral.toml").write_text("idle_sleep = 2\n")
    server = Server(tmp_path)
    server.start()
    try:
        status, _ = await asyncio.to_thread(
            server.ask, "POST", "/api/chat", {"message": "hello", "model": "corral-demo"}
        )
        assert status == 200
        async with browser(server) as one:

            def asleep() -> list[bool]:
                return [
                    of_engine(told, "corral-demo").get("sleeping", False)
                    for told in one.pushes.get("metrics:update", ())
                ]

            await eventually(lambda: any(asleep()), timeout=120)
            seen = len(asleep())
            await eventually(lambda: len(asleep()) >= seen + 3, timeout=120)
            assert all(asleep()[seen:])
            lines = (await one.ask("logs:search", source="engine:corral-demo", text="sleeping state"))["lines"]
            assert not [line for line in lines if "exiting" in line["message"]]
    finally:
        server.stop()
