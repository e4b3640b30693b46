"""The intents about providers, routes and limits. What they take and give: docs/rooms/providers-configuration.md."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Any, Protocol

from pydantic import Field, SecretStr

from corral.accounts.types import Permission, Principal
from corral.inference.limits.configured import ConfiguredLimits
from corral.inference.routes.service import RouteDirectory
from corral.models.configuration.fields import Key, Label, Text, Values, Version
from corral.providers.directory import Providers
from corral.realtime.connection import Connection
from corral.realtime.intents import Body, Intents, Nothing

Name = Annotated[str, Field(min_length=1, max_length=200)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=8192)]


class TryRoute(Protocol):
    """Asks a route something, as a client would (a port that `app` fills)."""

    def __call__(self, principal: Principal, name: str, message: str, max_tokens: int) -> Awaitable[dict[str, Any]]:
        """What came of it; a failure of the route is told, not raised. Raises ModelNotFound."""
        ...


class NameBody(Body):
    name: Name


class SaveBody(NameBody):
    version: Version
    changes: Values


class TestBody(NameBody):
    changes: Values | None = None
    secret: Secret | None = None


class ModelsBody(NameBody):
    refresh: bool = False


class AddKeyBody(NameBody):
    secret: Secret
    label: Label | None = None


class KeyBody(NameBody):
    id: Key


class OrderBody(NameBody):
    ids: Annotated[list[Key], Field(max_length=100)]


class TryBody(NameBody):
    message: Annotated[Text, Field(min_length=1)] = "Say hello."
    maxTokens: Annotated[int, Field(ge=1, le=4096)] = 64  # noqa: N815 - the names on the wire


class LimitBody(Body):
    id: Key


class SaveLimitBody(Body):
    id: Key | None = None
    version: Version = 0
    changes: Values


def add_providers(intents: Intents, providers: Providers) -> None:
    """The intents about providers."""

    async def listing(_: Connection, __: Nothing) -> Any:
        return providers.listing()

    async def kinds(_: Connection, __: Nothing) -> Any:
        return providers.kinds()

    async def save(connection: Connection, body: SaveBody) -> Any:
        return await providers.save(body.name, body.version, body.changes, by=_by(connection))

    async def delete(connection: Connection, body: NameBody) -> Any:
        return await providers.delete(body.name, by=_by(connection))

    async def restore(connection: Connection, body: NameBody) -> Any:
        return await providers.restore(body.name, by=_by(connection))

    async def test(_: Connection, body: TestBody) -> Any:
        secret = body.secret.get_secret_value() if body.secret is not None else None
        return await providers.test(body.name, body.changes, secret)

    async def models(_: Connection, body: ModelsBody) -> Any:
        return await providers.models(body.name, refresh=body.refresh)

    intents.add("providers:list", Permission.PROVIDERS_READ, Nothing, listing)
    intents.add("providers:kinds", Permission.PROVIDERS_READ, Nothing, kinds)
    intents.add("providers:save", Permission.PROVIDERS_MANAGE, SaveBody, save)
    intents.add("providers:delete", Permission.PROVIDERS_MANAGE, NameBody, delete)
    intents.add("providers:restore", Permission.PROVIDERS_MANAGE, NameBody, restore)
    intents.add("providers:test", Permission.PROVIDERS_MANAGE, TestBody, test)
    intents.add("providers:models", Permission.PROVIDERS_READ, ModelsBody, models)
    _add_keys(intents, providers)


def _add_keys(intents: Intents, providers: Providers) -> None:
    async def add(connection: Connection, body: AddKeyBody) -> Any:
        secret = body.secret.get_secret_value()
        return await providers.add_key(body.name, secret, body.label, by=_by(connection))

    async def remove(connection: Connection, body: KeyBody) -> Any:
        return await providers.remove_key(body.name, body.id, by=_by(connection))

    async def restore(connection: Connection, body: KeyBody) -> Any:
        return await providers.restore_key(body.name, body.id, by=_by(connection))

    async def order(connection: Connection, body: OrderBody) -> Any:
        return await providers.order_keys(body.name, body.ids, by=_by(connection))

    intents.add("providers:keys:add", Permission.PROVIDERS_MANAGE, AddKeyBody, add)
    intents.add("providers:keys:remove", Permission.PROVIDERS_MANAGE, KeyBody, remove)
    intents.add("providers:keys:restore", Permission.PROVIDERS_MANAGE, KeyBody, restore)
    intents.add("providers:keys:order", Permission.PROVIDERS_MANAGE, OrderBody, order)


def add_routes(intents: Intents, routes: RouteDirectory, trial: TryRoute) -> None:
    """The intents about routes."""

    async def listing(_: Connection, __: Nothing) -> Any:
        return routes.listing()

    async def save(connection: Connection, body: SaveBody) -> Any:
        return await routes.save(body.name, body.version, body.changes, by=_by(connection))

    async def delete(connection: Connection, body: NameBody) -> Any:
        return await routes.delete(body.name, by=_by(connection))

    async def restore(connection: Connection, body: NameBody) -> Any:
        return await routes.restore(body.name, by=_by(connection))

    async def try_out(connection: Connection, body: TryBody) -> Any:
        return await trial(connection.principal(), body.name, body.message, body.maxTokens)

    async def state(_: Connection, __: Nothing) -> Any:
        return routes.states.listing()

    intents.add("routes:list", Permission.ROUTES_READ, Nothing, listing)
    intents.add("routes:save", Permission.ROUTES_MANAGE, SaveBody, save)
    intents.add("routes:delete", Permission.ROUTES_MANAGE, NameBody, delete)
    intents.add("routes:restore", Permission.ROUTES_MANAGE, NameBody, restore)
    intents.add("routes:try", Permission.ROUTES_MANAGE, TryBody, try_out)
    intents.add("routes:state", Permission.ROUTES_READ, Nothing, state)


def add_limits(intents: Intents, limits: ConfiguredLimits) -> None:
    """The intents about limits."""

    async def listing(_: Connection, __: Nothing) -> Any:
        return limits.listing()

    async def save(connection: Connection, body: SaveLimitBody) -> Any:
        return await limits.save(body.id, body.version, body.changes, by=_by(connection))

    async def delete(connection: Connection, body: LimitBody) -> Any:
        return await limits.delete(body.id, by=_by(connection))

    async def restore(connection: Connection, body: LimitBody) -> Any:
        return await limits.restore(body.id, by=_by(connection))

    intents.add("limits:list", Permission.ROUTES_READ, Nothing, listing)
    intents.add("limits:save", Permission.ROUTES_MANAGE, SaveLimitBody, save)
    intents.add("limits:delete", Permission.ROUTES_MANAGE, LimitBody, delete)
    intents.add("limits:restore", Permission.ROUTES_MANAGE, LimitBody, restore)


def _by(connection: Connection) -> str:
    return connection.principal().user_id
