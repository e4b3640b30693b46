"""Which surface serves which path."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from corral.surfaces.asgi import App, Receive, Scope, Send

_GATEWAY = ("/v1/", "/ollama/", "/upstream/")
_API = ("/api", "/readyz", "/livez", "/metrics")


@dataclass(frozen=True, slots=True)
class Surfaces:
    """The applications. `gateway` serves all dialects under `/v1`, `/ollama` and `/upstream`."""

    realtime: Any
    gateway: App
    api: Any
    web: Any


def by_path(surfaces: Surfaces) -> App:
    """The application that hands each request to the surface of its path."""

    # It hands on what is to be awaited: a step of its own for every request is not needed.
    def serve(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        path = scope["path"]
        if scope["type"] == "http" and (path.startswith(_GATEWAY) or path == "/ollama"):
            return surfaces.gateway(scope, receive, send)
        if path.startswith("/llamaproxws/"):
            found: Awaitable[None] = surfaces.realtime(scope, receive, send)
        elif scope["type"] != "http":
            found = _closed(receive, send)
        elif path.startswith("/api/") or path in _API or scope["method"] not in ("GET", "HEAD"):
            found = surfaces.api(scope, receive, send)
        else:
            found = surfaces.web(scope, receive, send)
        return found

    return serve


async def _closed(receive: Receive, send: Send) -> None:
    """There is no such socket."""
    await receive()
    await send({"type": "websocket.close", "code": 1008})


async def not_started(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands in until the server has started."""
    raise RuntimeError("the server was asked before it had started")
