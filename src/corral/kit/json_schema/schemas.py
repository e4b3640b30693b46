"""Whether a JSON schema is understood: whether what it says can be held against a value, and all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from corral.kit.json_schema.patterns import Unreadable, compiled
from corral.kit.json_schema.pointing import look_up
from corral.kit.json_schema.values import TYPES

MAX_DEPTH = 64
"""Levels of schemas in schemas."""
MAX_SCHEMAS = 10_000
"""Schemas in one, itself included."""

_ONE = ("additionalProperties", "additionalItems", "contains", "propertyNames", "not", "if", "then", "else")
_MANY = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions")
_COUNTS = (
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minContains",
    "maxContains",
)
_NUMBERS = ("minimum", "maximum")
_UNSUPPORTED = ("unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef")
_SAME_PLACE = ("allOf", "anyOf", "oneOf")


class Fault(NamedTuple):
    """What is wrong with a schema. `path`: where, from its top, as `.properties.age.type`; empty for the top itself."""

    path: str
    reason: str


def fault(schema: Any) -> Fault | None:
    """The first thing in `schema` that is wrong or not understood; None when every value can be held against it."""
    try:
        reader = _Reader(schema)
        reader.read(schema, "", 0)
        reader.follow()
    except _Wrong as wrong:
        return Fault(wrong.path, wrong.reason)
    return None


class _Wrong(Exception):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


class _Reader:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._count = 0
        self._read: dict[int, str] = {}
        self._referred: list[tuple[str, Any]] = []
        self._by_id: dict[int, Any] = {}

    def read(self, schema: Any, path: str, depth: int) -> None:
        """Reads a schema and all in it. Raises _Wrong."""
        if isinstance(schema, bool):
            return
        if not isinstance(schema, Mapping):
            raise _Wrong(path, "must be a schema: an object, true or false")
        if id(schema) in self._read:
            return
        self._count += 1
        if depth > MAX_DEPTH:
            raise _Wrong(path[:200], f"is nested deeper than {MAX_DEPTH} levels")
        if self._count > MAX_SCHEMAS:
            raise _Wrong("", f"has more than {MAX_SCHEMAS} schemas in it")
        self._read[id(schema)], self._by_id[id(schema)] = path, schema
        _check_words(schema, path)
        if "$ref" in schema:
            self._reference(schema["$ref"], path, depth)
        for where, inner in _inside(schema, path):
            self.read(inner, where, depth + 1)

    def follow(self) -> None:
        """Looks for schemas that only lead back to themselves. Raises _Wrong."""
        done: set[int] = set()
        for number, path in self._read.items():
            if number not in done:
                self._walk(number, path, done)

    def _walk(self, number: int, path: str, done: set[int]) -> None:
        under_way: set[int] = set()
        stack: list[tuple[int, Iterator[int]]] = [(number, self._same_place(number))]
        under_way.add(number)
        while stack:
            current, nexts = stack[-1]
            following = next(nexts, None)
            if following is None:
                stack.pop()
                under_way.discard(current)
                done.add(current)
            elif following in under_way:
                raise _Wrong(f"{self._read[current]}.$ref", "leads back to itself without an end")
            elif following not in done:
                under_way.add(following)
                stack.append((following, self._same_place(following)))

    def _same_place(self, number: int) -> Iterator[int]:
        """The schemas that are held against the same value."""
        schema = self._by_id[number]
        found: list[Any] = []
        if "$ref" in schema:
            found.append(look_up(self._root, schema["$ref"]))
        for word in _SAME_PLACE:
            found += schema.get(word, ())
        found += [schema[word] for word in ("not", "if", "then", "else") if word in schema]
        found += schema.get("dependentSchemas", {}).values()
        return iter([id(one) for one in found if isinstance(one, Mapping)])

    def _reference(self, reference: Any, path: str, depth: int) -> None:
        where = f"{path}.$ref"
        if not isinstance(reference, str):
            raise _Wrong(where, "must be a text")
        if not reference.startswith("#"):
            raise _Wrong(where, "leads out of the schema; put what it means under $defs")
        found = look_up(self._root, reference)
        if found is None:
            raise _Wrong(where, f"leads to nothing: {reference[:100]}")
        # What is referred to may stand where nobody else looks for schemas.
        self.read(
            found, "".join(f".{step}" for step in reference[2:].split("/")) if len(reference) > 1 else "", depth + 1
        )


def _check_words(schema: Mapping[str, Any], path: str) -> None:
    for word, check in _WORDS.items():
        if word in schema:
            reason = check(schema[word])
            if reason is not None:
                raise _Wrong(f"{path}.{word}", reason)


def _inside(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """The schemas in a schema, each with its place."""
    items = schema.get("items", True)
    lists = {word: schema.get(word, ()) for word in _MANY}
    if isinstance(items, list):
        lists["items"] = items
    else:
        yield f"{path}.items", items
    for word in _ONE:
        yield f"{path}.{word}", schema.get(word, True)
    for word, listed in lists.items():
        for index, one in enumerate(listed):
            yield f"{path}.{word}[{index}]", one
    for word in _NAMED:
        for name, one in schema.get(word, {}).items():
            if not (word == "dependencies" and isinstance(one, list)):
                yield f"{path}.{word}.{name}", one


Check = Callable[[Any], str | None]


def _type(value: Any) -> str | None:
    names = [value] if isinstance(value, str) else value
    if isinstance(names, list) and names and all(isinstance(one, str) and one in TYPES for one in names):
        return None
    return f"must be one of {', '.join(TYPES)}, or a list of them"


def _named(value: Any) -> str | None:
    return None if isinstance(value, Mapping) else "must be an object"


def _patterned(value: Any) -> str | None:
    wrong = _named(value)
    return wrong or next((told for name in value if (told := _pattern(name)) is not None), None)


def _some(value: Any) -> str | None:
    return None if isinstance(value, list) and value else "must be a list with something in it"


def _texts(value: Any) -> str | None:
    return None if isinstance(value, list) and all(isinstance(one, str) for one in value) else "must be a list of texts"


def _count(value: Any) -> str | None:
    return None if TYPES["integer"](value) and value >= 0 else "must be a whole number from 0 on"


def _number(value: Any) -> str | None:
    return None if TYPES["number"](value) else "must be a number"


def _bound(value: Any) -> str | None:
    # Draft 4 said true or false here, beside `minimum`.
    return _number(value)


def _step(value: Any) -> str | None:
    return None if TYPES["number"](value) and value > 0 else "must be a number over 0"


def _boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _pattern(value: Any) -> str | None:
    if not isinstance(value, str):
        return "must be a text"
    try:
        compiled(value)
    except Unreadable as error:
        return str(error)
    return None


def _unsupported(value: Any) -> str | None:
    return "is not supported"


_WORDS: Mapping[str, Check] = {
    "type": _type,
    "enum": _some,
    "required": _texts,
    "pattern": _pattern,
    "patternProperties": _patterned,
    "uniqueItems": _boolean,
    "multipleOf": _step,
    "exclusiveMinimum": _bound,
    "exclusiveMaximum": _bound,
    "dependentRequired": _named,
    "dependencies": _named,
    "prefixItems": lambda value: None if isinstance(value, list) else "must be a list",
    **dict.fromkeys(("allOf", "anyOf", "oneOf"), _some),
    **dict.fromkeys(("properties", "dependentSchemas", "$defs", "definitions"), _named),
    **dict.fromkeys(_COUNTS, _count),
    **dict.fromkeys(_NUMBERS, _number),
    **dict.fromkeys(_UNSUPPORTED, _unsupported),
}
