"""What Ollama's clients ask about models: `/api/tags`, `/api/ps`, `/api/show` and `/api/version`, in its public API's form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from corral.kit.clock import iso
from corral.kit.errors import InvalidRequest, ModelNotFound
from corral.surfaces.asgi import ClientGone, Receive, Scope, Send
from corral.surfaces.bodies import read
from corral.surfaces.listing import Listed, Models
from corral.surfaces.ollama.request import by_hand
from corral.surfaces.table import Visitor, send_json

VERSION = "0.12.6"
"""The version of Ollama's API that is spoken here; clients look whether it is new enough for tools."""
LATEST = ":latest"
_LOADED = frozenset({"ready", "busy"})
_FOR_EVER = timedelta(days=365 * 100)


class _Show(msgspec.Struct):
    model: str | None = None
    name: str | None = None


_show = msgspec.json.Decoder(_Show)


def known_name(models: Models, visitor: Visitor, name: str) -> str:
    """The name as it is known here: Ollama's clients add `:latest` to names without a tag."""
    if not name.endswith(LATEST):
        return name
    try:
        models.one(visitor.principal, name)
    except ModelNotFound:
        return name.removesuffix(LATEST)
    return name


def _size(parameters: int | None) -> str:
    """A number of parameters as Ollama writes it."""
    if not parameters:
        return ""
    billions = parameters / 1e9
    return f"{billions:.1f}B" if billions >= 1 else f"{parameters / 1e6:.2f}M"


def details(model: Listed) -> dict[str, Any]:
    """What every one of Ollama's lists says of a model."""
    family = model.architecture or ""
    return {
        "parent_model": "",
        "format": "gguf" if model.local else "",
        "family": family,
        "families": [family] if family else [],
        "parameter_size": _size(model.parameters),
        "quantization_level": model.quantization or "",
    }


def tag(model: Listed) -> dict[str, Any]:
    """One entry of `/api/tags`."""
    return {
        "name": model.id,
        "model": model.id,
        "modified_at": iso(datetime.fromtimestamp(model.created, UTC)),
        "size": model.size or 0,
        "digest": model.digest,
        "details": details(model),
        "capabilities": capabilities(model),
    }


def running(model: Listed, now: datetime) -> dict[str, Any]:
    """One entry of `/api/ps`. When an engine leaves is decided by who needs its memory, so it expires far away."""
    return {
        "name": model.id,
        "model": model.id,
        "size": model.memory or model.size or 0,
        "digest": model.digest,
        "details": details(model),
        "expires_at": iso(now + _FOR_EVER),
        "size_vram": 0,
        "context_length": model.context_length or 0,
    }


def capabilities(model: Listed) -> list[str]:
    """Ollama's words for what a model can do."""
    words = {"completion", "tools", "insert", "vision", "embedding", "thinking"}
    return [word for word in model.capabilities if word in words]


def shown(model: Listed, facts: dict[str, Any]) -> dict[str, Any]:
    """The answer of `/api/show`."""
    family = model.architecture or "unknown"
    told = {
        "general.architecture": family,
        "general.basename": model.title,
        "general.parameter_count": model.parameters,
        f"{family}.context_length": model.context_length,
        f"{family}.embedding_length": facts.get("embedding_length"),
        f"{family}.block_count": facts.get("layers"),
        f"{family}.attention.head_count": facts.get("heads"),
        "tokenizer.ggml.model": facts.get("tokenizer"),
    }
    return {
        "license": model.licence or "",
        "modelfile": f"# {model.id}\nFROM {model.id}\n",
        "parameters": f"num_ctx {model.context_length}" if model.context_length else "",
        "template": facts.get("template") or "",
        "modified_at": iso(datetime.fromtimestamp(model.created, UTC)),
        "details": details(model),
        "model_info": {name: value for name, value in told.items() if value is not None},
        "capabilities": capabilities(model),
    }


class Lists:
    """The endpoints."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def tags(self, scope: Scope, receive: Receive, send: Send, visitor: Visitor) -> None:
        """`GET /api/tags`."""
        await send_json(send, {"models": [tag(model) for model in self._models.listed(visitor.principal)]})

    async def ps(self, scope: Scope, receive: Receive, send: Send, visitor: Visitor) -> None:
        """`GET /api/ps`."""
        now = datetime.now(UTC)
        loaded = [model for model in self._models.listed(visitor.principal) if model.state in _LOADED]
        await send_json(send, {"models": [running(model, now) for model in loaded]})

    async def show(self, scope: Scope, receive: Receive, send: Send, visitor: Visitor) -> None:
        """`POST /api/show`. Raises InvalidRequest and ModelNotFound."""
        try:
            asked, _ = await read(scope, receive, _show, form=by_hand(scope))
        except ClientGone:
            return
        name = asked.model or asked.name
        if not name:
            raise InvalidRequest("model: is missing.", param="model")
        name = known_name(self._models, visitor, name)
        model = self._models.one(visitor.principal, name)
        await send_json(send, shown(model, self._models.facts(name)))

    async def version(self, scope: Scope, receive: Receive, send: Send, visitor: Visitor) -> None:
        """`GET /api/version`."""
        await send_json(send, {"version": VERSION})
