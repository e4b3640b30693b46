"""Whether JSON that was begun can be gone on with as somebody else wrote it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from corral.kit.errors import UpstreamFailed
from corral.kit.json_schema import problem

_SPACE = " \t\r\n"


class Unfit(UpstreamFailed):
    """A continuation does not go on with what was sent: nobody's failure, but it cannot be told."""


def rest(begun: str, whole: str) -> str | None:
    """What of `whole` comes after `begun`, when that is its beginning apart from space between tokens; else None."""
    here = there = 0
    inside = escaped = False
    while here < len(begun):
        mine = begun[here]
        if there < len(whole) and whole[there] == mine:
            if inside:
                inside = escaped or mine != '"'
                escaped = not escaped and mine == "\\"
            else:
                inside = mine == '"'
            here += 1
            there += 1
        elif inside:
            return None
        elif mine in _SPACE:
            here += 1
        elif there < len(whole) and whole[there] in _SPACE:
            there += 1
        else:
            return None
    return whole[there:]


def is_object(text: str) -> bool:
    """Whether it is a JSON object, whole."""
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False


def flaw(text: str, schema: Mapping[str, Any] | None, *, objects: bool = True) -> str | None:
    """What is wrong with JSON text, None when it parses (to an object where `objects` are wanted) and is as `schema` says."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        return f"it is no JSON: {error}"
    if objects and not isinstance(value, dict):
        return "it is no object"
    return problem(value, schema) if schema is not None else None


def without_fence(text: str) -> str:
    """Text without the fence of Markdown that models like to put around code."""
    stripped = text.strip()
    if stripped.startswith("```") and stripped.endswith("```") and len(stripped) >= 6:
        inner = stripped[3:-3]
        first, newline, others = inner.partition("\n")
        return others.rstrip("\n") if newline and first.strip().isalnum() else inner.strip("\n")
    return text
