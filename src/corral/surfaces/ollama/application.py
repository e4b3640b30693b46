"""Ollama's API under `/ollama`: base URL `http://HOST:PORT/ollama` (its `/api/chat` at the root is Corral's own)."""

from __future__ import annotations

from corral.accounts.types import Permission
from corral.surfaces.asgi import Receive, Scope, Send, respond
from corral.surfaces.calls import Answers
from corral.surfaces.door import Pace
from corral.surfaces.listing import Models
from corral.surfaces.ollama.listing import Lists
from corral.surfaces.ollama.work import Embeds, Talk, refuse
from corral.surfaces.table import RouteTable, Visitor

_RUNNING = b"Ollama is running"


async def greet(scope: Scope, receive: Receive, send: Send, visitor: Visitor) -> None:
    """`GET` and `HEAD` of the base URL: by these words clients know that somebody is there."""
    body = b"" if scope["method"] == "HEAD" else _RUNNING
    await respond(send, 200, [(b"content-type", b"text/plain; charset=utf-8")], body)


def add_ollama(table: RouteTable, answers: Answers, models: Models, pace: Pace) -> None:
    """Adds the routes."""
    for method in ("GET", "HEAD"):
        for path in ("/ollama", "/ollama/"):
            table.add(method, path, Permission.PUBLIC, greet)
    lists = Lists(models)
    table.add("GET", "/ollama/api/version", Permission.MODELS_READ, lists.version)
    table.add("GET", "/ollama/api/tags", Permission.MODELS_READ, lists.tags)
    table.add("GET", "/ollama/api/ps", Permission.MODELS_READ, lists.ps)
    table.add("POST", "/ollama/api/show", Permission.MODELS_READ, lists.show)
    for kind in ("chat", "generate"):
        table.add("POST", f"/ollama/api/{kind}", Permission.INFERENCE, Talk(kind, answers, models, pace))
    table.add("POST", "/ollama/api/embed", Permission.INFERENCE, Embeds(answers, models, old=False))
    table.add("POST", "/ollama/api/embeddings", Permission.INFERENCE, Embeds(answers, models, old=True))
    for what in ("pull", "push", "create", "copy"):
        table.add("POST", f"/ollama/api/{what}", Permission.MODELS_READ, refuse)
    table.add("DELETE", "/ollama/api/delete", Permission.MODELS_READ, refuse)
