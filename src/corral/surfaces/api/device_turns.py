"""`POST /api/device/turns`: turns that a browser has answered. See docs/rooms/agents-device.md."""

from __future__ import annotations

from typing import Any

from corral.accounts.service import Accounts
from corral.accounts.types import Permission
from corral.agents.device import DeviceTurns, wire
from corral.surfaces.api.routing import ApiRouter, CurrentPrincipal


class DeviceTurnsBody(wire.DeviceTurnsFields):
    """Turns that a browser has answered, and whose they are."""

    userId: str | None = None  # noqa: N815 - the name on the wire


def device_turns_router(accounts: Accounts, device: DeviceTurns) -> ApiRouter:
    """The route that devices bring their turns to."""
    api = ApiRouter(accounts, tags=["agents"])

    @api.post("/api/device/turns", permission=Permission.CHAT)
    async def bring_turns(body: DeviceTurnsBody, principal: CurrentPrincipal) -> dict[str, Any]:
        user = accounts.as_user(principal, body.userId).user_id
        return wire.answer(await device.bring(user, body.brought()))

    return api
