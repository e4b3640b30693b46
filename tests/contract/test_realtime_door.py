"""The Socket.IO door, served by uvicorn and asked by Socket.IO's own client."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
import socketio
import uvicorn

from corral.accounts.service import LocalAccounts
from corral.agents.types import Accepted, Agent, Event, Message, NewMessage, Turn, TurnState
from corral.bus import MemoryBus
from corral.kit.clock import SystemClock
from corral.kit.errors import ModelNotFound, NotFound, RangeNotSatisfiable
from corral.realtime import PATH, Realtime, RealtimeOptions, RealtimeParts
from corral.surfaces.edge.middleware import EdgePolicy, known_hosts
from tests.support.waiting import eventually


class MemoryAgents:
    """One conversation of the user `ann`, whose turn has a log that the test fills."""

    def __init__(self) -> None:
        self.agent = Agent("agt_1", "ann", "First", None, 2, 0, 0)
        self.log = [Event(0, "accepted", {"agentId": "agt_1", "seq": 1})]
        self.grown = asyncio.Event()
        self.sent: list[NewMessage] = []

    def add(self, kind: str, **data: Any) -> None:
        self.log.append(Event(len(self.log), kind, data))
        self.grown.set()
        self.grown = asyncio.Event()

    async def list_agents(self, user_id: str, *, limit: int = 100) -> list[Agent]:
        return [self.agent] if user_id == "ann" else []

    async def get(self, user_id: str, agent_id: str) -> Agent:
        if (user_id, agent_id) != ("ann", "agt_1"):
            raise NotFound("There is no such conversation.")
        return self.agent

    async def create(self, user_id: str, *, title: str | None = None, model: str | None = None) -> Agent:
        return Agent("agt_2", user_id, title or "New", model, 0, 0, 0)

    async def change(self, user_id: str, agent_id: str, *, title: str | None = None, model: str | None = None) -> Agent:
        return await self.get(user_id, agent_id)

    async def delete(self, user_id: str, agent_id: str) -> None:
        await self.get(user_id, agent_id)

    async def restore(self, user_id: str, agent_id: str) -> Agent:
        return await self.get(user_id, agent_id)

    async def messages(self, user_id: str, agent_id: str, *, after: int = 0, limit: int = 100) -> list[Message]:
        await self.get(user_id, agent_id)
        found = [Message(f"msg_{seq}", seq, "user", "hi", "done", None, None, 0) for seq in (1, 2)]
        return [message for message in found if message.seq > after][:limit]

    async def accept(self, user_id: str, message: NewMessage) -> Accepted:
        self.sent.append(message)
        return Accepted(await self.get(user_id, message.agent_id or "agt_1"), self._turn(), False)

    async def turn(self, user_id: str, agent_id: str, turn_id: str) -> Turn:
        await self.get(user_id, agent_id)
        if turn_id != "trn_1":
            raise NotFound("There is no such turn.")
        return self._turn()

    async def cancel(self, user_id: str, agent_id: str, turn_id: str) -> Turn:
        return await self.turn(user_id, agent_id, turn_id)

    def check_offset(self, turn: Turn, start: int) -> None:
        if turn.state.final and start >= turn.next_offset:
            raise RangeNotSatisfiable("The turn has ended.", param="from")

    async def events(self, user_id: str, agent_id: str, turn_id: str, start: int = 0) -> AsyncGenerator[Event, None]:
        place = start
        while True:
            grown = self.grown
            while place < len(self.log):
                event = self.log[place]
                place += 1
                yield event
                if event.type == "end":
                    return
            await grown.wait()

    def _turn(self) -> Turn:
        state = TurnState.COMPLETED if self.log[-1].type == "end" else TurnState.RUNNING
        return Turn("trn_1", "agt_1", 1, state, len(self.log), 1, None, None, None, 0, None)


class MemoryModels:
    """One model."""

    def __init__(self) -> None:
        self.state = "stopped"

    def models(self) -> list[dict[str, Any]]:
        return [self.model("demo")]

    def model(self, name: str) -> dict[str, Any]:
        if name != "demo":
            raise ModelNotFound("There is no such model.")
        return {"name": name, "state": self.state, "engine": None}

    async def start(self, name: str) -> dict[str, Any]:
        self.state = "ready"
        return self.model(name)

    async def stop(self, name: str) -> dict[str, Any]:
        self.state = "stopped"
        return self.model(name)

    async def restart(self, name: str) -> dict[str, Any]:
        raise RuntimeError("a fault with a secret in it")

    async def rescan(self) -> list[dict[str, Any]]:
        return self.models()


class Room:
    """The served door and what stands behind it."""

    def __init__(self, options: RealtimeOptions | None = None) -> None:
        self.agents, self.models, self.bus = MemoryAgents(), MemoryModels(), MemoryBus()
        policy = EdgePolicy(known_hosts("127.0.0.1", ()), 1_000_000)
        clock = SystemClock()
        parts = RealtimeParts(LocalAccounts(), self.agents, self.models, lambda: {"ok": True}, policy, self.bus, clock)
        self.door = Realtime(parts, options)
        self.url = ""


class Client:
    """Socket.IO's own client, keeping what it hears."""

    def __init__(self) -> None:
        self.io = socketio.AsyncClient(reconnection=False)
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.io.on("*", self._hear)

    async def _hear(self, event: str, body: dict[str, Any]) -> None:
        self.heard.append((event, body))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [body for name, body in self.heard if name == event]

    async def ask(self, event: str, request_id: str = "r1", /, **data: Any) -> dict[str, Any]:
        self.heard = [one for one in self.heard if one[0] != f"{event}:result"]
        await self.io.emit(event, {"type": "request", "event": event, "data": data, "requestId": request_id})
        answers: list[dict[str, Any]] = await eventually(lambda: self.of(f"{event}:result"))
        return answers[0]


