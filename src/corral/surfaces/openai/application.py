"""OpenAI's API on Corral's models: chats, completions, embeddings and models, and `/v1/rerank` in the form that others share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from corral.accounts.service import Accounts
from corral.accounts.types import Permission, Principal
from corral.inference import Inference
from corral.inference.tap import Meter
from corral.kit.errors import MethodNotAllowed, NotFound
from corral.surfaces.asgi import Receive, Scope, Send, respond
from corral.surfaces.openai.relay import Limits, Relay

Endpoint = Callable[[Scope, Receive, Send, Principal], Awaitable[None]]
_MODELS = "/v1/models/"


class Catalogue(Protocol):
    """The models to list (a port that `app` fills)."""

    def openai_models(self) -> list[dict[str, Any]]:
        """One entry a model, in OpenAI's form."""
        ...

    def openai_model(self, name: str) -> dict[str, Any]:
        """One entry. Raises ModelNotFound."""
        ...


class OpenAIApp:
    """The ASGI application for `/v1/*`. Every route names its permission."""

    def __init__(
        self, accounts: Accounts, inference: Inference, catalogue: Catalogue, meter: Meter, limits: Limits
    ) -> None:
        self._accounts = accounts
        self._catalogue = catalogue
        self._routes: dict[str, tuple[str, Permission, Endpoint]] = {}
        for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/rerank"):
            self.route("POST", path, Permission.INFERENCE, Relay(path, inference, meter, limits))
        self.route("GET", "/v1/models", Permission.MODELS_READ, self._list)

    def route(self, method: str, path: str, permission: Permission, endpoint: Endpoint) -> None:
        """Adds a route. Raises TypeError without a permission."""
        if not isinstance(permission, Permission):
            raise TypeError(f"{method} {path} needs a Permission")
        self._routes[path] = (method, permission, endpoint)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Raises CorralError for the edge to render."""
        path = scope["path"]
        if path.startswith(_MODELS) and len(path) > len(_MODELS):
            found: tuple[str, Permission, Endpoint] | None = ("GET", Permission.MODELS_READ, self._one)
        else:
            found = self._routes.get(path)
        if found is None:
            raise NotFound(f"There is nothing at {path[:200]}.")
        method, permission, endpoint = found
        if scope["method"] != method:
            raise MethodNotAllowed(f"{path[:200]} takes {method}.")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        principal = self._accounts.authenticate(headers)
        principal.require(permission)
        await endpoint(scope, receive, send, principal)

    async def _list(self, scope: Scope, receive: Receive, send: Send, principal: Principal) -> None:
        entries = self._catalogue.openai_models()
        ends = {"first_id": entries[0]["id"], "last_id": entries[-1]["id"]} if entries else {}
        await _json(send, {"object": "list", "data": entries, "has_more": False, **ends})

    async def _one(self, scope: Scope, receive: Receive, send: Send, principal: Principal) -> None:
        await _json(send, self._catalogue.openai_model(scope["path"][len(_MODELS) :]))


async def _json(send: Send, value: Any) -> None:
    await respond(send, 200, [(b"content-type", b"application/json")], msgspec.json.encode(value))
