"""Whether the server lives and whether a chat can be answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi.responses import JSONResponse

from corral.accounts.service import Accounts
from corral.accounts.types import Permission
from corral.surfaces.api.routing import ApiRouter

Readiness = Callable[[], "str | None"]
"""Why a chat cannot be answered now, or None when it can."""


Checks = Callable[[], Awaitable[dict[str, dict[str, Any]]]]
"""What the server stands on, each with whether it is `ok`."""


def health_router(
    accounts: Accounts, readiness: Readiness, describe: Callable[[], dict[str, Any]], checks: Checks
) -> ApiRouter:
    """`GET /livez`, `GET /readyz` and `GET /api/health`."""
    api = ApiRouter(accounts, tags=["health"])

    @api.get("/livez", permission=Permission.PUBLIC)
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @api.get("/readyz", permission=Permission.PUBLIC)
    async def readyz() -> JSONResponse:
        reason = readiness()
        if reason is None:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "unavailable", "reason": reason}, status_code=503)

    @api.get("/api/health", permission=Permission.STATUS)
    async def health() -> dict[str, Any]:
        reason, found = readiness(), await checks()
        if reason is not None:
            status = "unavailable"
        else:
            status = "ok" if all(one["ok"] for one in found.values()) else "degraded"
        return {"status": status, "reason": reason, "checks": found, **describe()}

    return api
