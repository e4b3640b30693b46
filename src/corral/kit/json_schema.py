"""Whether a JSON value is as a JSON schema says: the keywords of draft 2020-12 that describe data, `$ref` within the schema.

What is not known here (formats, `unevaluated…`, remote references) is not checked: a value is never refused for it. Patterns are not either:
a schema comes from a client, and a regular expression can take for ever. So is the work: after MAX_STEPS nothing more is checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

MAX_DEPTH = 64
MAX_STEPS = 20_000
_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, Mapping),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))
    ),
}


def problem(value: Any, schema: Mapping[str, Any] | bool) -> str | None:
    """The first thing that is wrong with `value`, as `place: what`; None when it is as `schema` says."""
    return next(_Check(schema).problems(value, schema, "$", 0), None)


class _Check:
    def __init__(self, root: Mapping[str, Any] | bool) -> None:
        self._root = root
        self._steps = 0

    def problems(self, value: Any, schema: Any, place: str, depth: int) -> Iterator[str]:
        if schema is False:
            yield f"{place}: nothing is allowed here"
        self._steps += 1
        if not isinstance(schema, Mapping) or depth > MAX_DEPTH or self._steps > MAX_STEPS:
            return
        reference = schema.get("$ref")
        if isinstance(reference, str):
            yield from self.problems(value, self._find(reference), place, depth + 1)
        yield from _itself(value, schema, place)
        if isinstance(value, Mapping):
            yield from self._object(value, schema, place, depth)
        elif isinstance(value, list):
            yield from self._array(value, schema, place, depth)
        yield from self._combined(value, schema, place, depth)

    def _find(self, reference: str) -> Any:
        found: Any = self._root
        if not reference.startswith("#"):
            return True
        for step in reference[1:].strip("/").split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            if name == "":
                continue
            if not isinstance(found, Mapping) or name not in found:
                return True
            found = found[name]
        return found

    def _object(self, value: Mapping[str, Any], schema: Mapping[str, Any], place: str, depth: int) -> Iterator[str]:
        for name in _list(schema, "required"):
            if isinstance(name, str) and name not in value:
                yield f"{place}.{name}: is missing"
        known = schema.get("properties")
        known = known if isinstance(known, Mapping) else {}
        patterned = bool(schema.get("patternProperties"))
        others = schema.get("additionalProperties", True)
        for name, inner in value.items():
            if name in known:
                yield from self.problems(inner, known[name], f"{place}.{name}", depth + 1)
            elif not patterned and others is not True:
                if others is False:
                    yield f"{place}.{name}: is not known"
                else:
                    yield from self.problems(inner, others, f"{place}.{name}", depth + 1)
        yield from _between(len(value), schema, "minProperties", "maxProperties", f"{place}: has {len(value)} fields")

    def _array(self, value: Sequence[Any], schema: Mapping[str, Any], place: str, depth: int) -> Iterator[str]:
        first = _list(schema, "prefixItems")
        for index, inner in enumerate(value):
            one = first[index] if index < len(first) else schema.get("items", True)
            yield from self.problems(inner, one, f"{place}[{index}]", depth + 1)
        yield from _between(len(value), schema, "minItems", "maxItems", f"{place}: has {len(value)} items")
        if (
            schema.get("uniqueItems")
            and len(value) <= 1000
            and any(value[index] in value[:index] for index in range(len(value)))
        ):
            yield f"{place}: has an item twice"

    def _combined(self, value: Any, schema: Mapping[str, Any], place: str, depth: int) -> Iterator[str]:
        for one in _list(schema, "allOf"):
            yield from self.problems(value, one, place, depth + 1)
        for name in ("anyOf", "oneOf"):
            choices = _list(schema, name)
            if choices:
                fitting = sum(self._fits(value, one, depth) for one in choices)
                if fitting == 0 or (name == "oneOf" and fitting > 1):
                    yield f"{place}: fits {fitting} of its {len(choices)} forms"
        if "not" in schema and self._fits(value, schema["not"], depth):
            yield f"{place}: is what it must not be"

    def _fits(self, value: Any, schema: Any, depth: int) -> bool:
        return next(self.problems(value, schema, "$", depth + 1), None) is None


def _itself(value: Any, schema: Mapping[str, Any], place: str) -> Iterator[str]:
    kinds = schema.get("type")
    if kinds is not None:
        names = [kinds] if isinstance(kinds, str) else _list(schema, "type")
        known = [name for name in names if isinstance(name, str) and name in _TYPES]
        if known and not any(_TYPES[name](value) for name in known):
            yield f"{place}: must be {' or '.join(map(str, names))}"
    choices = _list(schema, "enum")
    if choices and not any(_same(value, one) for one in choices):
        yield f"{place}: must be one of {schema['enum']}"[:300]
    if "const" in schema and not _same(value, schema["const"]):
        yield f"{place}: must be {schema['const']!r}"[:300]
    if isinstance(value, str):
        yield from _between(len(value), schema, "minLength", "maxLength", f"{place}: has {len(value)} characters")
    elif _TYPES["number"](value):
        yield from _number(value, schema, place)


def _number(value: float, schema: Mapping[str, Any], place: str) -> Iterator[str]:
    yield from _between(value, schema, "minimum", "maximum", f"{place}: is {value}")
    least: Any = schema.get("exclusiveMinimum")
    most: Any = schema.get("exclusiveMaximum")
    step: Any = schema.get("multipleOf")
    if _TYPES["number"](least) and value <= least:
        yield f"{place}: must be over {least}"
    if _TYPES["number"](most) and value >= most:
        yield f"{place}: must be under {most}"
    if _TYPES["number"](step) and step and not _divides(value, step):
        yield f"{place}: must be a multiple of {step}"


def _list(schema: Mapping[str, Any], name: str) -> list[Any]:
    """A keyword that holds a list; one that holds something else says nothing."""
    found = schema.get(name)
    return found if isinstance(found, list) else []


def _divides(value: float, step: float) -> bool:
    try:
        quotient = value / step
        return math.isclose(quotient, round(quotient), abs_tol=1e-9)
    except (OverflowError, ValueError):
        return True


def _between(size: float, schema: Mapping[str, Any], least: str, most: str, what: str) -> Iterator[str]:
    if _TYPES["number"](schema.get(least)) and size < schema[least]:
        yield f"{what}, at least {schema[least]} are needed"
    if _TYPES["number"](schema.get(most)) and size > schema[most]:
        yield f"{what}, at most {schema[most]} are allowed"


def _same(one: Any, other: Any) -> bool:
    # True is 1 to Python, not to JSON.
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
