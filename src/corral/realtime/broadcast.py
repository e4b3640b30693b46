"""Passes news of the bus on to the sockets that may see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corral.accounts.types import Permission
from corral.bus import Lagged
from corral.kit.errors import CorralError, NotFound
from corral.realtime import envelope
from corral.realtime.connection import Connection

if TYPE_CHECKING:
    from corral.realtime.server import RealtimeParts

_AGENTS = "agents:"


class Broadcast:
    """News for all sockets: models and engines to who may read models, an agent's to its user alone."""

    def __init__(
        self, parts: RealtimeParts, connections: dict[str, Connection], max_waiting: int, heartbeat: float
    ) -> None:
        self._parts = parts
        self._connections = connections
        self._max_waiting = max_waiting
        self._heartbeat = heartbeat

    async def news(self) -> None:
        """Runs until cancelled. After a lag everybody gets the models' state, and is told to ask for the rest again."""
        while True:
            try:
                with self._parts.bus.subscribe("models", "engines", "agents:*", limit=4096) as subscription:
                    async for topic, event in subscription:
                        await self._pass_on(topic, dict(event))
            except Lagged:
                await self._to_readers("models:changed", {"models": self._parts.models.models()})
                for connection in list(self._connections.values()):
                    await self._send(connection, "resync", {})

    async def beat(self) -> None:
        """Sends the state of every engine now and then, until cancelled."""
        while True:
            await self._parts.clock.sleep(self._heartbeat)
            if self._connections:
                for model in self._parts.models.models():
                    status = model.get("engine") or {"name": model["name"], "state": model["state"]}
                    await self._to_readers("models:status", status)

    async def _pass_on(self, topic: str, event: dict[str, Any]) -> None:
        name = event.pop("event", "")
        if topic.startswith(_AGENTS):
            await self._agent(topic.removeprefix(_AGENTS), event.get("agentId", ""))
        elif name == "models:changed":
            await self._to_readers("models:changed", {"models": self._parts.models.models()})
        else:
            await self._to_readers("models:status", event)

    async def _agent(self, user_id: str, agent_id: str) -> None:
        listeners = [one for one in self._connections.values() if _may(one, Permission.AGENTS_READ) == user_id]
        if not listeners:
            return
        try:
            agent = (await self._parts.agents.get(user_id, agent_id)).as_dict()
            event, data = "agents:changed", dict[str, Any](agent=agent)
        except NotFound:
            event, data = "agents:removed", {"agentId": agent_id}
        except CorralError:
            return
        for connection in listeners:
            await self._send(connection, event, data)

    async def _to_readers(self, event: str, data: dict[str, Any]) -> None:
        for connection in list(self._connections.values()):
            if _may(connection, Permission.MODELS_READ) is not None:
                await self._send(connection, event, data)

    async def _send(self, connection: Connection, event: str, data: dict[str, Any]) -> None:
        if connection.waiting() >= self._max_waiting:
            connection.abort()
            return
        await connection.send(event, envelope.push(event, data, self._parts.clock.now()))


def _may(connection: Connection, permission: Permission) -> str | None:
    """The socket's user when it has `permission` now."""
    try:
        principal = connection.principal()
        principal.require(permission)
    except CorralError:
        return None
    return principal.user_id
