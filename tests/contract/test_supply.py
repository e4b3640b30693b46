"""Fit analyses and downloads by both doors: the same answers, and a reason for whatever is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corral.accounts.service import LocalAccounts
from corral.accounts.types import Permission
from corral.app.supply import Supply
from corral.engines import Engines
from corral.kit.clock import SystemClock
from corral.kit.errors import CorralError, InvalidRequest, ModelNotFound
from corral.models.options.catalogue import OPTIONS
from corral.realtime.connection import Connection
from corral.realtime.intents import Intents
from corral.surfaces.api.application import build_api
from tests.support import gguf_files
from tests.support.configuring import Room, configured
from tests.support.hub import fake_hub
from tests.support.scale import scaled
from tests.support.waiting import eventually


@dataclass
class Status:
    model: str
    memory: int | None


class Quiet:
    """Engines of which nothing runs, or one with so much memory."""

    def __init__(self) -> None:
        self.found: list[Status] = []

    def statuses(self) -> list[Status]:
        return self.found


@dataclass
class Door:
    room: Room
    supply: Supply
    engines: Quiet
    intents: Intents
    api: Any

    async def ask(self, event: str, **data: Any) -> Any:
        """By Socket.IO."""
        connection = cast("Any", Connection)("s", "s", LocalAccounts(), {}, "ann", None, None, None)
        return await self.intents.run(event, connection, data)

    async def http(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """By HTTP."""
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": path.partition("?")[0], "raw_path": path.encode(), "query_string": path.partition("?")[2].encode(),
            "root_path": "", "headers": [(b"host", b"corral"), (b"content-type", b"application/json")],
        }  # fmt: skip
        sent: list[Any] = []
        data = b"" if body is None else json.dumps(body).encode()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": data, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.api(scope, receive, send)
        return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent))


@asynccontextmanager
async def door(data: Path, *names: str, hub: str = "http://127.0.0.1:9") -> AsyncIterator[Door]:
    async with configured(data, None, *names, environ={"CORRAL_HUB_ENDPOINT": hub}) as room:
        engines, accounts, intents = Quiet(), LocalAccounts(), Intents()
        parts = (room.registry, room.configuration, cast("Engines", engines))
        supply = Supply(room.configuration.settings.now, data, parts, clock=SystemClock(), bus=room.bus)
        supply.add_intents(intents)
        await supply.start()
        try:
            yield Door(room, supply, engines, intents, build_api(supply.routers(accounts)))
        finally:
            await supply.stop()


async def test_an_analysis_is_the_same_by_both_doors_and_is_kept(tmp_path: Path) -> None:
    async with door(tmp_path, "a") as here:
        told = await here.ask("models:analyze", name="a")
        status, answer = await here.http("POST", "/api/models/a/analyze")
        assert (status, answer["parts"]) == (200, told["parts"])
        assert told["total"] == sum(told["parts"].values()) == sum(told["perDevice"].values())
        kept = await here.room.configuration.fit("a")
        assert kept is not None
        assert (kept["total_bytes"], kept["verdict"]) == (told["total"], told["verdict"])
        assert here.room.configuration.row("a")["fit"] == told["verdict"]
        assert here.supply.fit.expected("a") == told["total"]


async def test_options_are_tried_without_being_kept(tmp_path: Path) -> None:
    async with door(tmp_path, "a") as here:
        plain = await here.ask("models:analyze", name="a")
        tried = await here.ask("models:analyze", name="a", changes={"ctxSize": 65_536, "parallel": 8})
        assert tried["parts"]["kv"] == plain["parts"]["kv"] * 65_536 // 2048 * 8 // 4
        assert any("trained with 2,048 tokens" in note for note in tried["notes"])
        assert (await here.ask("models:analyze", name="a"))["total"] == plain["total"]
        await here.room.save("a", parallel=8)
        eight = await here.ask("models:analyze", name="a")
        assert eight["parts"]["kv"] == plain["parts"]["kv"] * 2
        assert here.supply.fit.expected("a") == eight["total"]
        reset = await here.ask("models:analyze", name="a", changes={"parallel": None})
        assert reset["total"] == plain["total"]
        with pytest.raises(InvalidRequest) as caught:
            await here.ask("models:analyze", name="a", changes={"ctxSize": "much", "nope": 1})
        assert caught.value.details is not None
        assert sorted(caught.value.details["fields"]) == ["ctxSize", "nope"]
        with pytest.raises(ModelNotFound):
            await here.ask("models:analyze", name="b")


async def test_every_model_is_analysed_as_it_comes(tmp_path: Path) -> None:
    async with door(tmp_path, "a", "b") as here:
        row = here.room.configuration.row
        await eventually(lambda: row("a")["fit"] and row("b")["fit"])
        gguf_files.write(tmp_path / "models" / "c.gguf")
        (tmp_path / "models" / "bad.gguf").write_bytes(b"GGUF" + bytes(100))
        await eventually(lambda: row("c")["fit"])
        assert row("bad")["fit"] is None
        before = await here.room.configuration.fit("a")
        await here.room.save("a", ctx_size=1024)
        assert before is not None

        async def again() -> bool:
            now = await here.room.configuration.fit("a")
            return now is not None and now["kv_bytes"] == before["kv_bytes"] // 2

        await eventually(again)
        first = await here.room.configuration.fit("b")
    async with door(tmp_path) as here:
        gguf_files.write(tmp_path / "models" / "b.gguf", llama__block_count=6)
        await eventually(lambda: here.room.registry.get("b").layers == 6)

        async def other() -> bool:
            now = await here.room.configuration.fit("b")
            return now is not None and first is not None and now["kv_bytes"] == first["kv_bytes"] * 2

        await eventually(other)
        now = await here.room.configuration.fit("a")
        assert now is not None and now["kv_bytes"] == before["kv_bytes"] // 2


async def test_memory_of_the_running_engine_is_free_for_its_next_one(tmp_path: Path) -> None:
    async with door(tmp_path, "a") as here:
        before = (await here.ask("models:analyze", name="a"))["machine"]
        here.engines.found = [Status("a", before["total"]), Status("b", 5)]
        after = (await here.ask("models:analyze", name="a"))["machine"]
        assert after["available"] == after["total"]
        kept = await here.room.configuration.fit("a")
        assert kept is not None and kept["measured_bytes"] == before["total"]


async def test_a_download_by_http_is_seen_by_socket_and_becomes_a_model(tmp_path: Path) -> None:
    with fake_hub(tmp_path / "hub") as hub:
        gguf_files.write(hub.folder / "maker/New-GGUF/New-Q8_0.gguf")
        async with door(tmp_path / "data", "a", hub=hub.url) as here:
            status, look = await here.http("GET", "/api/downloads/look?repo=maker/New-GGUF")
            assert (status, [choice["quant"] for choice in look["choices"]]) == (200, ["Q8_0"])
            assert look["choices"][0]["fit"]["verdict"] == "fits"
            assert look["choices"][0]["recommended"] is True
            again = await here.ask("downloads:look", repo="maker/New-GGUF")
            assert again["choices"][0]["files"] == look["choices"][0]["files"] == ["New-Q8_0.gguf"]
            status, one = await here.http("POST", "/api/downloads", {"repo": "maker/New-GGUF:Q8_0"})
            assert status == 200
            await eventually(lambda: here.supply.downloads.get(one["id"])["state"] == "done")
            assert (await here.ask("downloads:list"))["downloads"][0]["model"] == "New-Q8_0"
            assert here.room.registry.get("New-Q8_0").problem is None
            await eventually(lambda: here.room.configuration.row("New-Q8_0")["fit"])
            assert (await here.http("GET", f"/api/downloads/{one['id']}"))[1]["state"] == "done"
            assert (await here.http("POST", f"/api/downloads/{one['id']}/pause"))[0] == 409
            assert (await here.http("DELETE", f"/api/downloads/{one['id']}"))[1] == {"removed": one["id"]}
            assert (await here.http("GET", f"/api/downloads/{one['id']}"))[0] == 404
            assert here.room.registry.get("New-Q8_0").problem is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
NAMES = ("name", "repo", "id", "files", "quant", "revision", "changes", "other")
bodies = st.dictionaries(
    st.sampled_from(NAMES),
    anything
    | st.sampled_from(["a", "owner/name", "owner/name:Q8_0"])
    | st.dictionaries(st.sampled_from([option.wire for option in OPTIONS]), anything, max_size=4),
    max_size=4,
)


def test_every_intent_and_route_answers_or_refuses_with_a_reason(tmp_path: Path) -> None:
    loop = asyncio.new_event_loop()
    opened = door(tmp_path, "a")
    here = loop.run_until_complete(opened.__aenter__())
    events = here.intents.names()
    paths = [("POST", "/api/downloads"), ("POST", "/api/models/a/analyze"), ("POST", "/api/downloads/x/pause"),
             ("POST", "/api/downloads/x/resume"), ("POST", "/api/downloads/x/cancel"), ("DELETE", "/api/downloads/x")]  # fmt: skip

    @settings(max_examples=scaled(150, 3000), deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(events), st.sampled_from(paths), bodies)
    def fuzz(event: str, route: tuple[str, str], data: dict[str, Any]) -> None:
        async def both() -> None:
            try:
                json.dumps(await here.ask(event, **data))
            except CorralError as error:
                assert error.status < 500 or error.code == "unavailable"
                assert error.message
            status, answer = await here.http(*route, data)
            assert status < 500 or answer["error"]["code"] == "unavailable", answer

        loop.run_until_complete(asyncio.wait_for(both(), 60))

    try:
        fuzz()
    finally:
        loop.run_until_complete(opened.__aexit__(None, None, None))
        loop.close()


async def test_only_who_manages_models_may_download(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        reading = {"downloads:list", "models:analyze"}
        for event in here.intents.names():
            wanted = Permission.MODELS_READ if event in reading else Permission.MODELS_MANAGE
            assert here.intents.get(event).permission is wanted, event
