"""JSON in what a model wrote around it: fences of Markdown, an introduction, a closing word. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

MOST = 64
"""Places that are looked at."""
LIKELY = 4
"""Of what is fenced, and of what stands free: so many may be the answer."""
MAX_TEXT = 512 * 1024
"""Characters of a text that is looked through."""
_FENCE = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL)
_OPENING = re.compile(r"[\[{]")


def candidates(text: str) -> Iterator[str]:
    """The texts that may be meant, the likeliest first: what is fenced, then what stands free, of each the last ones first."""
    if len(text) > MAX_TEXT:
        return
    fenced = [found.group(1).strip() for _, found in zip(range(MOST), _FENCE.finditer(text), strict=False)]
    yield from reversed(fenced[-LIKELY:])
    yield from reversed(_free(text)[-LIKELY:])


def _free(text: str) -> list[str]:
    """Objects and lists that stand in a text, those in others left out."""
    decoder = json.JSONDecoder()
    found: list[str] = []
    place = 0
    for _ in range(MOST):
        opening = _OPENING.search(text, place)
        if opening is None:
            break
        try:
            _, place = decoder.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            place = opening.end()
        else:
            found.append(text[opening.start() : place])
    return found
