"""JSON schemas in the form that Gemini's models of all generations know: OpenAPI's types, no references, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KEPT = frozenset(
    (
        *("title", "description", "format", "pattern", "default", "example", "minimum", "maximum", "nullable"),
        *("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties", "required"),
        "propertyOrdering",
    )
)
_MAX_DEPTH = 32


def to_openapi(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What of `schema` the API's own form can say. References are put in place, down to a depth."""
    return _Conversion(schema).of(schema, 0)


class _Conversion:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def of(self, schema: Any, depth: int) -> dict[str, Any]:
        if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
            return {}
        reference = schema.get("$ref")
        if isinstance(reference, str):
            rest = {name: value for name, value in schema.items() if name != "$ref"}
            return self.of({**self._referred(reference), **rest}, depth + 1)
        found = {word: value for word, value in schema.items() if word in _KEPT}
        self._type(schema, found)
        self._alternatives(schema, found, depth)
        self._values(schema, found)
        properties = schema.get("properties")
        if isinstance(properties, Mapping):
            found["properties"] = {name: self.of(one, depth + 1) for name, one in properties.items()}
            found.setdefault("type", "OBJECT")
        items = schema.get("items")
        if items is not None:
            found["items"] = self.of(items, depth + 1)
        elif found.get("type") == "ARRAY":
            found["items"] = {}
        return found

    def _referred(self, reference: str) -> Mapping[str, Any]:
        place: Any = self._root
        for name in reference.removeprefix("#").strip("/").split("/"):
            place = (
                place.get(name.replace("~1", "/").replace("~0", "~")) if name and isinstance(place, Mapping) else place
            )
        return place if isinstance(place, Mapping) and place is not self._root else {}

    @staticmethod
    def _type(schema: Mapping[str, Any], found: dict[str, Any]) -> None:
        told = schema.get("type")
        types = [one for one in (told if isinstance(told, list) else [told]) if isinstance(one, str)]
        if "null" in types:
            types.remove("null")
            found["nullable"] = True
        if len(types) == 1:
            found["type"] = types[0].upper()
        elif types:
            found["anyOf"] = [{"type": one.upper()} for one in types]

    def _alternatives(self, schema: Mapping[str, Any], found: dict[str, Any], depth: int) -> None:
        for word in ("anyOf", "oneOf"):
            listed = schema.get(word)
            if not isinstance(listed, list):
                continue
            real = [one for one in listed if not (isinstance(one, Mapping) and one.get("type") == "null")]
            if len(real) < len(listed):
                found["nullable"] = True
            if len(real) == 1:
                found.update(self.of(real[0], depth + 1))
            else:
                found["anyOf"] = [self.of(one, depth + 1) for one in real]
        for one in schema.get("allOf") or ():
            found.update(self.of(one, depth + 1))

    @staticmethod
    def _values(schema: Mapping[str, Any], found: dict[str, Any]) -> None:
        values = schema.get("enum")
        if not isinstance(values, list):
            values = [schema["const"]] if "const" in schema else None
        if values is None:
            return
        if None in values:
            found["nullable"] = True
        texts = [one for one in values if isinstance(one, str)]
        if texts and len(texts) == len([one for one in values if one is not None]):
            found["enum"] = texts
            found.setdefault("type", "STRING")


def from_openapi(schema: Any, depth: int = 0) -> dict[str, Any]:
    """The JSON schema of a schema in the API's own form."""
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return {}
    found: dict[str, Any] = {}
    nullable = schema.get("nullable") is True
    for word, value in schema.items():
        if word == "type" and isinstance(value, str):
            found["type"] = [value.lower(), "null"] if nullable else value.lower()
        elif word == "properties" and isinstance(value, Mapping):
            found["properties"] = {name: from_openapi(one, depth + 1) for name, one in value.items()}
        elif word == "items":
            found["items"] = from_openapi(value, depth + 1)
        elif word == "anyOf" and isinstance(value, list):
            found["anyOf"] = [from_openapi(one, depth + 1) for one in value]
        elif word not in ("nullable", "propertyOrdering"):
            found[word] = value
    return found
