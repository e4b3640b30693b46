"""What differs between generations of Anthropic's models, told by their names (as of November 2026).

Other services sell them under other names; a name that tells nothing is taken for a current model.
"""

from __future__ import annotations

import re

_NEW = re.compile(r"claude-(?:[a-z]+-)(\d{1,2})(?:[-.](\d{1,2}))?(?![\d])")
_OLD = re.compile(r"claude-(\d)(?:[-.](\d))?-")


def generation(model: str) -> tuple[int, int] | None:
    """The version in a model's name, such as (4, 6); None when it has none."""
    match = _NEW.search(model) or _OLD.search(model)
    return (int(match[1]), int(match[2] or 0)) if match else None


def wants_budget(model: str) -> bool:
    """Whether the model thinks by a budget of tokens and not by an effort: those before 4.6."""
    found = generation(model)
    return found is not None and found < (4, 6)


def thinks_by_itself(model: str) -> bool:
    """Whether the model takes adaptive thinking: those from 4.6 on."""
    found = generation(model)
    return found is not None and found >= (4, 6)
