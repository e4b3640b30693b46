"""Which surface serves which path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from corral.surfaces.asgi import App, Receive, Scope, Send

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

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path.startswith("/llamaproxws/"):
            await surfaces.realtime(scope, receive, send)
        elif scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif path.startswith(("/v1/", "/ollama/", "/upstream/")) or path == "/ollama":
            await surfaces.gateway(scope, receive, send)
        elif path.startswith("/api/") or path in _API or scope["method"] not in ("GET", "HEAD"):
            await surfaces.api(scope, receive, send)
        else:
            await surfaces.web(scope, receive, send)

    return serve


async def not_started(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands in until the server has started."""
    raise RuntimeError("the server was asked before it had started")
