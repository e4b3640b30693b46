"""`/v1/models` for callers of OpenAI's API and of Anthropic's: one entry has what both read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from corral.kit.clock import iso
from corral.kit.errors import InvalidRequest
from corral.surfaces.asgi import Receive, Scope, Send
from corral.surfaces.listing import Listed, Models
from corral.surfaces.table import Visitor, send_json

_MOST = 1000
ANTHROPIC = "anthropic-version"
"""The header by which callers of Anthropic's API are known."""


def entry(model: Listed, *, anthropic: bool = False) -> dict[str, Any]:
    """One model. Callers of Anthropic's API get no `capabilities`, of which that API has a form of its own."""
    vision = "vision" in model.capabilities
    embeds = "embedding" in model.capabilities
    told = {
        "id": model.id,
        "object": "model",
        "type": "model",
        "created": model.created,
        "created_at": iso(datetime.fromtimestamp(model.created, UTC)),
        "owned_by": model.owned_by,
        "name": model.title,
        "display_name": model.title,
        "description": model.description or "",
        "lifecycle": "active",
        "context_length": model.context_length,
        "max_input_tokens": model.context_length,
        "meta": {
            "n_ctx": model.context_length,
            "n_ctx_train": model.trained_context,
            "n_params": model.parameters,
            "size": model.size,
        },
        "architecture": {
            "input_modalities": ["text", "image"] if vision else ["text"],
            "output_modalities": ["embeddings"] if embeds else ["text"],
        },
        "supported_parameters": list(model.supported),
        "status": {"value": model.state},
    }
    return told if anthropic else {**told, "capabilities": list(model.capabilities)}


class ModelList:
    """`GET /v1/models`: all of them, or pages as Anthropic's API has them (`limit`, `after_id`, `before_id`)."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def __call__(self, scope: Scope, receive: Receive, send: Send, visitor: Visitor) -> None:
        """See `table.Endpoint`. Raises InvalidRequest for a bad limit or a cursor of no model."""
        found = list(self._models.listed(visitor.principal))
        page, more = paged(found, scope.get("query_string", b"").decode("latin-1"))
        anthropic = ANTHROPIC in visitor.headers
        entries = [entry(model, anthropic=anthropic) for model in page]
        ends = {"first_id": entries[0]["id"] if entries else None, "last_id": entries[-1]["id"] if entries else None}
        await send_json(send, {"object": "list", "data": entries, "has_more": more, **ends})


class OneModel:
    """`GET /v1/models/{id}`."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def __call__(self, scope: Scope, receive: Receive, send: Send, visitor: Visitor) -> None:
        """See `table.Endpoint`. Raises ModelNotFound."""
        model = self._models.one(visitor.principal, visitor.rest)
        await send_json(send, entry(model, anthropic=ANTHROPIC in visitor.headers))


def paged(models: Sequence[Listed], query: str) -> tuple[Sequence[Listed], bool]:
    """The models of the page that `query` asks for, and whether more follow. Raises InvalidRequest."""
    asked = dict(parse_qsl(query))
    for name, sense in (("after_id", 1), ("before_id", -1)):
        cursor = asked.get(name)
        if cursor:
            place = next((index for index, model in enumerate(models) if model.id == cursor), None)
            if place is None:
                raise InvalidRequest(f"{name} names no model of this list.", param=name)
            models = models[place + 1 :] if sense > 0 else models[:place]
    limit = asked.get("limit")
    if limit is None:
        return models, False
    if not limit.isdigit() or not 1 <= int(limit) <= _MOST:
        raise InvalidRequest(f"limit takes 1 to {_MOST}.", param="limit")
    most = int(limit)
    if asked.get("before_id"):
        return models[-most:], len(models) > most
    return models[:most], len(models) > most
