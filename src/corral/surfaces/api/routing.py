"""Routes of the control API: each declares the permission it asks for, or it cannot be made.

The permission is checked on the matched route, never on the text of the URL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute

from corral.accounts.service import Accounts
from corral.accounts.types import Permission, Principal

F = TypeVar("F", bound=Callable[..., Any])
_DECLARED = "x-corral-permission"


def current_principal(request: Request) -> Principal:
    """The caller, put there by the permission check of the route."""
    principal = request.state.principal
    if not isinstance(principal, Principal):
        raise TypeError("the route was reached without a permission check")
    return principal


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]


class ApiRouter:
    """An APIRouter whose every route names its permission; the check runs before the body is read."""

    def __init__(self, accounts: Accounts, *, prefix: str = "", tags: Sequence[str] = ()) -> None:
        self._accounts = accounts
        self.router = APIRouter(prefix=prefix, tags=list(tags))

    def get(self, path: str, *, permission: Permission, **options: Any) -> Callable[[F], F]:
        """Declares a GET route."""
        return self._route("GET", path, permission, options)

    def head(self, path: str, *, permission: Permission, **options: Any) -> Callable[[F], F]:
        """Declares a HEAD route."""
        return self._route("HEAD", path, permission, options)

    def post(self, path: str, *, permission: Permission, **options: Any) -> Callable[[F], F]:
        """Declares a POST route."""
        return self._route("POST", path, permission, options)

    def patch(self, path: str, *, permission: Permission, **options: Any) -> Callable[[F], F]:
        """Declares a PATCH route."""
        return self._route("PATCH", path, permission, options)

    def put(self, path: str, *, permission: Permission, **options: Any) -> Callable[[F], F]:
        """Declares a PUT route."""
        return self._route("PUT", path, permission, options)

    def delete(self, path: str, *, permission: Permission, **options: Any) -> Callable[[F], F]:
        """Declares a DELETE route."""
        return self._route("DELETE", path, permission, options)

    def _route(self, method: str, path: str, permission: Permission, options: dict[str, Any]) -> Callable[[F], F]:
        if not isinstance(permission, Permission):
            raise TypeError(f"{method} {path} needs a Permission")
        accounts = self._accounts

        async def check(request: Request) -> None:
            principal = accounts.authenticate(request.headers)
            principal.require(permission)
            request.state.principal = principal

        extra = {**options.pop("openapi_extra", {}), _DECLARED: permission.value}
        dependencies = [Depends(check), *options.pop("dependencies", [])]

        def decorate(handler: F) -> F:
            self.router.add_api_route(
                path, handler, methods=[method], dependencies=dependencies, openapi_extra=extra, **options
            )
            return handler

        return decorate


def undeclared_routes(routers: Sequence[ApiRouter]) -> list[str]:
    """The routes of `routers` that name no permission."""
    return [
        getattr(route, "path", repr(route))
        for api in routers
        for route in api.router.routes
        if not isinstance(route, APIRoute) or _DECLARED not in (route.openapi_extra or {})
    ]
