"""`/api/models…`: what there is, and starting and stopping it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

from corral.accounts.service import Accounts
from corral.accounts.types import Permission
from corral.surfaces.api.routing import ApiRouter


class ModelControl(Protocol):
    """What the routes need (a port that `app` fills); every answer is in the wire form of a model."""

    def models(self) -> list[dict[str, Any]]:
        """All models."""
        ...

    def model(self, name: str) -> dict[str, Any]:
        """One model. Raises ModelNotFound."""
        ...

    def start(self, name: str) -> Awaitable[dict[str, Any]]:
        """Starts its engine and waits until it is ready. Raises EngineFailed."""
        ...

    def stop(self, name: str) -> Awaitable[dict[str, Any]]:
        """Stops its engine."""
        ...

    def restart(self, name: str) -> Awaitable[dict[str, Any]]:
        """Stops and starts its engine."""
        ...

    def rescan(self) -> Awaitable[list[dict[str, Any]]]:
        """Looks for models again."""
        ...


def models_router(accounts: Accounts, control: ModelControl) -> ApiRouter:
    """The routes of models. A name may hold a slash."""
    api = ApiRouter(accounts, prefix="/api", tags=["models"])

    @api.get("/models", permission=Permission.MODELS_READ)
    async def list_models() -> dict[str, Any]:
        return {"models": control.models()}

    @api.post("/llama-server/rescan", permission=Permission.MODELS_MANAGE)
    async def rescan() -> dict[str, Any]:
        return {"models": await control.rescan()}

    @api.post("/models/{name:path}/start", permission=Permission.MODELS_MANAGE)
    async def start_model(name: str) -> dict[str, Any]:
        return await control.start(name)

    @api.post("/models/{name:path}/stop", permission=Permission.MODELS_MANAGE)
    async def stop_model(name: str) -> dict[str, Any]:
        return await control.stop(name)

    @api.post("/models/{name:path}/restart", permission=Permission.MODELS_MANAGE)
    async def restart_model(name: str) -> dict[str, Any]:
        return await control.restart(name)

    @api.get("/models/{name:path}", permission=Permission.MODELS_READ)
    async def get_model(name: str) -> dict[str, Any]:
        return control.model(name)

    return api
