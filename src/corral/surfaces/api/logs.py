"""`/api/logs…` and `/api/logger/config`: the lines of the log, its files and its levels."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from corral.accounts.service import Accounts
from corral.accounts.types import Permission
from corral.monitoring.logs import Logs
from corral.surfaces.api.routing import ApiRouter, CurrentPrincipal

Level = Literal["debug", "info", "warning", "error"]
Source = Annotated[str, Field(min_length=1, max_length=220)]
_NDJSON = "application/x-ndjson"


class LogQuery(BaseModel):
    """Which lines."""

    model_config = ConfigDict(extra="forbid")

    level: Level | None = None
    source: Source | None = None
    text: Annotated[str, Field(max_length=500)] | None = None
    requestId: Annotated[str, Field(max_length=80)] | None = None  # noqa: N815 - the names on the wire
    before: Annotated[str, Field(max_length=40)] | None = None
    after: Annotated[str, Field(max_length=40)] | None = None


class LogPage(LogQuery):
    """Which lines, and how many."""

    limit: Annotated[int, Field(ge=1, le=500)] = 200


class LogDownload(LogQuery):
    """Which lines, or one whole file by its name."""

    name: Annotated[str, Field(max_length=80)] | None = None


class LogLevels(BaseModel):
    """Levels to set; null takes the level of a source away, `reset` all that was set while a server ran."""

    model_config = ConfigDict(extra="forbid")

    level: Level | None = None
    levels: dict[Source, Level | None] | None = None
    reset: bool = False


def logs_router(accounts: Accounts, logs: Logs) -> ApiRouter:
    """The routes of the log."""
    api = ApiRouter(accounts, prefix="/api", tags=["logs"])

    @api.get("/logs", permission=Permission.LOGS_READ)
    async def search(query: Annotated[LogPage, Query()]) -> dict[str, Any]:
        return await logs.search(query.model_dump(exclude={"limit"}), query.limit)

    @api.get("/logs/download", permission=Permission.LOGS_READ)
    async def download(query: Annotated[LogDownload, Query()]) -> Response:
        if query.name is not None:
            path = await logs.file(query.name)
            return FileResponse(path, media_type=_NDJSON, filename=path.name, headers={"Cache-Control": "no-store"})
        pieces = await logs.download(query.model_dump(exclude={"name"}))
        headers = {"Content-Disposition": 'attachment; filename="corral-log.ndjson"', "Cache-Control": "no-store"}
        return StreamingResponse(pieces, media_type=_NDJSON, headers=headers)

    @api.get("/logger/config", permission=Permission.LOGS_READ)
    async def read_config() -> dict[str, Any]:
        return await logs.config()

    @api.post("/logger/config", permission=Permission.LOGS_MANAGE)
    async def write_config(body: LogLevels, principal: CurrentPrincipal) -> dict[str, Any]:
        return await logs.change(body.level, body.levels, reset=body.reset, by=principal.user_id)

    return api
