"""JSON schemas as Anthropic's structured outputs take them: objects are closed, and bounds on values are not known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_UNKNOWN = frozenset(
    (
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "minContains",
        "maxContains",
        "patternProperties",
    )
)
_NAMED = ("properties", "$defs", "definitions")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAX_DEPTH = 100


def fitting(schema: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """The same schema without the words that the API refuses; what they said is told in the description."""
    if depth > _MAX_DEPTH:
        return dict(schema)
    found: dict[str, Any] = {}
    lost: list[str] = []
    for word, value in schema.items():
        if word in _UNKNOWN or (word == "minItems" and value not in (0, 1)):
            lost.append(f"{word}: {value}")
        elif word in _NAMED and isinstance(value, Mapping):
            found[word] = {name: _inner(one, depth) for name, one in value.items()}
        elif word in _LISTED and isinstance(value, list):
            found[word] = [_inner(one, depth) for one in value]
        elif word == "items":
            found[word] = _inner(value, depth)
        else:
            found[word] = value
    if found.get("type") == "object" or "properties" in found:
        found["additionalProperties"] = False
    if lost:
        told = found.get("description")
        found["description"] = f"{told + ' ' if isinstance(told, str) else ''}({', '.join(lost)})"
    return found


def _inner(schema: Any, depth: int) -> Any:
    return fitting(schema, depth + 1) if isinstance(schema, Mapping) else schema
