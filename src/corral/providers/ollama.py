"""Ollama: chat, generate, embed. https://docs.ollama.com/api"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar

from corral.providers.remote import RemoteProvider, count_of
from corral.providers.types import Abilities, Call, Kind, Operation, ProviderModel

_PATHS = {
    ("chat", "ollama_chat"): "/api/chat",
    ("chat", "ollama_generate"): "/api/generate",
    ("chat", "openai_chat"): "/v1/chat/completions",
    ("completions", "openai"): "/v1/completions",
    ("embeddings", "openai"): "/v1/embeddings",
}


class OllamaProvider(RemoteProvider):
    """A server. It also speaks OpenAI's dialect, which is relayed as it is; its own one says more."""

    kind: ClassVar[Kind] = "ollama"
    default_url = "http://127.0.0.1:11434"
    endings = ("/api", "/v1")
    spoken: ClassVar[Mapping[Operation, tuple[str, ...]]] = {
        "chat": ("ollama_chat", "ollama_generate", "openai_chat"),
        "completions": ("openai",),
        "embeddings": ("openai",),
    }
    usual = Abilities(prefill=True, json_schema=True)

    def _path(self, call: Call) -> str:
        return _PATHS[call.operation, call.dialect]

    def _first_page(self) -> str:
        return "/api/tags"

    def _page(self, told: Any) -> tuple[list[ProviderModel], str | None]:
        return [_model(row) for row in told.get("models") or ()], None


def _model(row: Mapping[str, Any]) -> ProviderModel:
    able = row.get("capabilities")
    abilities = Abilities()
    if isinstance(able, list):
        abilities = Abilities(tools="tools" in able, images="vision" in able, reasoning="thinking" in able)
    created = None
    with suppress(ValueError, TypeError, OverflowError):
        created = int(datetime.fromisoformat(row.get("modified_at", "")).timestamp())
    context = (row.get("details") or {}).get("context_length")
    return ProviderModel(str(row["name"]), context_length=count_of(context), abilities=abilities, created=created)
