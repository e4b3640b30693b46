"""JSON that was begun, and what somebody else makes of it; and JSON against its schema."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.dialects.form import ChatRequest, Finished, Format, TextDelta, Thinking, ToolCallDelta, text_message
from corral.dialects.gathering import Gathering
from corral.inference.continuing import Ending, plan
from corral.inference.continuing.fitting import flaw, rest, without_fence
from corral.kit.json_schema import problem

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text('ab"\\ {}é🐴\n', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab ", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.data())
def test_the_rest_behind_any_place_makes_it_whole(value: Any, data: st.DataObject) -> None:
    dumps = {
        "plain": json.dumps(value, ensure_ascii=False),
        "tight": json.dumps(value, ensure_ascii=False, separators=(",", ":")),
        "wide": json.dumps(value, ensure_ascii=False, indent=3),
    }
    mine, theirs = dumps[data.draw(st.sampled_from(sorted(dumps)))], dumps[data.draw(st.sampled_from(sorted(dumps)))]
    begun = mine[: data.draw(st.integers(0, len(mine)))]
    more = rest(begun, theirs)
    assert more is not None
    assert json.loads(begun + more) == value


@pytest.mark.parametrize(
    ("begun", "whole"),
    [
        ('{"a": "x', '{"a": "y"}'),
        ('{"a": 1, ', '{"a": 2}'),
        ('{"a": "b c', '{"a": "bc"}'),
        ("[1,2", "[1]"),
        ('{"b', '{"a"}'),
    ],
)
def test_what_does_not_begin_so_has_no_rest(begun: str, whole: str) -> None:
    assert rest(begun, whole) is None


def test_space_inside_of_a_number_is_noticed_by_its_flaw() -> None:
    more = rest('{"n": 1 ', '{"n": 12}')
    assert more is not None
    assert flaw('{"n": 1 ' + more, None) is not None


@pytest.mark.parametrize(
    ("text", "inner"),
    [("```json\n{}\n```", "{}"), ("```\n{}\n```", "{}"), (' {"a": 1} ', ' {"a": 1} '), ("``` not one", "``` not one")],
)
def test_fences_are_taken_off(text: str, inner: str) -> None:
    assert without_fence(text) == inner


CASES: list[tuple[Any, Any, str | None]] = [
    ({"a": 1}, {"type": "object", "properties": {"a": {"type": "integer"}}}, None),
    ({"a": True}, {"properties": {"a": {"type": "integer"}}}, "$.a"),
    ({"a": 1.0}, {"properties": {"a": {"type": "integer"}}}, None),
    ({}, {"required": ["a"]}, "$.a: is missing"),
    ({"b": 1}, {"properties": {"a": {}}, "additionalProperties": False}, "$.b: is not known"),
    ({"b": 1}, {"additionalProperties": {"type": "string"}}, "$.b"),
    ([1, "x"], {"items": {"type": "integer"}}, "$[1]"),
    ([1, "x", 2], {"prefixItems": [{"type": "integer"}, {"type": "string"}], "items": {"type": "boolean"}}, "$[2]"),
    ([1, 1], {"uniqueItems": True}, "twice"),
    ([], {"minItems": 1}, "at least 1"),
    ("abc", {"maxLength": 2}, "at most 2"),
    (5, {"exclusiveMaximum": 5}, "under 5"),
    (0.3, {"multipleOf": 0.1}, None),
    ("x", {"enum": ["y", 1]}, "one of"),
    (1, {"const": True}, "must be True"),
    (None, {"type": ["string", "null"]}, None),
    (3, {"anyOf": [{"type": "string"}, {"minimum": 5}]}, "fits 0"),
    (3, {"oneOf": [{"type": "integer"}, {"minimum": 1}]}, "fits 2"),
    (3, {"not": {"type": "integer"}}, "must not"),
    (3, False, "nothing is allowed"),
    ({"n": {"n": {}}}, {"$ref": "#/$defs/n", "$defs": {"n": {"required": ["n"], "properties": {"n": {"$ref": "#/$defs/n"}}}}}, "$.n.n.n"),
    ("anything", {"$ref": "https://elsewhere/schema"}, None),
    ("anything", {"format": "email"}, None),
]  # fmt: skip


@pytest.mark.parametrize(("value", "schema", "says"), CASES)
def test_a_value_against_a_schema(value: Any, schema: Any, says: str | None) -> None:
    found = problem(value, schema)
    assert (found is None) == (says is None), found
    if says is not None:
        assert says in str(found)


def test_a_schema_that_leads_to_itself_ends() -> None:
    assert "too much" in str(problem(1, {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}))
    assert problem([[[]]], {"items": {"$ref": "#"}}) is None


KEYWORDS = [
    "type", "enum", "const", "required", "properties", "patternProperties", "additionalProperties", "items", "prefixItems",
    "uniqueItems", "minItems", "maxLength", "minimum", "exclusiveMaximum", "multipleOf", "allOf", "anyOf", "oneOf", "not", "$ref",
]  # fmt: skip
SCHEMAS = st.recursive(
    VALUES | st.sampled_from(["object", "#", "#/items", "string"]),
    lambda inner: st.dictionaries(st.sampled_from(KEYWORDS), inner | st.lists(inner, max_size=3), max_size=4),
    max_leaves=10,
)


@given(VALUES, SCHEMAS)
def test_any_schema_is_survived(value: Any, schema: Any) -> None:
    problem(value, schema if isinstance(schema, dict | bool) else {"enum": schema})


# what there is to do about a cut


def told(*events: Any) -> Gathering:
    gathering = Gathering()
    for event in events:
        gathering.add(event)
    return gathering


ASKED = ChatRequest("m", (text_message("user", "hi"),), stream=True, max_tokens=20)


def names(
    request: ChatRequest, sent: Gathering, tokens: int = 3, *, prefill: bool = True
) -> list[str] | tuple[Any, ...]:
    planned = plan(request, sent, tokens, prefill=prefill)
    return planned.events if isinstance(planned, Ending) else [way.name for way in planned]


def test_what_is_whole_is_only_ended() -> None:
    assert names(ASKED, told(TextDelta("all"), Finished("stop"))) == ()
    assert names(ASKED, told(TextDelta("as long as it may be")), 20) == (Finished("length"),)
    assert names(ASKED, told(ToolCallDelta(0, '{"a": 1}', "c", "f"))) == (Finished("tool_calls"),)
    wanted = Format("schema", schema={"type": "object"})
    request = ChatRequest("m", ASKED.messages, format=wanted)
    assert names(request, told(TextDelta('{"a": 1}'))) == (Finished("stop"),)


def test_the_ways_of_each_cut() -> None:
    assert names(ASKED, told(TextDelta("half an"))) == ["prefill", "asking"]
    assert names(ASKED, told(TextDelta("half an")), prefill=False) == ["asking"]
    assert names(ASKED, told(TextDelta(" \n"))) == ["anew"]
    assert names(ASKED, told(ToolCallDelta(0, '{"a": ', "c", "f"))) == ["call again", "rest of call"]
    assert names(ASKED, told(ToolCallDelta(0, "", "c", "f"))) == ["call again", "rest of call"]
    request = ChatRequest("m", ASKED.messages, format=Format("json"))
    assert names(request, told(TextDelta('{"a": '))) == ["prefill", "anew", "rest of JSON"]


def test_a_prefill_ends_without_space_and_thinks_no_more() -> None:
    request = ChatRequest("m", ASKED.messages, thinking=Thinking(effort="high"))
    planned = plan(request, told(TextDelta("half an \n")), 3, prefill=True)
    assert not isinstance(planned, Ending)
    way = planned[0]
    assert way.request.messages[-1] == text_message("assistant", "half an")
    assert way.request.continues
    assert way.request.thinking == Thinking(enabled=False)
    shaper = way.shaper()
    assert shaper.take(TextDelta(" \nanswer")) == [TextDelta("answer")]


def test_a_beginning_that_the_client_gave_stays_the_beginning() -> None:
    messages = (*ASKED.messages, text_message("assistant", "Once upon"))
    request = ChatRequest("m", messages, continues=True)
    planned = plan(request, told(TextDelta(" a time")), 3, prefill=False)
    assert not isinstance(planned, Ending)
    shaper = planned[0].shaper()
    assert shaper.take(TextDelta("Once upon a time")) == []
    assert shaper.take(TextDelta(" there was")) == [TextDelta(" there was")]
