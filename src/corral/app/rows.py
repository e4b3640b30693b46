"""Models in the wire form."""

from __future__ import annotations

from typing import Any

from corral.engines.told import Told
from corral.engines.types import EngineStatus
from corral.models import Model

_LONGEST = 200


def describe(model: Model) -> dict[str, Any]:
    """A model's own facts in the wire form."""
    return {
        "name": model.name,
        "title": _short(model.title),
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
        "licence": _short(model.licence),
        "parts": model.parts,
        "mmproj": str(model.mmproj) if model.mmproj else None,
        "included": model.included,
        "embeddings": model.embeddings,
        "problem": model.problem,
        "modified": model.modified,
    }


def describe_told(told: Told) -> dict[str, Any]:
    """What an engine of the settings says of itself, under the names that facts of a file have."""
    return {
        "loaded": list(told.names),
        "sizeBytes": told.size_bytes,
        "parameters": told.parameters,
        "contextLength": told.context_length,
    }


def state(status: EngineStatus, model: Model | None) -> dict[str, Any]:
    """The state of a model's engine; there is none of a file that cannot be used."""
    usable = model is None or model.problem is None
    return {"state": status.state.value if usable else "failed", "engine": status.as_dict() if usable else None}


def at_rest(name: str, slots: int, context: int) -> dict[str, Any]:
    """The state of an engine that was never used; short, since most of thousands of models are such."""
    engine = {"name": name, "state": "stopped", "slots": slots, "busy": 0, "contextLength": context, "error": None}
    return {"state": "stopped", "engine": engine}


def _short(text: str | None) -> str | None:
    """A text of a file, which may be of any length, as a list shows it."""
    return text if text is None or len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
