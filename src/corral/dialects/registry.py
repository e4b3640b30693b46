"""All dialects by their names; one is loaded when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from corral.dialects.ports import Dialect

_PLACES = {
    "openai_chat": ("corral.dialects.openai_chat", "DIALECT"),
    "openai_responses": ("corral.dialects.openai_responses", "DIALECT"),
    "anthropic": ("corral.dialects.anthropic", "DIALECT"),
    "gemini": ("corral.dialects.gemini", "DIALECT"),
    "ollama_chat": ("corral.dialects.ollama", "CHAT"),
    "ollama_generate": ("corral.dialects.ollama", "GENERATE"),
}


class _Registry(Mapping[str, Dialect]):
    """Loads on demand, so that a start does not pay for dialects that nobody speaks."""

    def __init__(self) -> None:
        self._loaded: dict[str, Dialect] = {}

    def __getitem__(self, name: str) -> Dialect:
        found = self._loaded.get(name)
        if found is None:
            module, attribute = _PLACES[name]
            dialect: Dialect = getattr(import_module(module), attribute)
            found = self._loaded[name] = dialect
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


DIALECTS: Mapping[str, Dialect] = _Registry()
"""By name: openai_chat, openai_responses, anthropic, gemini, ollama_chat, ollama_generate."""
