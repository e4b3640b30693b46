"""The control API of providers, routes, limits and usage."""

from __future__ import annotations

from corral.accounts.service import Accounts
from corral.app.accounting import Accounting
from corral.app.routing import Routing
from corral.realtime.intents import Intents
from corral.realtime.providers import add_limits, add_providers, add_routes
from corral.surfaces.api.providers import limits_router, providers_router, routes_router
from corral.surfaces.api.routing import ApiRouter
from corral.surfaces.api.usage import usage_router


def gateway_routers(accounts: Accounts, routing: Routing, accounting: Accounting) -> list[ApiRouter]:
    """The HTTP routes. After `Routing.serve`."""
    assert routing.trial is not None
    return [
        providers_router(accounts, routing.providers),
        routes_router(accounts, routing.routes, routing.trial),
        limits_router(accounts, routing.limits),
        usage_router(accounts, accounting.usage),
    ]


def add_gateway_intents(intents: Intents, routing: Routing) -> None:
    """The intents of Socket.IO. After `Routing.serve`."""
    assert routing.trial is not None
    add_providers(intents, routing.providers)
    add_routes(intents, routing.routes, routing.trial)
    add_limits(intents, routing.limits)
