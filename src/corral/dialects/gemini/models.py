"""What differs between generations of Gemini's models, told by their names (as of November 2026)."""

from __future__ import annotations

import re

_NAME = re.compile(r"gemini-(\d{1,2})(?:\.(\d{1,2}))?")


def generation(model: str) -> tuple[int, int] | None:
    """The version in a model's name, such as (2, 5); None when it has none."""
    match = _NAME.search(model)
    return (int(match[1]), int(match[2] or 0)) if match else None


def wants_openapi(model: str) -> bool:
    """Whether the model takes schemas in the API's own form only: those before 2.5."""
    found = generation(model)
    return found is not None and found < (2, 5)


def has_levels(model: str) -> bool:
    """Whether the model thinks by a level and not by a budget, and checks signatures: those from 3 on."""
    found = generation(model)
    return found is not None and found >= (3, 0)
