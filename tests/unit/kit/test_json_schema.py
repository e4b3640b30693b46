"""JSON schemas: values made for them fit, spoilt ones do not, patterns do what Python's do, and nothing takes for ever."""

from __future__ import annotations

import contextlib
import json
import re
import time
from typing import Any

import pydantic
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from corral.kit.json_schema import fault, problem, problems
from corral.kit.json_schema.patterns import TooMuchWork, Unreadable, compiled

# A schema, a value that it allows, and one that it does not. Made together, so that nothing here is judged by what is tested.
Case = tuple[dict[str, Any], Any, Any]
NAMES = st.text("abcdé /~", min_size=1, max_size=4)


def _number(kind: str, low: int, size: int) -> Case:
    return {"type": kind, "minimum": low, "maximum": low + size}, low + size, low - 1


SCALARS: st.SearchStrategy[Case] = st.one_of(
    st.builds(_number, st.sampled_from(["integer", "number"]), st.integers(-50, 50), st.integers(0, 9)),
    st.builds(lambda text: ({"const": text}, text, text + "x"), st.text(max_size=5)),
    st.builds(lambda size: ({"type": "string", "minLength": size}, "é" * size, "é" * (size - 1)), st.integers(1, 5)),
    st.builds(lambda size: ({"type": "string", "maxLength": size}, "🐴" * size, "🐴" * (size + 1)), st.integers(0, 5)),
    st.builds(lambda count: ({"type": "string", "pattern": f"^[a-c]{{{count}}}$"}, "abc" * 3 if count == 9 else "a" * count, "a" * (count + 1)), st.integers(0, 9)),
    st.just(({"type": "boolean"}, True, 1)),
    st.just(({"type": "integer"}, 2.0, True)),
    st.just(({"type": "null"}, None, 0)),
    st.just(({"enum": ["red", 1, None]}, 1, True)),
    st.builds(lambda step: ({"multipleOf": step}, step * 7, step * 7 + 1), st.integers(2, 9)),
    st.builds(lambda bound: ({"exclusiveMinimum": bound}, bound + 1, bound), st.integers(-5, 5)),
)  # fmt: skip


def _objects(inner: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    @st.composite
    def made(draw: st.DrawFn) -> Case:
        fields = draw(st.dictionaries(NAMES, inner, min_size=1, max_size=3))
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {name: one[0] for name, one in fields.items()},
            "required": sorted(fields),
            "additionalProperties": False,
        }
        good = {name: one[1] for name, one in fields.items()}
        spoilt = draw(st.sampled_from(sorted(fields)))
        how = draw(st.sampled_from(["value", "missing", "more", "list"]))
        bad: Any = {**good, spoilt: fields[spoilt][2]}
        if how == "missing":
            bad = {name: value for name, value in good.items() if name != spoilt}
        elif how == "more":
            bad = {**good, "zz": 1}
        elif how == "list":
            bad = [good]
        return schema, good, bad

    return made()


