"""Passes news of the bus on to the sockets that may see them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from corral.accounts.types import Permission
from corral.bus import Lagged
from corral.kit.errors import CorralError, NotFound
from corral.realtime import envelope
from corral.realtime.connection import Connection

if TYPE_CHECKING:
    from corral.realtime.server import RealtimeParts

MANY_MODELS = 100
MODELS_EVERY = 0.25
"""Seconds between two messages about changed models: thousands may change one after the other."""
_AGENTS = "agents:"
_TOPICS = ("models", "engines", "agents:*")


class Broadcast:
    """News for all sockets: models and engines to who may read models, an agent's to its user alone.

    Events of the topics that the parts name go as they are, under the name that they carry as `event`.
    """

    def __init__(
        self, parts: RealtimeParts, connections: dict[str, Connection], max_waiting: int, heartbeat: float
    ) -> None:
        self._parts = parts
        self._connections = connections
        self._max_waiting = max_waiting
        self._heartbeat = heartbeat
        self._known: dict[str, dict[str, Any]] = {}
        self._models_changed = asyncio.Event()

    async def news(self) -> None:
        """Runs until cancelled. After a lag everybody gets the models' state, and is told to ask for the rest again."""
        self._known = self._rows()
        while True:
            try:
                with self._parts.bus.subscribe(*_TOPICS, *self._parts.topics, limit=4096) as subscription:
                    async for topic, event in subscription:
                        await self._pass_on(topic, dict(event))
            except Lagged:
                self._known = {}
                await self._models()
                for connection in list(self._connections.values()):
                    await self._send(connection, "resync", {})

    async def beat(self) -> None:
        """Sends the state of every engine now and then, until cancelled; of very many only those that do not rest."""
        while True:
            await self._parts.clock.sleep(self._heartbeat)
            if self._connections:
                models = self._parts.models.models()
                if len(models) > MANY_MODELS:
                    models = [model for model in models if model["state"] != "stopped"]
                for model in models:
                    status = model.get("engine") or {"name": model["name"], "state": model["state"]}
                    await self._to_all("models:status", status, Permission.MODELS_READ)

    async def models(self) -> None:
        """Tells of changed models until cancelled: at once, and then now and then while they go on changing."""
        while True:
            await self._models_changed.wait()
            self._models_changed.clear()
            await self._models()
            await self._parts.clock.sleep(MODELS_EVERY)

    async def _pass_on(self, topic: str, event: dict[str, Any]) -> None:
        name = event.pop("event", "")
        if topic.startswith(_AGENTS):
            await self._agent(topic.removeprefix(_AGENTS), event.get("agentId", ""))
        elif topic == "models":
            self._models_changed.set()
        elif topic == "engines":
            await self._to_all("models:status", event, Permission.MODELS_READ)
        else:
            await self._to_all(name, event, self._parts.topics[topic])

    async def _models(self) -> None:
        """Tells which rows are other than those that were told last; all of them when none were."""
        known, self._known = self._known, self._rows()
        now = self._known
        # Rows that did not change are the same objects, so that few of thousands have to be compared.
        other = [(model, known.get(name)) for name, model in now.items() if known.get(name) is not model]
        changed = [model for model, before in other if model != before]
        removed = [name for name in known if name not in now]
        if changed or removed:
            body = {"models": changed, "removed": removed, "full": not known}
            await self._to_all("models:changed", body, Permission.MODELS_READ)

    def _rows(self) -> dict[str, dict[str, Any]]:
        return {model["name"]: model for model in self._parts.models.models()}

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

    async def _to_all(self, event: str, data: dict[str, Any], permission: Permission) -> None:
        for connection in list(self._connections.values()):
            if _may(connection, permission) is not None:
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
