"""`/api/models…`: what there is, and starting and stopping it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

import orjson
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from corral.accounts.service import Accounts
from corral.accounts.types import Permission
from corral.models.configuration import Configuration
from corral.models.configuration.fields import Apply, Values, Version
from corral.surfaces.api.routing import ApiRouter, CurrentPrincipal


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


class SaveModel(BaseModel):
    """Changes of a model's options; null takes one away. `version` is the one that the changes were made to."""

    model_config = ConfigDict(extra="forbid")

    version: Version
    changes: Values
    apply: Apply = "next"


def models_router(accounts: Accounts, control: ModelControl, configuration: Configuration) -> ApiRouter:
    """The routes of models. A name may hold a slash."""
    api = ApiRouter(accounts, prefix="/api", tags=["models"])

    @api.get("/models", permission=Permission.MODELS_READ)
    async def list_models() -> Response:
        # Thousands of rows: nothing that looks at each value of them may stand between here and the wire.
        return Response(orjson.dumps({"models": control.models()}), media_type="application/json")

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

    @api.post("/models/{name:path}/restore", permission=Permission.MODELS_MANAGE)
    async def restore_model(name: str, principal: CurrentPrincipal) -> dict[str, Any]:
        await configuration.restore(name, by=principal.user_id)
        return control.model(name)

    @api.get("/models/{name:path}", permission=Permission.MODELS_READ)
    async def get_model(name: str) -> dict[str, Any]:
        return control.model(name)

    @api.put("/models/{name:path}", permission=Permission.MODELS_MANAGE)
    async def save_model(name: str, body: SaveModel, principal: CurrentPrincipal) -> dict[str, Any]:
        applied = await configuration.save(
            name, body.version, body.changes, by=principal.user_id, apply=body.apply == "now"
        )
        return {**control.model(name), "applied": applied}

    @api.delete("/models/{name:path}", permission=Permission.MODELS_MANAGE)
    async def delete_model(name: str, principal: CurrentPrincipal, file: bool = False) -> dict[str, Any]:
        return await configuration.delete(name, by=principal.user_id, file=file)

    return api
