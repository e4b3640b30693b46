"""Whether the server lives and whether a chat can be answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi.responses import JSONResponse

from corral.accounts.service import Accounts
from corral.accounts.types import Permission
from corral.surfaces.api.routing import ApiRouter

Readiness = Callable[[], "str | None"]
"""Why a chat cannot be answered now, or None when it can."""


def health_router(accounts: Accounts, readiness: Readiness, describe: Callable[[], dict[str, Any]]) -> ApiRouter:
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
        reason = readiness()
        return {"status": "ok" if reason is None else "unavailable", "reason": reason, **describe()}

    return api
