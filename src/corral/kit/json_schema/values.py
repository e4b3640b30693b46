"""Whether a JSON value is as a JSON schema says.

`format` and annotations are not checked, as the standard has it, nor is what only `fault` knows of (`unevaluated…`, references to elsewhere).
A schema comes from a client: the work is bounded, and what would take more than that counts as a problem, never as a fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from corral.kit.json_schema.patterns import TooMuchWork, Unreadable, compiled
from corral.kit.json_schema.pointing import find

MAX_DEPTH = 100
"""Levels of schemas in schemas on the way to a value, references included."""
MAX_STEPS = 200_000
"""Schemas held against values, and about so much other work: half a second."""
LONGEST = 300
"""Characters of one told problem."""
TYPES: Mapping[str, Callable[[Any], bool]] = {
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
_is_number = TYPES["number"]


def problem(value: Any, schema: Mapping[str, Any] | bool) -> str | None:
    """The first thing that is wrong with `value`, as `place: what`; None when it is as `schema` says."""
    return next(iter(problems(value, schema, most=1)), None)


def problems(value: Any, schema: Mapping[str, Any] | bool, *, most: int = 10) -> list[str]:
    """What is wrong with `value`, the first `most` things, as `place: what`; empty when it is as `schema` says."""
    told = _Told(most)
    check = _Check(schema)
    try:
        check.fits(value, schema, "$", 0, told)
    except _Enough:
        pass
    except (_TooMuch, TooMuchWork):
        told.found.append("$: is too much to be checked against its schema")
    except RecursionError:
        told.found.append("$: is nested too deep to be checked against its schema")
    return told.found[:most]


class _TooMuch(Exception):
    """The work is over its limit."""


class _Enough(Exception):
    """As many problems as were asked for are known."""


class _Told:
    """Collects problems."""

    __slots__ = ("found", "most")

    def __init__(self, most: int) -> None:
        self.found: list[str] = []
        self.most = most

    def tell(self, what: str) -> None:
        self.found.append(what[:LONGEST])
        if len(self.found) >= self.most:
            raise _Enough


class _Silent(_Told):
    """For a question that is answered by yes or no: the first problem is enough."""

    def __init__(self) -> None:
        super().__init__(1)


class _Check:
    def __init__(self, root: Mapping[str, Any] | bool) -> None:
        self._root = root
        self._steps = 0

    def fits(self, value: Any, schema: Any, place: str, depth: int, told: _Told) -> None:
        """Tells what is wrong with `value`."""
        if schema is False:
            told.tell(f"{place}: nothing is allowed here")
        if not isinstance(schema, Mapping):
            return
        self._work(1 + (len(_list(schema, "enum")) + len(_list(schema, "required"))) // 10)
        if depth > MAX_DEPTH:
            raise _TooMuch
        reference = schema.get("$ref")
        if isinstance(reference, str):
            self.fits(value, find(self._root, reference), place, depth + 1, told)
        _itself(value, schema, place, told)
        if isinstance(value, str):
            self._text(value, schema, place, told)
        elif isinstance(value, Mapping):
            self._object(value, schema, place, depth, told)
        elif isinstance(value, list):
            self._array(value, schema, place, depth, told)
        self._combined(value, schema, place, depth, told)

    def _work(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise _TooMuch

    def _text(self, value: str, schema: Mapping[str, Any], place: str, told: _Told) -> None:
        _between(len(value), schema, "minLength", "maxLength", f"{place}: has {len(value)} characters", told)
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and not self._matches(pattern, value):
            told.tell(f"{place}: must match {pattern}")

    def _matches(self, pattern: str, text: str) -> bool:
        try:
            machine = compiled(pattern)
        except Unreadable:
            return True
        left = (MAX_STEPS - self._steps) * 10
        found, work = machine.search(text, left)
        self._work(work // 10 + 1)
        return found

    def _object(self, value: Mapping[str, Any], schema: Mapping[str, Any], place: str, depth: int, told: _Told) -> None:
        for name in _list(schema, "required"):
            if isinstance(name, str) and name not in value:
                told.tell(f"{place}.{name}: is missing")
        known, patterns = _mapping(schema, "properties"), _mapping(schema, "patternProperties")
        others, names = schema.get("additionalProperties", True), schema.get("propertyNames", True)
        for name, inner in value.items():
            there = f"{place}.{name}"
            if names is not True:
                self.fits(name, names, f"{there} (its name)", depth + 1, told)
            if name in known:
                self.fits(inner, known[name], there, depth + 1, told)
            by_pattern = [one for pattern, one in patterns.items() if self._matches(pattern, name)]
            for one in by_pattern:
                self.fits(inner, one, there, depth + 1, told)
            if name not in known and not by_pattern and others is not True:
                if others is False:
                    told.tell(f"{there}: is not known")
                else:
                    self.fits(inner, others, there, depth + 1, told)
        _between(len(value), schema, "minProperties", "maxProperties", f"{place}: has {len(value)} fields", told)
        self._dependent(value, schema, place, depth, told)

    def _dependent(
        self, value: Mapping[str, Any], schema: Mapping[str, Any], place: str, depth: int, told: _Told
    ) -> None:
        for word in ("dependentRequired", "dependentSchemas", "dependencies"):
            for name, wanted in _mapping(schema, word).items():
                if name not in value:
                    continue
                if isinstance(wanted, list):
                    for other in wanted:
                        if isinstance(other, str) and other not in value:
                            told.tell(f"{place}.{other}: is missing beside {name}")
                else:
                    self.fits(value, wanted, place, depth + 1, told)

    def _array(self, value: Sequence[Any], schema: Mapping[str, Any], place: str, depth: int, told: _Told) -> None:
        items = schema.get("items", True)
        # Draft 7 has the first items as a list in `items`.
        first, others = (
            (items, schema.get("additionalItems", True))
            if isinstance(items, list)
            else (_list(schema, "prefixItems"), items)
        )
        for index, inner in enumerate(value):
            one = first[index] if index < len(first) else others
            self.fits(inner, one, f"{place}[{index}]", depth + 1, told)
        _between(len(value), schema, "minItems", "maxItems", f"{place}: has {len(value)} items", told)
        if schema.get("uniqueItems") is True:
            self._work(len(value))
            if len({key(one) for one in value}) < len(value):
                told.tell(f"{place}: has an item twice")
        if "contains" in schema:
            count = sum(self._is(one, schema["contains"], depth) for one in value)
            bounds = {"minContains": 1, **schema}
            _between(
                count,
                bounds,
                "minContains",
                "maxContains",
                f"{place}: has {count} items of the form that it must contain",
                told,
            )

    def _combined(self, value: Any, schema: Mapping[str, Any], place: str, depth: int, told: _Told) -> None:
        for one in _list(schema, "allOf"):
            self.fits(value, one, place, depth + 1, told)
        for name in ("anyOf", "oneOf"):
            choices = _list(schema, name)
            if choices:
                self._one_of(name, value, choices, place, depth, told)
        if "not" in schema and self._is(value, schema["not"], depth):
            told.tell(f"{place}: is what it must not be")
        if "if" in schema:
            branch = "then" if self._is(value, schema["if"], depth) else "else"
            if branch in schema:
                self.fits(value, schema[branch], place, depth + 1, told)

    def _one_of(self, name: str, value: Any, choices: list[Any], place: str, depth: int, told: _Told) -> None:
        fitting = sum(self._is(value, one, depth) for one in choices)
        if fitting == 1 or (fitting and name == "anyOf"):
            return
        real = [one for one in choices if not (isinstance(one, Mapping) and one.get("type") == "null")]
        if not fitting and len(real) == 1 and value is not None:
            # An optional value: what is wrong with it says more than that it is wrong.
            self.fits(value, real[0], place, depth + 1, told)
        else:
            told.tell(f"{place}: fits {fitting} of its {len(choices)} forms")

    def _is(self, value: Any, schema: Any, depth: int) -> bool:
        try:
            self.fits(value, schema, "$", depth + 1, _Silent())
        except _Enough:
            return False
        return True


def _itself(value: Any, schema: Mapping[str, Any], place: str, told: _Told) -> None:
    kinds = schema.get("type")
    if kinds is not None:
        names = [kinds] if isinstance(kinds, str) else _list(schema, "type")
        known = [name for name in names if isinstance(name, str) and name in TYPES]
        if known and not any(TYPES[name](value) for name in known):
            told.tell(f"{place}: must be {' or '.join(map(str, names))}")
    choices = _list(schema, "enum")
    if choices and not _is_among(value, choices):
        told.tell(f"{place}: must be one of {schema['enum']}")
    if "const" in schema and key(value) != key(schema["const"]):
        told.tell(f"{place}: must be {schema['const']!r}")
    if _is_number(value):
        _number(value, schema, place, told)


def _number(value: float, schema: Mapping[str, Any], place: str, told: _Told) -> None:
    _between(value, schema, "minimum", "maximum", f"{place}: is {value}", told)
    least: Any = schema.get("exclusiveMinimum")
    most: Any = schema.get("exclusiveMaximum")
    step: Any = schema.get("multipleOf")
    if _is_number(least) and value <= least:
        told.tell(f"{place}: must be over {least}")
    if _is_number(most) and value >= most:
        told.tell(f"{place}: must be under {most}")
    if _is_number(step) and step and not _divides(value, step):
        told.tell(f"{place}: must be a multiple of {step}")


def _list(schema: Mapping[str, Any], name: str) -> list[Any]:
    """A keyword that holds a list; one that holds something else says nothing."""
    found = schema.get(name)
    return found if isinstance(found, list) else []


def _mapping(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = schema.get(name)
    return found if isinstance(found, Mapping) else {}


def _divides(value: float, step: float) -> bool:
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    try:
        quotient = value / step
        return math.isclose(quotient, round(quotient), abs_tol=1e-9)
    except (OverflowError, ValueError):
        return True


def _between(size: float, schema: Mapping[str, Any], least: str, most: str, what: str, told: _Told) -> None:
    if _is_number(schema.get(least)) and size < schema[least]:
        told.tell(f"{what}, at least {schema[least]} are needed")
    if _is_number(schema.get(most)) and size > schema[most]:
        told.tell(f"{what}, at most {schema[most]} are allowed")


def _is_among(value: Any, choices: list[Any]) -> bool:
    mine = key(value)
    return any(key(one) == mine for one in choices)


def key(value: Any) -> Any:
    """Equal for values that are the same to JSON: 1 is 1.0 and is not true, and the order of fields says nothing."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, str):
        return ("", value)
    if isinstance(value, Mapping):
        return frozenset((name, key(inner)) for name, inner in value.items())
    return tuple(key(inner) for inner in value) if isinstance(value, list) else value
