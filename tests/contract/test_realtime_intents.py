"""Every intent, envelope and bound of the Socket.IO door, asked by Socket.IO's own client."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import aiohttp
import pytest

from corral.realtime import PATH, RealtimeOptions
from tests.contract.test_realtime_door import Client, client, served
from tests.support.waiting import eventually

TURN = {"agentId": "agt_1", "turnId": "trn_1"}
INTENTS: dict[str, dict[str, Any]] = {
    "models:list": {}, "models:get": {"name": "demo"}, "models:start": {"name": "demo"}, "models:stop": {"name": "demo"},
    "models:rescan": {}, "status:get": {}, "agents:list": {}, "agents:get": {"agentId": "agt_1"}, "agents:create": {"title": "New"},
    "agents:rename": {"agentId": "agt_1", "title": "x"}, "agents:delete": {"agentId": "agt_1"}, "agents:restore": {"agentId": "agt_1"},
    "agents:messages": {"agentId": "agt_1", "after": 0, "limit": 1}, "chat:send": {"message": "hi"}, "turn:subscribe": {**TURN, "from": 0},
    "turn:unsubscribe": {"turnId": "trn_1"}, "turn:cancel": TURN,
}  # fmt: skip
FOREIGN = (
    "agents:get",
    "agents:rename",
    "agents:delete",
    "agents:restore",
    "agents:messages",
    "turn:subscribe",
    "turn:cancel",
)


def _has(ann: Client, count: int) -> bool:
    return len(ann.of("turn:event")) == count


async def test_every_intent_answers_in_the_one_envelope() -> None:
    async with served() as room, client(room, userId="ann") as ann:
        # `models:restart` of this room fails on purpose and is asked elsewhere.
        assert sorted({*INTENTS, "models:restart"}) == room.door.intents.names()
        for number, (event, data) in enumerate(INTENTS.items()):
            answer = await ann.ask(event, f"r{number}", **data)
            assert answer["success"] is True, answer
            assert set(answer) == {"type", "event", "success", "data", "requestId", "timestamp"}
            assert (answer["type"], answer["event"], answer["requestId"]) == ("result", f"{event}:result", f"r{number}")


async def test_another_user_finds_nothing_by_any_intent() -> None:
    async with served() as room, client(room, userId="bob") as bob:
        for event in FOREIGN:
            answer = await bob.ask(event, **INTENTS[event])
            assert answer["error"]["code"] == "not_found", event
            assert "agt_1" not in str(answer)
        refused = await bob.ask("chat:send", message="hi", agentId="agt_1")
        assert refused["error"]["code"] == "not_found"
        assert (await bob.ask("agents:list"))["data"] == {"agents": []}


@pytest.mark.parametrize(
    ("payload", "field"),
    [("text", None), (7, None), ([], None), ({"data": "x"}, "data"), ({"requestId": 7}, "requestId"), ({"requestId": "x" * 81}, "requestId"),
     ({"data": {"name": 3}}, "name"), ({"data": {"nam": "x"}}, "name"), ({"data": {}}, "name"), ({"data": {"name": ""}}, "name")],
)  # fmt: skip
async def test_an_invalid_envelope_is_told_with_its_field(payload: Any, field: str | None) -> None:
    async with served() as room, client(room, userId="ann") as ann:
        await ann.io.emit("models:get", payload)
        [answer] = await eventually(lambda: ann.of("models:get:result"))
        assert answer["success"] is False
        assert answer["error"]["code"] == "invalid_request"
        assert answer["error"].get("details", {}).get("field") == field


async def test_two_sockets_of_a_user_see_the_same_tokens_and_another_user_none() -> None:
    async with (
        served() as room,
        client(room, userId="ann") as one,
        client(room, userId="ann") as two,
        client(room, userId="bob") as bob,
    ):
        for ann in (one, two):
            await ann.ask("turn:subscribe", **TURN, **{"from": 0})
        await bob.ask("turn:subscribe", **TURN, **{"from": 0})
        for number in range(50):
            room.agents.add("token", text=str(number))
        room.agents.add("end", state="completed", messageCount=2)
        for ann in (one, two):
            await eventually(partial(_has, ann, 52))
            assert [body["data"]["offset"] for body in ann.of("turn:event")] == list(range(52))
        assert [body["data"] for body in one.of("turn:event")] == [body["data"] for body in two.of("turn:event")]
        assert not bob.of("turn:event")


async def test_the_heartbeat_tells_every_models_state() -> None:
    async with served(RealtimeOptions(heartbeat=0.05)) as room, client(room, userId="ann") as ann:
        await eventually(lambda: len(ann.of("models:status")) >= 2)
        assert ann.of("models:status")[0]["data"] == {"name": "demo", "state": "stopped"}


async def test_too_many_intents_under_way_are_refused() -> None:
    async with served(RealtimeOptions(max_in_flight=1)) as room, client(room, userId="ann") as ann:
        gate = asyncio.Event()

        async def slow(name: str) -> dict[str, Any]:
            await gate.wait()
            return room.models.model(name)

        room.models.start = slow  # type: ignore[method-assign]
        await ann.io.emit("models:start", {"data": {"name": "demo"}, "requestId": "slow"})
        await ann.io.emit("models:list", {"requestId": "second"})
        [refused] = await eventually(lambda: ann.of("models:list:result"))
        assert (refused["error"]["code"], refused["error"]["retryAfter"]) == ("overloaded", 1)
        gate.set()
        await eventually(lambda: ann.of("models:start:result"))
        assert (await ann.ask("models:list"))["success"] is True


async def test_after_a_lag_everybody_is_told_to_ask_again() -> None:
    async with served() as room, client(room, userId="ann") as ann:
        # All at once, before the reader of the bus can run.
        for _ in range(5000):
            room.bus.publish("agents:nobody", {"event": "agents:changed", "agentId": "agt_1"})
        await eventually(lambda: ann.of("resync"))
        assert ann.of("models:changed")
        room.bus.publish("engines", {"event": "models:status", "name": "demo", "state": "ready"})
        await eventually(lambda: ann.of("models:status"))


@pytest.mark.parametrize(
    ("headers", "status"), [({"Host": "evil.example"}, 421), ({"Origin": "http://evil.example"}, 403)]
)
async def test_polling_asks_for_host_and_origin_too(headers: dict[str, str], status: int) -> None:
    async with served() as room, aiohttp.ClientSession() as http:
        async with http.get(f"{room.url}{PATH}/?EIO=4&transport=polling", headers=headers) as answer:
            assert answer.status == status
        assert room.door.sockets == 0


async def test_polling_works_and_says_when_to_ping() -> None:
    one = Client()
    async with served() as room:
        address = f"{room.url}{PATH}/?EIO=4&transport=polling"
        async with aiohttp.ClientSession() as http, http.get(address) as answer:
            text = await answer.text()
        assert '"pingInterval":25000' in text
        assert '"pingTimeout":60000' in text
        await one.io.connect(
            room.url, auth={"userId": "ann"}, socketio_path=PATH, transports=["polling"], wait_timeout=30
        )
        assert (await one.ask("models:list"))["success"] is True
        # A friendly leave would wait for the long poll to return.
        await one.io.eio.disconnect(abort=True)
