"""Which surface serves which path."""

from __future__ import annotations

from typing import Any

from corral.surfaces.asgi import App, Receive, Scope, Send

_API = ("/api", "/readyz", "/livez", "/metrics")


def by_path(realtime: Any, openai: App, api: Any, web: Any) -> App:
    """The application that hands each request to the surface of its path."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path.startswith("/llamaproxws/"):
            await realtime(scope, receive, send)
        elif scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif path.startswith("/v1/"):
            await openai(scope, receive, send)
        elif path.startswith("/api/") or path in _API or scope["method"] not in ("GET", "HEAD"):
            await api(scope, receive, send)
        else:
            await web(scope, receive, send)

    return serve


async def not_started(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands in until the server has started."""
    raise RuntimeError("the server was asked before it had started")
