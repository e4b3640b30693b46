"""`/api/downloads…`: models from a hub; and `/api/models/{name}/analyze`: what a model needs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from corral.accounts.service import Accounts
from corral.accounts.types import Permission
from corral.models.configuration.fields import FileNames, Key, Label, RepoName, Values
from corral.models.downloads import Downloads
from corral.models.fit import Fit
from corral.surfaces.api.routing import ApiRouter


class StartDownload(BaseModel):
    """A repository of the hub, and what of it; without files and quant what fits this machine best."""

    model_config = ConfigDict(extra="forbid")

    repo: RepoName
    files: FileNames | None = None
    quant: Label | None = None
    revision: Label | None = None


class Analyze(BaseModel):
    """Options to try, by their wire names; null takes one away. Nothing is kept of them."""

    model_config = ConfigDict(extra="forbid")

    changes: Annotated[Values, Field(default_factory=dict)]


def downloads_router(accounts: Accounts, downloads: Downloads) -> ApiRouter:
    """The routes of downloads."""
    api = ApiRouter(accounts, prefix="/api", tags=["downloads"])

    @api.get("/downloads", permission=Permission.MODELS_READ)
    async def list_downloads() -> dict[str, Any]:
        return {"downloads": downloads.all()}

    @api.get("/downloads/look", permission=Permission.MODELS_MANAGE)
    async def look(
        repo: Annotated[RepoName, Query()], revision: Annotated[Label | None, Query()] = None
    ) -> dict[str, Any]:
        return await downloads.look(repo, revision)

    @api.post("/downloads", permission=Permission.MODELS_MANAGE)
    async def start(body: StartDownload) -> dict[str, Any]:
        return await downloads.begin(body.repo, files=body.files, quant=body.quant, revision=body.revision)

    @api.get("/downloads/{key}", permission=Permission.MODELS_READ)
    async def get(key: Key) -> dict[str, Any]:
        return downloads.get(key)

    @api.post("/downloads/{key}/pause", permission=Permission.MODELS_MANAGE)
    async def pause(key: Key) -> dict[str, Any]:
        return await downloads.pause(key)

    @api.post("/downloads/{key}/resume", permission=Permission.MODELS_MANAGE)
    async def resume(key: Key) -> dict[str, Any]:
        return await downloads.resume(key)

    @api.post("/downloads/{key}/cancel", permission=Permission.MODELS_MANAGE)
    async def cancel(key: Key) -> dict[str, Any]:
        return await downloads.cancel(key)

    @api.delete("/downloads/{key}", permission=Permission.MODELS_MANAGE)
    async def remove(key: Key) -> dict[str, Any]:
        return await downloads.remove(key)

    return api


def fit_router(accounts: Accounts, fit: Fit) -> ApiRouter:
    """The route of the fit analysis."""
    api = ApiRouter(accounts, prefix="/api", tags=["models"])

    @api.post("/models/{name:path}/analyze", permission=Permission.MODELS_READ)
    async def analyze(name: str, body: Analyze | None = None) -> dict[str, Any]:
        return await fit.analyze(name, body.changes if body is not None else {})

    return api