@contextlib.asynccontextmanager
async def served(options: RealtimeOptions | None = None) -> AsyncIterator[Room]:
    room = Room(options)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(room.door.asgi, interface="asgi3", ws="wsproto", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    room.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    await room.door.start()
    serving = asyncio.create_task(server.serve([listener]))
    try:
        await eventually(lambda: server.started)
        yield room
    finally:
        await room.door.stop()
        server.should_exit = server.force_exit = True
        await serving


@contextlib.asynccontextmanager
async def client(room: Room, headers: dict[str, str] | None = None, **auth: Any) -> AsyncIterator[Client]:
    one = Client()
    await one.io.connect(
        room.url, auth=auth, headers=headers or {}, socketio_path=PATH, transports=["websocket"], wait_timeout=30
    )
    try:
        await eventually(lambda: one.of("session:ready"))
        yield one
    finally:
        await one.io.disconnect()


async def test_answers_an_intent_with_its_request_id() -> None:
    async with served() as room, client(room, userId="ann") as ann:
        answer = await ann.ask("models:list", "abc")
        assert answer["type"] == "result"
        assert (answer["event"], answer["success"], answer["requestId"]) == ("models:list:result", True, "abc")
        assert answer["data"]["models"][0]["name"] == "demo"
        assert answer["timestamp"].endswith("Z")


async def test_refusals_carry_code_and_message() -> None:
    async with served() as room, client(room, userId="ann") as ann:
        assert (await ann.ask("models:get", name="no"))["error"]["code"] == "model_not_found"
        assert (await ann.ask("models:get"))["error"]["details"] == {"field": "name"}
        assert (await ann.ask("agents:list", userId="bob"))["error"]["code"] == "invalid_request"
        assert (await ann.ask("no:such"))["error"]["code"] == "not_found"
        fault = await ann.ask("models:restart", name="demo")
        assert fault["success"] is False
        assert "secret" not in str(fault)


async def test_follows_a_turn_from_an_offset_to_its_end() -> None:
    async with served() as room, client(room, userId="ann") as ann:
        sent = await ann.ask("chat:send", message="hello")
        assert sent["data"] == {"agentId": "agt_1", "turnId": "trn_1", "seq": 1}
        room.agents.add("token", text="a")
        await ann.ask("turn:subscribe", agentId="agt_1", turnId="trn_1", **{"from": 1})
        room.agents.add("token", text="b")
        room.agents.add("end", state="completed", messageCount=2)
        await eventually(lambda: len(ann.of("turn:event")) == 3)
        assert [body["data"]["offset"] for body in ann.of("turn:event")] == [1, 2, 3]
        assert ann.of("turn:event")[0]["data"]["text"] == "a"
        late = await ann.ask("turn:subscribe", agentId="agt_1", turnId="trn_1", **{"from": 9})
        assert late["success"] is False


async def test_another_users_turn_is_not_found_and_news_stay_private() -> None:
    async with served() as room, client(room, userId="ann") as ann, client(room, userId="bob") as bob:
        answer = await bob.ask("turn:subscribe", agentId="agt_1", turnId="trn_1", **{"from": 0})
        assert answer["error"]["code"] == "not_found"
        room.bus.publish("agents:ann", {"event": "agents:changed", "agentId": "agt_1"})
        room.bus.publish("agents:ann", {"event": "agents:changed", "agentId": "agt_gone"})
        room.bus.publish("engines", {"event": "models:status", "name": "demo", "state": "ready"})
        await eventually(lambda: bob.of("models:status") and ann.of("agents:removed"))
        assert ann.of("agents:changed")[0]["data"]["agent"]["id"] == "agt_1"
        assert not bob.of("agents:changed")
        assert not bob.of("agents:removed")


async def test_a_lost_socket_goes_on_where_it_was() -> None:
    async with served() as room:
        async with client(room, userId="ann") as ann:
            await ann.ask("turn:subscribe", agentId="agt_1", turnId="trn_1", **{"from": 0})
            await eventually(lambda: ann.of("turn:event"))
            session = ann.of("session:ready")[0]["data"]["session"]
        await eventually(lambda: room.door.sockets == 0)
        room.agents.add("token", text="later")
        async with client(room, userId="bob", session=session) as bob:
            assert bob.of("session:ready")[0]["data"]["recovered"] is False
        async with client(room, userId="ann", session=session, offsets={"trn_1": 1}) as again:
            assert again.of("session:ready")[0]["data"]["recovered"] is True
            await eventually(lambda: again.of("turn:event"))
            assert [body["data"]["offset"] for body in again.of("turn:event")] == [1]


async def test_a_socket_follows_a_bounded_number_of_turns() -> None:
    async with served(RealtimeOptions(max_turns=0)) as room, client(room, userId="ann") as ann:
        answer = await ann.ask("turn:subscribe", agentId="agt_1", turnId="trn_1", **{"from": 0})
        assert answer["error"]["code"] == "overloaded"


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
async def test_foreign_pages_and_hosts_are_refused(headers: dict[str, str]) -> None:
    async with served() as room:
        with pytest.raises(socketio.exceptions.ConnectionError):
            async with client(room, headers):
                pass
        assert room.door.sockets == 0


async def test_a_bad_user_is_refused() -> None:
    async with served() as room:
        with pytest.raises(socketio.exceptions.ConnectionError):
            async with client(room, userId="no spaces"):
                pass
