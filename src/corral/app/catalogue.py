"""Models and their engines together, as the rooms above them ask for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from corral.engines import Engines, EngineSpec
from corral.inference import Route
from corral.kit.errors import EngineFailed, ModelNotFound
from corral.models import Model, ModelRegistry
from corral.models.registry import unknown_model
from corral.settings import Settings


class Catalogue:
    """Models and their engines together: fills the ports of engines, inference and the surfaces."""

    def __init__(self, settings: Settings, registry: ModelRegistry) -> None:
        self._settings = settings
        self._registry = registry
        self.engines: Engines | None = None

    def spec(self, model: str) -> EngineSpec:
        """See `engines.types.Specs`."""
        settings, entry = self._settings, self._settings.engines.get(model)
        if entry is not None:
            path = Path(entry.model) if entry.model else None
            return EngineSpec(model, path, 0, entry.context_length or settings.context_length, entry.slots, entry=entry)
        found = self._registry.get(model)
        if found.problem is not None:
            raise EngineFailed(f"The model {model!r} cannot be used: {found.problem}.")
        context = min(settings.context_length, found.context_length or settings.context_length)
        return EngineSpec(model, found.path, found.size_bytes, context, settings.slots, found.embeddings, found.mmproj)

    def resolve(self, name: str | None) -> Route:
        """See `inference.service.Routes`."""
        if name is None:
            name = self.default()
        if name not in self._settings.engines and name not in {model.name for model in self._registry.all()}:
            raise unknown_model(name, self.names())
        entry = self._settings.engines.get(name)
        return Route(name, entry.slots if entry else self._settings.slots)

    def default(self) -> str:
        """The model of new chats. Raises ModelNotFound when there is none."""
        if self._settings.default_model:
            return self._settings.default_model
        usable = [model for model in self._registry.all() if model.problem is None and not model.embeddings]
        names = [*self._settings.engines, *(model.name for model in usable)]
        if not names:
            raise ModelNotFound(f"There is no model yet. Put a GGUF file into {self._settings.data / 'models'}.")
        return names[0]

    def names(self) -> list[str]:
        """All names that can be asked for."""
        return [*self._settings.engines, *(model.name for model in self._registry.all())]

    def readiness(self) -> str | None:
        """Why no chat can be answered, None when one can."""
        try:
            self.resolve(None)
        except ModelNotFound as error:
            return error.message
        return None

    # surfaces.api.models.ModelControl

    def models(self) -> list[dict[str, Any]]:
        """All models in the wire form."""
        return [self.model(name) for name in self.names()]

    def model(self, name: str) -> dict[str, Any]:
        """One model in the wire form."""
        entry = self._settings.engines.get(name)
        found = None if entry is not None else self._registry.get(name)
        usable = found is None or found.problem is None
        status = self._running.status(name).as_dict() if usable else {"state": "failed"}
        wire = describe(found) if found is not None else {"name": name, "path": entry.model if entry else None}
        is_default = self._is_default(name)
        return {**wire, "state": status["state"], "engine": status if usable else None, "default": is_default}

    async def start(self, name: str) -> dict[str, Any]:
        """See ModelControl."""
        await self._running.start(name)
        return self.model(name)

    async def stop(self, name: str) -> dict[str, Any]:
        """See ModelControl."""
        await self._running.stop(name)
        return self.model(name)

    async def restart(self, name: str) -> dict[str, Any]:
        """See ModelControl."""
        await self._running.restart(name)
        return self.model(name)

    async def rescan(self) -> list[dict[str, Any]]:
        """See ModelControl."""
        await self._registry.rescan()
        return self.models()

    # surfaces.openai.Catalogue

    def openai_models(self) -> list[dict[str, Any]]:
        """Usable models in OpenAI's form."""
        usable = {model.name for model in self._registry.all() if model.problem is None} | set(self._settings.engines)
        return [self.openai_model(name) for name in self.names() if name in usable]

    def openai_model(self, name: str) -> dict[str, Any]:
        """One model in OpenAI's form."""
        wire = self.model(name)
        spec = self.spec(name)
        created = int(wire.pop("modified", 0))
        meta = {"n_ctx": spec.context_length, "n_ctx_train": wire.get("contextLength")}
        return {
            "id": name,
            "object": "model",
            "created": created,
            "owned_by": "corral",
            "type": "model",
            "name": wire.get("title") or name,
            "display_name": wire.get("title") or name,
            "context_length": spec.context_length,
            "meta": {**meta, "n_params": wire.get("parameters"), "size": wire.get("sizeBytes")},
            "status": {"value": wire["state"]},
        }

    def _is_default(self, name: str) -> bool:
        try:
            return self.default() == name
        except ModelNotFound:
            return False

    @property
    def _running(self) -> Engines:
        assert self.engines is not None
        return self.engines


def describe(model: Model) -> dict[str, Any]:
    """A model's own facts in the wire form."""
    return {
        "name": model.name,
        "title": model.title,
        "path": str(model.path),
        "sizeBytes": model.size_bytes,
        "architecture": model.architecture,
        "parameters": model.parameters,
        "quantization": model.quantization,
        "contextLength": model.context_length,
        "embeddingLength": model.embedding_length,
        "layers": model.layers,
        "heads": model.heads,
        "tokenizer": model.tokenizer,
        "licence": model.licence,
        "parts": model.parts,
        "mmproj": str(model.mmproj) if model.mmproj else None,
        "included": model.included,
        "problem": model.problem,
        "modified": model.modified,
    }
