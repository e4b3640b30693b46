"""Prices and sizes of well-known models, to be taken over by a person: they never count by themselves.

From the public price lists as they were in June 2025, in US dollars per million tokens; they may have changed since. What is
not here is unknown, and stays so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

AS_OF = "2025-06"
_DATED = re.compile(r"-(?:\d{8}|\d{4}-\d{2}-\d{2}|latest|preview|\d{3})$")


@dataclass(frozen=True, slots=True)
class Known:
    """What was public of a model. Prices: input, output, cached input, cache write."""

    prices: tuple[float, float, float | None, float | None]
    context_length: int | None = None
    max_output: int | None = None
    tools: bool | None = True
    images: bool | None = None
    reasoning: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        """The wire form."""
        prices = dict(zip(("input", "output", "cachedInput", "cacheWrite"), self.prices, strict=True))
        abilities = {"tools": self.tools, "images": self.images, "reasoning": self.reasoning}
        return {
            "asOf": AS_OF, "prices": prices, "contextLength": self.context_length, "maxOutput": self.max_output,
            "abilities": abilities,
        }  # fmt: skip


_OPENAI = {
    "gpt-4.1": Known((2.0, 8.0, 0.5, None), 1_047_576, 32_768, images=True),
    "gpt-4.1-mini": Known((0.4, 1.6, 0.1, None), 1_047_576, 32_768, images=True),
    "gpt-4.1-nano": Known((0.1, 0.4, 0.025, None), 1_047_576, 32_768, images=True),
    "gpt-4o": Known((2.5, 10.0, 1.25, None), 128_000, 16_384, images=True),
    "gpt-4o-mini": Known((0.15, 0.6, 0.075, None), 128_000, 16_384, images=True),
    "o3": Known((2.0, 8.0, 0.5, None), 200_000, 100_000, images=True, reasoning=True),
    "o4-mini": Known((1.1, 4.4, 0.275, None), 200_000, 100_000, images=True, reasoning=True),
    "text-embedding-3-small": Known((0.02, 0.0, None, None), 8_191, tools=None),
    "text-embedding-3-large": Known((0.13, 0.0, None, None), 8_191, tools=None),
}
_ANTHROPIC = {
    "claude-opus-4": Known((15.0, 75.0, 1.5, 18.75), 200_000, 32_000, images=True, reasoning=True),
    "claude-sonnet-4": Known((3.0, 15.0, 0.3, 3.75), 200_000, 64_000, images=True, reasoning=True),
    "claude-3-7-sonnet": Known((3.0, 15.0, 0.3, 3.75), 200_000, 64_000, images=True, reasoning=True),
    "claude-3-5-haiku": Known((0.8, 4.0, 0.08, 1.0), 200_000, 8_192, images=True),
    "claude-3-haiku": Known((0.25, 1.25, 0.03, 0.3), 200_000, 4_096, images=True),
}
_GEMINI = {
    "gemini-2.5-flash": Known((0.3, 2.5, 0.075, None), 1_048_576, 65_536, images=True, reasoning=True),
    "gemini-2.0-flash": Known((0.1, 0.4, 0.025, None), 1_048_576, 8_192, images=True),
}
_KNOWN = {"openai": _OPENAI, "anthropic": _ANTHROPIC, "gemini": _GEMINI}


def suggested(kind: str, model: str) -> dict[str, Any] | None:
    """What is known of a model of a provider of that kind, without a date at the end of its name; None for nothing."""
    known = _KNOWN.get(kind, {})
    name = model.removeprefix("models/")
    found = known.get(name) or known.get(_DATED.sub("", name))
    return found.as_dict() if found is not None else None
