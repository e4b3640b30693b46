"""`/api/providers…`, `/api/routes…`, `/api/limits…`. What they take and give: docs/rooms/providers-configuration.md."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from corral.accounts.service import Accounts
from corral.accounts.types import Permission, Principal
from corral.inference.limits.configured import ConfiguredLimits
from corral.inference.routes.service import RouteDirectory
from corral.models.configuration.fields import Key, Label, Text, Values, Version
from corral.providers.directory import Providers
from corral.surfaces.api.routing import ApiRouter, CurrentPrincipal

Secret = Annotated[SecretStr, Field(min_length=1, max_length=8192)]


class TryRoute(Protocol):
    """Asks a route something, as a client would (a port that `app` fills)."""

    def __call__(self, principal: Principal, name: str, message: str, max_tokens: int) -> Awaitable[dict[str, Any]]:
        """What came of it; a failure of the route is told, not raised. Raises ModelNotFound."""
        ...


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SaveEntry(_Strict):
    """Changes of single fields, null takes one away; `version` is the one that they were made to, 0 makes a new entry."""

    version: Version
    changes: Values


class TestProvider(_Strict):
    """What is not saved yet, to be tested along."""

    changes: Values | None = None
    secret: Secret | None = None


class ListModels(_Strict):
    """Whether the provider is asked again."""

    refresh: bool = False


class AddKey(_Strict):
    """A key; it is never shown again."""

    secret: Secret
    label: Label | None = None


class OrderKeys(_Strict):
    """The ids of all keys, in the order in which they are used."""

    ids: Annotated[list[Key], Field(max_length=100)]


class TryOut(_Strict):
    """What is asked."""

    message: Annotated[Text, Field(min_length=1)] = "Say hello."
    maxTokens: Annotated[int, Field(ge=1, le=4096)] = 64  # noqa: N815 - the names on the wire


class SaveLimit(_Strict):
    """A new limit."""

    changes: Values


def providers_router(accounts: Accounts, providers: Providers) -> ApiRouter:
    """The routes of providers."""
    api = ApiRouter(accounts, prefix="/api", tags=["providers"])

    @api.get("/providers", permission=Permission.PROVIDERS_READ)
    async def list_providers() -> dict[str, Any]:
        return providers.listing()

    @api.get("/provider-kinds", permission=Permission.PROVIDERS_READ)
    async def list_kinds() -> dict[str, Any]:
        return providers.kinds()

    @api.get("/providers/{name}", permission=Permission.PROVIDERS_READ)
    async def get_provider(name: str) -> dict[str, Any]:
        return providers.row(name)

    @api.put("/providers/{name}", permission=Permission.PROVIDERS_MANAGE)
    async def save_provider(name: str, body: SaveEntry, principal: CurrentPrincipal) -> dict[str, Any]:
        return await providers.save(name, body.version, body.changes, by=principal.user_id)

    @api.delete("/providers/{name}", permission=Permission.PROVIDERS_MANAGE)
    async def delete_provider(name: str, principal: CurrentPrincipal) -> dict[str, Any]:
        return await providers.delete(name, by=principal.user_id)

    @api.post("/providers/{name}/restore", permission=Permission.PROVIDERS_MANAGE)
    async def restore_provider(name: str, principal: CurrentPrincipal) -> dict[str, Any]:
        return await providers.restore(name, by=principal.user_id)

    @api.post("/providers/{name}/test", permission=Permission.PROVIDERS_MANAGE)
    async def test_provider(name: str, body: TestProvider | None = None) -> dict[str, Any]:
        body = body or TestProvider()
        return await providers.test(name, body.changes, body.secret.get_secret_value() if body.secret else None)

    @api.post("/providers/{name}/models", permission=Permission.PROVIDERS_READ)
    async def list_provider_models(name: str, body: ListModels | None = None) -> dict[str, Any]:
        return await providers.models(name, refresh=body is not None and body.refresh)

    _key_routes(api, providers)
    return api


def _key_routes(api: ApiRouter, providers: Providers) -> None:
    @api.post("/providers/{name}/keys", permission=Permission.PROVIDERS_MANAGE)
    async def add_key(name: str, body: AddKey, principal: CurrentPrincipal) -> dict[str, Any]:
        return await providers.add_key(name, body.secret.get_secret_value(), body.label, by=principal.user_id)

    @api.put("/providers/{name}/keys", permission=Permission.PROVIDERS_MANAGE)
    async def order_keys(name: str, body: OrderKeys, principal: CurrentPrincipal) -> dict[str, Any]:
        return await providers.order_keys(name, body.ids, by=principal.user_id)

    @api.delete("/providers/{name}/keys/{key}", permission=Permission.PROVIDERS_MANAGE)
    async def remove_key(name: str, key: str, principal: CurrentPrincipal) -> dict[str, Any]:
        return await providers.remove_key(name, key, by=principal.user_id)

    @api.post("/providers/{name}/keys/{key}/restore", permission=Permission.PROVIDERS_MANAGE)
    async def restore_key(name: str, key: str, principal: CurrentPrincipal) -> dict[str, Any]:
        return await providers.restore_key(name, key, by=principal.user_id)


def routes_router(accounts: Accounts, routes: RouteDirectory, trial: TryRoute) -> ApiRouter:
    """The routes of routes. A name may hold a slash."""
    api = ApiRouter(accounts, prefix="/api", tags=["routes"])

    @api.get("/routes", permission=Permission.ROUTES_READ)
    async def list_routes() -> dict[str, Any]:
        return routes.listing()

    @api.get("/route-states", permission=Permission.ROUTES_READ)
    async def route_states() -> dict[str, Any]:
        return routes.states.listing()

    @api.post("/routes/{name:path}/restore", permission=Permission.ROUTES_MANAGE)
    async def restore_route(name: str, principal: CurrentPrincipal) -> dict[str, Any]:
        return await routes.restore(name, by=principal.user_id)

    @api.post("/routes/{name:path}/try", permission=Permission.ROUTES_MANAGE)
    async def try_route(name: str, principal: CurrentPrincipal, body: TryOut | None = None) -> dict[str, Any]:
        body = body or TryOut()
        return await trial(principal, name, body.message, body.maxTokens)

    @api.get("/routes/{name:path}", permission=Permission.ROUTES_READ)
    async def get_route(name: str) -> dict[str, Any]:
        return routes.row(name)

    @api.put("/routes/{name:path}", permission=Permission.ROUTES_MANAGE)
    async def save_route(name: str, body: SaveEntry, principal: CurrentPrincipal) -> dict[str, Any]:
        return await routes.save(name, body.version, body.changes, by=principal.user_id)

    @api.delete("/routes/{name:path}", permission=Permission.ROUTES_MANAGE)
    async def delete_route(name: str, principal: CurrentPrincipal) -> dict[str, Any]:
        return await routes.delete(name, by=principal.user_id)

    return api


def limits_router(accounts: Accounts, limits: ConfiguredLimits) -> ApiRouter:
    """The routes of limits."""
    api = ApiRouter(accounts, prefix="/api", tags=["limits"])

    @api.get("/limits", permission=Permission.ROUTES_READ)
    async def list_limits() -> dict[str, Any]:
        return limits.listing()

    @api.post("/limits", permission=Permission.ROUTES_MANAGE)
    async def add_limit(body: SaveLimit, principal: CurrentPrincipal) -> dict[str, Any]:
        return await limits.save(None, 0, body.changes, by=principal.user_id)

    @api.put("/limits/{key}", permission=Permission.ROUTES_MANAGE)
    async def save_limit(key: str, body: SaveEntry, principal: CurrentPrincipal) -> dict[str, Any]:
        return await limits.save(key, body.version, body.changes, by=principal.user_id)

    @api.delete("/limits/{key}", permission=Permission.ROUTES_MANAGE)
    async def delete_limit(key: str, principal: CurrentPrincipal) -> dict[str, Any]:
        return await limits.delete(key, by=principal.user_id)

    @api.post("/limits/{key}/restore", permission=Permission.ROUTES_MANAGE)
    async def restore_limit(key: str, principal: CurrentPrincipal) -> dict[str, Any]:
        return await limits.restore(key, by=principal.user_id)

    return api
