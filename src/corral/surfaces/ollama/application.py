"""Ollama's API under `/ollama`: base URL `http://HOST:PORT/ollama` (its `/api/chat` at the root is Corral's own)."""

from __future__ import annotations

from corral.accounts.types import Permission
from corral.surfaces.asgi import Receive, Scope, Send, respond
from corral.surfaces.listing import Models
from corral.surfaces.ollama.listing import Lists
from corral.surfaces.table import RouteTable, Visitor

_RUNNING = b"Ollama is running"


async def greet(scope: Scope, receive: Receive, send: Send, visitor: Visitor) -> None:
    """`GET` and `HEAD` of the base URL: by these words clients know that somebody is there."""
    body = b"" if scope["method"] == "HEAD" else _RUNNING
    await respond(send, 200, [(b"content-type", b"text/plain; charset=utf-8")], body)


def add_ollama(table: RouteTable, models: Models) -> None:
    """Adds the routes."""
    for method in ("GET", "HEAD"):
        for path in ("/ollama", "/ollama/"):
            table.add(method, path, Permission.PUBLIC, greet)
    lists = Lists(models)
    table.add("GET", "/ollama/api/version", Permission.MODELS_READ, lists.version)
    table.add("GET", "/ollama/api/tags", Permission.MODELS_READ, lists.tags)
    table.add("GET", "/ollama/api/ps", Permission.MODELS_READ, lists.ps)
    table.add("POST", "/ollama/api/show", Permission.MODELS_READ, lists.show)
