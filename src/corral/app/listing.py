"""The models that surfaces list: routes, the models of this machine, and those that providers have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from corral.accounts.types import Principal
from corral.app.catalogue import Catalogue
from corral.inference.routes.service import RouteDirectory
from corral.inference.routes.types import Candidate, RouteSpec
from corral.kit.errors import CorralError, ModelNotFound
from corral.models import ModelRegistry
from corral.providers.directory import Providers
from corral.providers.types import Abilities, ProviderModel
from corral.surfaces.listing import CHAT_PARAMETERS, LOCAL_PARAMETERS, Listed

_THINKING = ("<think>", "reasoning_content", "enable_thinking", "<|channel|>")


class Listing:
    """See `surfaces.listing.Models`."""

    def __init__(
        self, catalogue: Catalogue, registry: ModelRegistry, routes: RouteDirectory, providers: Providers
    ) -> None:
        self._catalogue = catalogue
        self._registry = registry
        self._routes = routes
        self._providers = providers
        self._made: dict[str, tuple[dict[str, Any], Listed]] = {}

    def listed(self, principal: Principal) -> Iterable[Listed]:
        """See the port."""
        local = list(self._local())
        routes = {spec.name: self._route(spec) for spec in self._routes.specs()}
        elsewhere = (
            _elsewhere(name, model, self._abilities(name, model.name))
            for name in self._providers.names()
            for model in self._providers.known_models(name)
        )
        own = [model for model in local if model.id not in routes]
        return [*routes.values(), *own, *(model for model in elsewhere if model.id not in routes)]

    def one(self, principal: Principal, name: str) -> Listed:
        """See the port."""
        spec = self._routes.resolve(name)
        if len(spec.candidates) == 1 and spec.candidates[0].name in (name, f"local/{name}"):
            return self._candidate(spec.candidates[0], name)
        return self._route(spec)

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
        own = next((one.model for one in self._routes.resolve(name).candidates if one.local), None)
        if own is not None:
            await self._catalogue.start(own)

    def _route(self, spec: RouteSpec) -> Listed:
        """A route, of which is told what its first candidate is."""
        first = self._candidate(spec.candidates[0], spec.name)
        return Listed(
            id=spec.name,
            title=spec.name,
            created=first.created,
            description=spec.description or None,
            context_length=first.context_length,
            capabilities=first.capabilities,
            supported=first.supported,
            state=first.state,
        )

    def _candidate(self, candidate: Candidate, name: str) -> Listed:
        """What is known of a candidate; a model that nobody has heard of may exist all the same. Raises ModelNotFound for an own one."""
        if candidate.local:
            found = next((one for one in self._local() if one.id == candidate.model), None)
            if found is None and name == candidate.model:
                raise ModelNotFound(f"The model {name!r} cannot be used now.", param="model")
            return found or Listed(candidate.name, candidate.model, 0)
        known = {model.name: model for model in self._providers.known_models(candidate.provider)}
        model = known.get(candidate.model) or ProviderModel(candidate.model)
        return _elsewhere(candidate.provider, model, self._abilities(candidate.provider, candidate.model))

    def _abilities(self, provider: str, model: str) -> Abilities:
        try:
            return self._routes.provider(provider).abilities(model)
        except CorralError:
            return Abilities()

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


def _elsewhere(provider: str, model: ProviderModel, abilities: Abilities) -> Listed:
    """A model of a provider. What is not known of it gets the benefit of the doubt."""
    abilities = model.abilities.over(abilities)
    found = ["completion", "chat"]
    found += ["tools"] if abilities.tools is not False else []
    found += ["vision"] if abilities.images else []
    found += ["thinking"] if abilities.reasoning else []
    more = ("tools", "tool_choice") if abilities.tools is not False else ()
    return Listed(
        id=f"{provider}/{model.name}",
        title=model.title or model.name,
        created=model.created or 0,
        owned_by=provider,
        context_length=model.context_length,
        capabilities=tuple(found),
        supported=(*CHAT_PARAMETERS, *more),
    )


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
