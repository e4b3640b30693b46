"""The intent by which a browser brings turns that it has answered. See docs/rooms/agents-device.md."""

from __future__ import annotations

from typing import Any

from corral.accounts.types import Permission
from corral.agents.device import DeviceTurns, wire
from corral.realtime.connection import Connection
from corral.realtime.intents import Body, Intents


class DeviceTurnsBody(wire.DeviceTurnsFields, Body):
    """See `wire.DeviceTurnsFields`. The user is the socket's own."""


def add_device_turns(intents: Intents, device: DeviceTurns) -> None:
    """The intent `device:turns`."""

    async def bring(connection: Connection, body: DeviceTurnsBody) -> Any:
        return wire.answer(await device.bring(connection.principal().user_id, body.brought()))

    intents.add("device:turns", Permission.CHAT, DeviceTurnsBody, bring)