def _lists(inner: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    @st.composite
    def made(draw: st.DrawFn) -> Case:
        schema, good, bad = draw(inner)
        size = draw(st.integers(1, 3))
        place = draw(st.integers(0, size - 1))
        how = draw(st.sampled_from(["items", "short", "contains", "prefix"]))
        if how == "contains":
            assume(problem(bad, schema) is not None)
            return {"contains": schema}, [bad, good], [bad] * size
        if how == "prefix":
            return {"prefixItems": [schema], "items": False}, [good], [good, good]
        wanted = {"type": "array", "items": schema, "minItems": size, "maxItems": size}
        wrong = [good] * (size - 1) if how == "short" else [bad if at == place else good for at in range(size)]
        return wanted, [good] * size, wrong

    return made()


def _combined(inner: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    def wrapped(how: str, case: Case) -> Case:
        schema, good, bad = case
        never: dict[str, Any] = {
            "type": "object",
            "required": ["no such field"],
            "properties": {"no such field": False},
        }
        made: dict[str, dict[str, Any]] = {
            "anyOf": {"anyOf": [never, schema]},
            "oneOf": {"oneOf": [never, schema]},
            "allOf": {"allOf": [{}, schema]},
            "not": {"not": {"not": schema}},
            "if": {"if": {"type": "null"}, "then": schema, "else": schema},
            "ref": {"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": schema}},
        }
        return made[how], good, bad

    # References are to the whole schema's definitions, so one that has some is not put into another.
    closed = inner.filter(lambda case: "$ref" not in json.dumps(case[0]))
    return st.builds(wrapped, st.sampled_from(["anyOf", "oneOf", "allOf", "not", "if", "ref"]), closed)


CASES = st.recursive(
    SCALARS, lambda inner: st.one_of(_objects(inner), _lists(inner), _combined(inner)), max_leaves=6
).filter(lambda case: "$ref" not in json.dumps(case[0]) or "$ref" in case[0])


@given(CASES)
def test_what_was_made_for_a_schema_fits_and_what_was_spoilt_does_not(case: Case) -> None:
    schema, good, bad = case
    assert fault(schema) is None
    assert problem(good, schema) is None
    assert problem(bad, schema) is not None
    assert 1 <= len(problems(bad, schema, most=3)) <= 3


@given(CASES)
def test_whole_numbers_with_a_point_are_whole_and_the_order_of_fields_says_nothing(case: Case) -> None:
    schema, good, _ = case

    def other(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: other(value[name]) for name in reversed(list(value))}
        if isinstance(value, list):
            return [other(one) for one in value]
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    assert problem(other(good), schema) is None


class Address(pydantic.BaseModel):
    """As people write schemas."""

    street: str = pydantic.Field(min_length=1)
    number: int = pydantic.Field(gt=0, multiple_of=1)


class Person(pydantic.BaseModel):
    """With references, optional values, a choice, a map and a tuple."""

    name: str = pydantic.Field(pattern=r"^\w+( \w+)*$")
    home: Address | None
    others: dict[str, Address] = {}
    point: tuple[float, float]
    kind: int | str
    friends: list[Person] = pydantic.Field(default=[], max_length=2)


TEXTS = st.text("ab 1", max_size=4)
ADDRESSES = st.fixed_dictionaries({"street": TEXTS, "number": st.integers(-1, 2) | st.just("x")})
PEOPLE = st.fixed_dictionaries(
    {"name": TEXTS, "home": st.none() | ADDRESSES, "point": st.lists(st.integers(0, 1), min_size=1, max_size=3)},
    optional={"kind": st.integers() | TEXTS | st.none(), "others": st.dictionaries(TEXTS, ADDRESSES, max_size=1)},
)


@given(PEOPLE, st.lists(PEOPLE, max_size=3))
def test_it_says_the_same_as_pydantic(person: dict[str, Any], friends: list[Any]) -> None:
    value = {**person, "friends": friends}
    schema = Person.model_json_schema()
    assert fault(schema) is None
    try:
        Person.model_validate_json(json.dumps(value), strict=True)
    except pydantic.ValidationError:
        assert problem(value, schema) is not None
    else:
        assert problem(value, schema) is None


def test_of_an_optional_value_it_is_told_what_is_wrong_with_it() -> None:
    schema = {"properties": {"a": {"anyOf": [{"type": "object", "required": ["x"]}, {"type": "null"}]}}}
    assert problems({"a": {}}, schema) == ["$.a.x: is missing"]
    assert problems({"a": {}, "b": 1}, {**schema, "required": ["c"]}) == ["$.c: is missing", "$.a.x: is missing"]


MORE: list[tuple[Any, Any, str | None]] = [
    ({"a": 1}, {"dependentRequired": {"a": ["b"]}}, "$.b: is missing beside a"),
    ({"a": 1}, {"dependentSchemas": {"a": {"required": ["c"]}}}, "$.c: is missing"),
    ({"a": 1}, {"dependencies": {"a": ["b"]}}, "$.b"),
    ({"ab": 1, "c": "x"}, {"patternProperties": {"^a": {"type": "string"}}}, "$.ab: must be string"),
    ({"ab": 1}, {"patternProperties": {"^a": {}}, "additionalProperties": False}, None),
    ({"cb": 1}, {"patternProperties": {"^a": {}}, "additionalProperties": False}, "$.cb: is not known"),
    ({"long": 1}, {"propertyNames": {"maxLength": 3}}, "its name"),
    ([1, "x"], {"items": [{"type": "integer"}], "additionalItems": False}, "$[1]: nothing is allowed"),
    ([1, 2, 3], {"contains": {"minimum": 2}, "maxContains": 1}, "at most 1"),
    ([1, 1.0], {"uniqueItems": True}, "twice"),
    ([1, True, "1", [1], [True], {"a": 1}, {"a": True}], {"uniqueItems": True}, None),
    ([True], {"enum": [[1]]}, "one of"),
    (2**60 + 1, {"multipleOf": 2}, "multiple"),
]


@pytest.mark.parametrize(("value", "schema", "says"), MORE)
def test_further_keywords(value: Any, schema: Any, says: str | None) -> None:
    assert fault(schema) is None
    found = problem(value, schema)
    assert (found is None) == (says is None), found
    assert says is None or says in str(found)


FAULTS: list[tuple[Any, str, str]] = [
    ([], "", "must be a schema"),
    ({"type": "strng"}, ".type", "must be one of"),
    ({"type": []}, ".type", "must be one of"),
    ({"properties": {"a": {"items": {"type": 5}}}}, ".properties.a.items.type", "must be one of"),
    ({"properties": {"a": 3}}, ".properties.a", "must be a schema"),
    ({"properties": []}, ".properties", "must be an object"),
    ({"anyOf": []}, ".anyOf", "something in it"),
    ({"anyOf": [{}, {"enum": "a"}]}, ".anyOf[1].enum", "something in it"),
    ({"required": [1]}, ".required", "texts"),
    ({"minLength": -1}, ".minLength", "whole number"),
    ({"maximum": "9"}, ".maximum", "number"),
    ({"exclusiveMinimum": True}, ".exclusiveMinimum", "number"),
    ({"multipleOf": 0}, ".multipleOf", "over 0"),
    ({"uniqueItems": 1}, ".uniqueItems", "true or false"),
    ({"pattern": "(a"}, ".pattern", "does not end"),
    ({"pattern": "(?=a)b"}, ".pattern", "ahead"),
    ({"patternProperties": {"[": {}}}, ".patternProperties", "ends in the middle"),
    ({"unevaluatedProperties": False}, ".unevaluatedProperties", "not supported"),
    ({"$ref": "https://a/b"}, ".$ref", "leads out"),
    ({"$ref": "#/$defs/none"}, ".$ref", "leads to nothing"),
    ({"$ref": "#anchor"}, ".$ref", "leads to nothing"),
    ({"$ref": "#"}, ".$ref", "back to itself"),
    ({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}}}, ".$ref", "itself"),
    ({"$ref": "#/x/hidden", "x": {"hidden": {"type": "no"}}}, ".x.hidden.type", "must be one of"),
]


