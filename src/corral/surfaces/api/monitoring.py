"""`/api/monitoring…`, `/api/hardware` and `/metrics`: figures of the host, the server and its engines."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import Response

from corral.accounts.service import Accounts
from corral.accounts.types import Permission
from corral.monitoring import hardware
from corral.monitoring.metrics import Metrics
from corral.monitoring.metrics.exposition import CONTENT_TYPE
from corral.surfaces.api.routing import ApiRouter


def monitoring_router(accounts: Accounts, metrics: Metrics) -> ApiRouter:
    """The routes of metrics."""
    api = ApiRouter(accounts, tags=["monitoring"])
    # The first look starts a process; nobody needs two of them.
    looking = asyncio.Lock()

    @api.get("/api/monitoring", permission=Permission.MONITORING_READ)
    async def overview() -> dict[str, Any]:
        return await metrics.overview()

    @api.get("/api/monitoring/latest", permission=Permission.MONITORING_READ)
    async def latest() -> dict[str, Any]:
        return await metrics.latest()

    @api.get("/api/monitoring/history", permission=Permission.MONITORING_READ)
    async def history(
        span: Annotated[str, Query(alias="range", max_length=8)] = "10m",
        engine: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
    ) -> dict[str, Any]:
        return await metrics.history(span, engine)

    @api.get("/api/hardware", permission=Permission.MONITORING_READ)
    async def machine() -> dict[str, Any]:
        async with looking:
            return (await asyncio.to_thread(hardware.read)).as_dict()

    @api.get("/metrics", permission=Permission.MONITORING_READ)
    async def exposition() -> Response:
        return Response(await metrics.exposition(), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})

    return api
