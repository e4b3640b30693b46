"""The models that surfaces list: those of this machine, and what routes and providers add to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from corral.accounts.types import Principal
from corral.app.catalogue import Catalogue
from corral.kit.errors import ModelNotFound
from corral.models import ModelRegistry
from corral.models.registry import unknown_model
from corral.surfaces.listing import LOCAL_PARAMETERS, Listed

_THINKING = ("<think>", "reasoning_content", "enable_thinking", "<|channel|>")


class Listing:
    """See `surfaces.listing.Models`."""

    def __init__(self, catalogue: Catalogue, registry: ModelRegistry) -> None:
        self._catalogue = catalogue
        self._registry = registry
        self._made: dict[str, tuple[dict[str, Any], Listed]] = {}

    def listed(self, principal: Principal) -> Iterable[Listed]:
        """See the port."""
        return list(self._local())

    def one(self, principal: Principal, name: str) -> Listed:
        """See the port."""
        found = next((one for one in self._local() if one.id == name), None)
        if found is None:
            raise unknown_model(name, [one.id for one in self._local()])
        return found

    def facts(self, name: str) -> dict[str, Any]:
        """See the port."""
        if not self._registry.has(name):
            return {}
        model = self._registry.get(name)
        return {
            "template": model.chat_template,
            "layers": model.layers,
            "heads": model.heads,
            "embedding_length": model.embedding_length,
            "tokenizer": model.tokenizer,
        }

    async def load(self, principal: Principal, name: str) -> None:
        """See the port."""
        self.one(principal, name)
        if name in self._catalogue.names():
            await self._catalogue.start(name)

    def _local(self) -> Iterator[Listed]:
        """The usable models of this machine; what did not change is the same object as before."""
        rows = self._catalogue.models()
        if len(self._made) > 2 * len(rows) + 100:
            self._made.clear()
        for row in rows:
            if row.get("problem") is not None:
                continue
            name = row["name"]
            kept = self._made.get(name)
            if kept is None or kept[0] is not row:
                kept = self._made[name] = row, self._listed(row)
            yield kept[1]

    def _listed(self, row: dict[str, Any]) -> Listed:
        engine = row.get("engine") or {}
        template = self._template(row["name"])
        return Listed(
            id=row["name"],
            title=row.get("title") or row["name"],
            created=int(row.get("modified", 0)),
            context_length=engine.get("contextLength") or row.get("contextLength"),
            trained_context=row.get("contextLength"),
            parameters=row.get("parameters"),
            size=row.get("sizeBytes"),
            architecture=row.get("architecture"),
            quantization=row.get("quantization"),
            licence=row.get("licence"),
            state=row["state"],
            memory=engine.get("memory"),
            capabilities=_capabilities(row, template),
            supported=_supported(row, template),
            local=True,
        )

    def _template(self, name: str) -> str:
        try:
            return self._registry.get(name).chat_template or ""
        except ModelNotFound:
            return ""


def _capabilities(row: dict[str, Any], template: str) -> tuple[str, ...]:
    """What a model of this machine can do, as its file tells."""
    if row.get("embeddings"):
        return ("embedding",)
    # Of an engine that somebody else runs nothing is known: it gets the benefit of the doubt.
    tools = "tools" in template or "architecture" not in row
    found = ["completion", "chat"]
    found += ["tools"] if tools else []
    found += ["vision"] if row.get("mmproj") else []
    found += ["thinking"] if any(mark in template for mark in _THINKING) else []
    return tuple(found)


def _supported(row: dict[str, Any], template: str) -> tuple[str, ...]:
    if row.get("embeddings"):
        return ("dimensions", "encoding_format")
    return (*LOCAL_PARAMETERS, "tools", "tool_choice") if "tools" in template else LOCAL_PARAMETERS