@pytest.mark.parametrize(("schema", "path", "says"), FAULTS)
def test_what_is_wrong_with_a_schema_is_told_with_its_place(schema: Any, path: str, says: str) -> None:
    found = fault(schema)
    assert found is not None
    assert found.path.endswith(path)
    assert says in found.reason


def test_schemas_that_are_too_deep_or_too_large_are_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(70):
        deep = {"items": deep}
    assert "deeper" in str(fault(deep))
    assert "more than" in str(fault({"anyOf": [{"minimum": number} for number in range(20_000)]}))
    assert fault({"items": {"$ref": "#"}, "properties": {"a": {"$ref": "#"}}}) is None


def test_the_work_is_bounded_and_what_was_not_checked_is_no_fit() -> None:
    doubling: dict[str, Any] = {"$defs": {"n0": {"type": "integer"}}}
    for level in range(1, 40):
        below = {"$ref": f"#/$defs/n{level - 1}"}
        doubling["$defs"][f"n{level}"] = {"anyOf": [below, below]}
    began = time.perf_counter()
    assert "too much" in str(problem("x", {**doubling, "$ref": "#/$defs/n39"}))
    nested: Any = []
    for _ in range(500):
        nested = [nested]
    assert "too" in str(problem(nested, {"items": {"$ref": "#"}}))
    assert "too much" in str(problem("a" * 400_000, {"pattern": "(a|b|ab)*c(a|b)*d"}))
    assert time.perf_counter() - began < 20


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text('ab"(#/', max_size=5) | st.sampled_from(["object", "#", "#/items", "^a+$"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from([
            "type", "enum", "const", "required", "properties", "patternProperties", "additionalProperties", "items", "prefixItems", "pattern",
            "uniqueItems", "minItems", "maxLength", "minimum", "multipleOf", "allOf", "anyOf", "oneOf", "not", "if", "then", "$ref", "$defs",
            "contains", "dependentSchemas", "dependencies", "propertyNames", "a",
        ]), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@given(ANY, ANY)
def test_any_schema_is_refused_or_held_against_any_value(schema: Any, value: Any) -> None:
    found = fault(schema)
    assert found is None or found.reason
    told = problems(value, schema if isinstance(schema, dict | bool) else {"enum": schema})
    assert all(len(one) <= 300 for one in told)
    assert problems(value, True) == []


# patterns

PIECES = st.sampled_from([
    "a", "b", ".", "[ab]", "[^a]", "[a-c_]", r"\d", r"\w", r"\s", r"\.", "é", "^", "$", r"\b", r"\B", r"\x61", r"\u0062", r"\S", r"[\d\-]",
])  # fmt: skip
PATTERNS = st.recursive(
    PIECES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map("|".join),
        st.builds("(?:{}){}".format, inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"])),
        st.builds("({})".format, inner),
    ),
    max_leaves=6,
)


@given(PATTERNS, st.text("abcé1_ .-", max_size=8))
def test_patterns_find_what_pythons_find(pattern: str, text: str) -> None:
    # ASCII is what ECMA means by \d and \w, and `$` is the end alone. For no text at all Python says no to \B.
    assume(text or "\\B" not in pattern)
    theirs = re.search(re.sub(r"(?<!\\)\$", r"\\Z", pattern), text, re.ASCII)
    assert compiled(pattern).search(text, 10**6)[0] == (theirs is not None)


@given(st.text(r"ab()[]{}|*+?\^$.,-1dwpux<>:=!é", max_size=12), st.text("ab1", max_size=5))
def test_any_pattern_is_read_or_refused(pattern: str, text: str) -> None:
    try:
        compiled(pattern).search(text, 10**6)
    except Unreadable:
        return


@pytest.mark.parametrize(
    "pattern", ["(a*)*b", "(a+)+$", "((((a{50}){50}){50}){50})", "(()*)*", "(){9999}", "((){9999}){9999}"]
)
def test_patterns_that_take_others_for_ever_take_a_moment(pattern: str) -> None:
    began = time.perf_counter()
    with contextlib.suppress(Unreadable, TooMuchWork):
        compiled(pattern).search("a" * 2000 + "!", 10**6)
    assert time.perf_counter() - began < 10


def test_categories_of_unicode() -> None:
    assert compiled(r"^\p{Lu}\p{L}+\P{N}$").search("Öffné!", 10**5)[0]
    assert not compiled(r"^\p{Lu}").search("ö", 10**5)[0]
