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


class _Registry(dict[str, Dialect]):
    """Loads on demand, so that a start does not pay for dialects that nobody speaks. What is loaded is a dictionary's own, so that it is
    found without a step in Python."""

    def __missing__(self, name: str) -> Dialect:
        module, attribute = _PLACES[name]
        dialect: Dialect = getattr(import_module(module), attribute)
        self[name] = dialect
        return dialect

    def __contains__(self, name: object) -> bool:
        return name in _PLACES

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


DIALECTS: Mapping[str, Dialect] = _Registry()
"""By name: openai_chat, openai_responses, anthropic, gemini, ollama_chat, ollama_generate."""
