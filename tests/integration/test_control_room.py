"""Models looked after by Socket.IO's own client alone, on a real server with a real engine."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import socketio

from corral.realtime import PATH
from tests.support.gguf_files import write
from tests.support.server import START_SECONDS, Server
from tests.support.waiting import eventually

MODEL = "corral-demo"


class Dashboard:
    """One socket: asks and hears."""

    def __init__(self) -> None:
        self.io = socketio.AsyncClient(reconnection=False)
        self.heard: list[tuple[str, Any]] = []
        self._asked: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._ids = itertools.count()
        self.io.on("*", self._hear)

    async def _hear(self, event: str, message: dict[str, Any]) -> None:
        asked = self._asked.pop(message.get("requestId", ""), None)
        if asked is not None:
            asked.set_result(message)
        else:
            self.heard.append((event, message["data"]))

    async def must(self, event: str, **data: Any) -> Any:
        """The data of a good answer."""
        answer = await self.ask(event, **data)
        assert answer["success"], answer
        return answer["data"]

    async def refused(self, event: str, **data: Any) -> dict[str, Any]:
        """The error of a refusal."""
        answer = await self.ask(event, **data)
        assert not answer["success"], answer
        return dict(answer["error"])

    async def ask(self, event: str, **data: Any) -> dict[str, Any]:
        """The envelope of an answer."""
        key = f"r{next(self._ids)}"
        self._asked[key] = asyncio.get_running_loop().create_future()
        future = self._asked[key]
        await self.io.emit(event, {"data": data, "requestId": key})
        return await asyncio.wait_for(future, START_SECONDS)

    def of(self, event: str) -> list[Any]:
        """What was heard under a name."""
        return [data for name, data in self.heard if name == event]


@contextlib.asynccontextmanager
async def dashboard(server: Server) -> AsyncIterator[Dashboard]:
    made = Dashboard()
    await made.io.connect(server.url, socketio_path=PATH.strip("/"), transports=["websocket"])
    yield made
    await made.io.disconnect()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("room"))
    for name in ("one", "two"):
        write(made.data / "models" / f"{name}.gguf")
    made.start()
    yield made
    made.stop()


async def test_a_model_is_configured_while_it_answers_and_a_bad_change_is_told_beside_the_field(server: Server) -> None:
    async with dashboard(server) as ann, dashboard(server) as bob:
        options = {one["key"] for one in (await ann.must("options:list"))["options"]}
        assert {"ctxSize", "temperature", "lora"} <= options
        model = await ann.must("models:start", name=MODEL)
        assert (model["state"], model["engine"]["contextLength"]) == ("ready", 4096)
        model = await ann.must(
            "models:save", name=MODEL, version=model["version"], changes={"ctxSize": 2048}, apply="now"
        )
        assert (model["applied"], model["engine"]["contextLength"]) == ("now", 2048)
        assert model["configuration"]["pending"] is False
        # The other one hears of it: the row, and that something was set.
        version = model["version"]
        await eventually(
            lambda: version in [row["version"] for data in bob.of("models:changed") for row in data["models"]]
        )
        news = {"scope": "model", "name": MODEL, "version": version}
        await eventually(lambda: news in bob.of("config:changed"))
        pid = model["engine"]["pid"]
        changes = {"lora": ["none.gguf"], "seed": 3}
        error = await ann.refused("models:save", name=MODEL, version=model["version"], changes=changes, apply="now")
        assert error["code"] == "config_refused"
        assert "none.gguf" in error["details"]["fields"]["lora"]
        after = await bob.must("models:get", name=MODEL)
        assert (after["engine"]["pid"], after["state"]) == (pid, "ready")
        assert after["configuration"]["own"] == {"ctxSize": 2048}
        stale = await bob.refused("models:save", name=MODEL, version=0, changes={"seed": 1})
        assert (stale["code"], stale["details"]["version"]) == ("conflict", after["version"])
        assert stale["details"]["diff"] == {"ctxSize": {"before": None, "now": 2048}}
        later = await bob.must("models:save", name=MODEL, version=after["version"], changes={"ctxSize": 1024})
        assert (later["applied"], later["configuration"]["pending"]) == ("next", True)
        assert (await bob.must("config:get"))["pending"] == [MODEL]
        # All that run with earlier settings are restarted by one intent; one that does not come up leaves the old one.
        assert (await bob.must("config:renew"))["engines"] == [{"name": MODEL, "state": "waiting"}]
        await eventually(lambda: any(not one["renewal"]["running"] for one in ann.of("config:renewal")))
        renewed = await ann.must("models:get", name=MODEL)
        assert (await ann.must("config:get"))["renewal"]["engines"] == [{"name": MODEL, "state": "done"}]
        assert (renewed["state"], renewed["engine"]["pid"] != pid) == ("ready", True)
        assert renewed["engine"]["contextLength"] == 1024
        pid, version = renewed["engine"]["pid"], renewed["version"]
        await bob.must("models:save", name=MODEL, version=version, changes={"lora": ["none.gguf"]})
        await bob.must("config:renew", names=[MODEL])
        await eventually(lambda: sum(not one["renewal"]["running"] for one in ann.of("config:renewal")) == 2)
        everything = await ann.must("config:get")
        [failed] = everything["renewal"]["engines"]
        assert (failed["state"], failed["serves"], everything["pending"]) == ("failed", True, [MODEL])
        assert "none.gguf" in " ".join([failed["error"], *failed["lastLines"]])
        after = await ann.must("models:get", name=MODEL)
        assert (after["engine"]["pid"], after["state"]) == (pid, "ready")
        [newest, *_] = (await ann.must("config:history", scope="model", name=MODEL))["entries"]
        await ann.must("config:rollback", id=newest["id"])
        assert (await ann.must("models:get", name=MODEL))["configuration"]["pending"] is False
        # What needs no new start is taken by the engine that runs.
        pinned = await ann.must("models:save", name=MODEL, version=after["version"] + 1, changes={"pinned": True})
        assert (pinned["engine"]["pid"], pinned["engine"]["pinned"], pinned["applied"]) == (pid, True, "now")
        assert (await ann.must("models:stop", name=MODEL))["state"] == "stopped"


async def test_pitfall_17_a_configuration_edit_under_traffic(server: Server) -> None:
    async with dashboard(server) as ann:
        await ann.must("models:start", name=MODEL)
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": "tell a long story"}],
            "max_tokens": 300,
            "temperature": 0,
        }
        status, alone = await asyncio.to_thread(server.ask, "POST", "/v1/chat/completions", body)
        assert status == 200
        expected = alone["choices"][0]["message"]["content"]
        asking = [
            asyncio.create_task(asyncio.to_thread(server.ask, "POST", "/v1/chat/completions", body)) for _ in range(12)
        ]
        for change in ({"ctxSize": 2048}, {"lora": ["none.gguf"]}, {"ctxSize": 3072}, {"parallel": 2}):
            version = (await ann.must("models:get", name=MODEL))["version"]
            answer = await ann.ask("models:save", name=MODEL, version=version, changes=change, apply="now")
            assert answer["success"] is ("lora" not in change), answer
        for status, answer in await asyncio.gather(*asking):
            assert status == 200, answer
            assert answer["choices"][0]["message"]["content"] == expected
        engine = (await ann.must("models:get", name=MODEL))["engine"]
        assert (engine["contextLength"], engine["slots"]) == (3072, 2)
        await ann.must("models:stop", name=MODEL)


async def test_templates_profiles_and_the_trash_are_heard_by_all(server: Server) -> None:
    async with dashboard(server) as ann, dashboard(server) as bob:
        version = (await ann.must("models:get", name="one"))["version"]
        await ann.must("models:save", name="one", version=version, changes={"seed": 7})
        await ann.must("templates:save", name="lucky", model="one", description="Seven")
        await eventually(lambda: [one["name"] for data in bob.of("templates:changed") for one in data["templates"]])
        done = await ann.must("templates:apply", name="lucky", models=["two", "none"])
        assert [one["ok"] for one in done["results"]] == [True, False]
        assert (await ann.must("templates:list"))["assigned"] == {"one": "lucky", "two": "lucky"}
        await ann.must("profiles:save", name="before")
        await ann.must("models:delete", name="two", file=True)
        await eventually(lambda: any("two" in data["removed"] for data in bob.of("models:changed")))
        assert (await bob.refused("models:get", name="two"))["code"] == "model_not_found"
        restored = await ann.must("models:restore", name="two")
        assert restored["configuration"]["own"] == {"seed": 7}
        version = (await ann.must("models:get", name="one"))["version"]
        await ann.must("models:save", name="one", version=version, changes={"seed": 8})
        assert (await ann.must("profiles:activate", name="before"))["ok"]
        assert (await ann.must("models:get", name="one"))["configuration"]["own"] == {"seed": 7}
        await ann.must("profiles:delete", name="before")
        await ann.must("templates:delete", name="lucky")


async def test_settings_are_saved_with_their_source_and_survive_a_restart(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start(CORRAL_QUEUE="77")
    try:
        async with dashboard(server) as ann:
            told = await ann.must(
                "config:save", appConfig={"slots": 2, "maxAnswerTokens": 77}, serverConfig={"threads": 1}
            )
            rows = {row["name"]: row for row in told["settings"]}
            assert (rows["slots"]["running"], rows["maxAnswerTokens"]["running"]) == (2, 2048)
            assert told["restart"] == ["maxAnswerTokens"]
            assert (rows["queue"]["source"], rows["queue"]["editable"]) == ("CORRAL_QUEUE", False)
            refused = await ann.refused("config:save", appConfig={"queue": 3, "slots": 0})
            assert set(refused["details"]["fields"]) == {"queue", "slots"}
            imported = await ann.must("config:import", document={"ctx_size": 2048, "port": 8134})
            assert imported["imported"]["serverConfig"] == {"ctxSize": 2048}
        server.kill()
        server.start()
        async with dashboard(server) as ann:
            told = await ann.must("config:get")
            rows = {row["name"]: row for row in told["settings"]}
            assert (rows["slots"]["running"], rows["maxAnswerTokens"]["running"], rows["queue"]["running"]) == (
                2,
                77,
                256,
            )
            assert told["serverConfig"] == {"threads": 1, "ctxSize": 2048}
            model = await ann.must("models:start", name=MODEL)
            assert (model["engine"]["slots"], model["engine"]["contextLength"]) == (2, 2048)
    finally:
        server.stop()


async def test_what_cannot_fit_is_refused_before_anything_is_stopped_or_started_for_it(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start(CORRAL_MEMORY_BUDGET="300MiB")
    try:
        async with dashboard(server) as ann:
            model = await ann.must("models:start", name=MODEL)
            # The header has to be read before anybody can tell; it is, in the background, soon after the start.
            await ann.must("models:analyze", name=MODEL)
            changes = {"ctxSize": 2_000_000, "seed": 3}
            error = await ann.refused("models:save", name=MODEL, version=0, changes=changes, apply="now")
            assert error["code"] == "config_refused"
            assert set(error["details"]["fields"]) == {"ctxSize"}
            assert "GB of memory" in error["details"]["fields"]["ctxSize"]
            after = await ann.must("models:get", name=MODEL)
            assert (after["engine"]["pid"], after["configuration"]["own"]) == (model["engine"]["pid"], {})
    finally:
        server.stop()


async def test_an_engine_that_runs_elsewhere_is_asked_what_it_has_loaded(server: Server, tmp_path: Path) -> None:
    other = Server(tmp_path)
    (tmp_path / "corral.toml").write_text(f'[engines.elsewhere]\nurl = "{server.url}"\nupstream_model = "{MODEL}"\n')
    other.start()
    try:
        async with dashboard(other) as ann:
            await ann.must("models:start", name="elsewhere")
            await eventually(
                lambda: [r for data in ann.of("models:changed") for r in data["models"] if r.get("loaded")]
            )
            found = await ann.must("models:get", name="elsewhere")
            assert MODEL in found["loaded"]
            assert {row["name"] for row in (await ann.must("models:rescan"))["models"]} >= {"elsewhere", MODEL}
            # What is set for it is kept like that of any other.
            saved = await ann.must("models:save", name="elsewhere", version=0, changes={"pinned": True})
            assert saved["configuration"]["own"] == {"pinned": True}
    finally:
        other.stop()
