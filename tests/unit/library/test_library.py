"""What may be given to the library, and what is made of it, without asking anybody."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal, TypedDict

import msgspec
import pydantic
import pytest

import corral
from corral import LLM, Image, Message, Text, ToolCall, errors, image, tool_result
from corral.errors import CorralError, InvalidRequest, OutputInvalid
from corral.kit.errors import by_code
from corral.kit.json_schema import fault, problem
from corral.library.messages import messages_of, tool_of
from corral.library.options import request_of
from corral.library.shapes import close, shape_of


def test_importing_it_loads_no_server_and_no_database() -> None:
    script = (
        "import sys, corral; first = set(sys.modules); from corral import LLM, Message; LLM(); "
        "print(len([one for one in first if one.startswith('corral.')]));"
        "print(*sorted({one.split('.')[0] for one in sys.modules} & {'fastapi', 'socketio', 'uvicorn', 'sqlalchemy', 'pydantic', 'aiohttp'}));"
        "print(*[one for one in sys.modules if one.startswith(('corral.app', 'corral.surfaces', 'corral.inference', 'corral.engines'))])"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert told == ["1", "", ""]


def test_every_public_name_is_there() -> None:
    for name in corral.__all__:
        assert getattr(corral, name) is not None
    assert set(dir(corral)) == set(corral.__all__)
    assert (Path(corral.__file__).parent / "py.typed").exists()
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = corral.nothing_like_it


def test_a_question_a_message_and_a_conversation_are_messages() -> None:
    asked = Message("user", (Text("hi"),))
    assert messages_of("hi") == messages_of(asked) == messages_of([asked]) == (asked,)
    assert messages_of([{"role": "user", "content": "hi"}]) == (asked,)
    assert messages_of("hi", "Be brief.")[0] == Message("system", (Text("Be brief."),))
    call = ToolCall("1", "look", "{}")
    conversation = [asked, Message("assistant", (call,)), tool_result(call, "nothing", failed=True)]
    assert messages_of(conversation)[2].parts[0].call_id == "1"  # type: ignore[union-attr]


@pytest.mark.parametrize("wrong", [[], [3], [{"role": "nobody", "content": "hi"}], [{"content": object()}]])
def test_what_is_no_message_is_refused_with_its_field(wrong: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        messages_of(wrong)
    assert str(caught.value.param).startswith("messages")


def test_images(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"png")
    assert image("https://a/b.png") == Image(url="https://a/b.png")
    assert image(path) == image(str(path)) == image(b"png", "image/png") == Image("image/png", "cG5n")
    with pytest.raises(InvalidRequest, match="media_type"):
        image(b"png")


def weather(city: str, unit: Literal["C", "F"] = "C", days: list[int] | None = None) -> str:
    """How the weather is."""
    return city


def test_a_function_a_mapping_and_a_tool_are_tools() -> None:
    made = tool_of(weather)
    assert (made.name, made.description) == ("weather", "How the weather is.")
    assert made.schema is not None
    assert fault(made.schema) is None
    assert made.schema["required"] == ["city"]
    assert problem({"city": "Ulm", "unit": "K"}, made.schema) is not None
    assert problem({"city": "Ulm", "days": [1]}, made.schema) is None
    told = {"name": "a", "description": "b", "parameters": {"type": "object"}}
    assert tool_of(told) == tool_of({"type": "function", "function": told}) == corral.Tool("a", "b", {"type": "object"})
    assert tool_of(made) is made


def wide(*everything: int) -> None: ...


def odd(stream: corral.AnswerStream[None]) -> None: ...


@pytest.mark.parametrize("wrong", [3, {}, {"name": 3}, wide, odd, lambda x: x])
def test_what_is_no_tool_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        tool_of(wrong)
    assert caught.value.param == "tools"


class Place(pydantic.BaseModel):
    city: str
    people: int

    @pydantic.field_validator("people")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("must be odd")
        return value


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0


class Pair(TypedDict):
    one: str
    other: Point


class Node(msgspec.Struct):
    name: str
    children: list[Node] = []


class Leaf(msgspec.Struct):
    name: str


SHAPES: list[tuple[Any, str, Any]] = [
    (Place, '{"city": "Ulm", "people": 7}', Place(city="Ulm", people=7)),
    (Point, '{"x": 1, "y": 2}', Point(1, 2)),
    (Pair, '{"one": "a", "other": {"x": 1}}', {"one": "a", "other": Point(1)}),
    (Node, '{"name": "a", "children": [{"name": "b"}]}', Node("a", [Node("b")])),
    (Leaf, '{"name": "a"}', Leaf("a")),
    (list[int], '{"value": [1, 2]}', [1, 2]),
    (Literal["yes", "no"], '{"value": "no"}', "no"),
    (bool, '{"value": true}', True),
    (dict, '{"a": 1}', {"a": 1}),
    ({"type": "array", "items": {"type": "integer"}}, "[1]", [1]),
]


@pytest.mark.parametrize(("schema", "text", "value"), SHAPES, ids=lambda one: str(one)[:20])
def test_types_are_forms_and_answers_are_their_values(schema: Any, text: str, value: Any) -> None:
    shape = shape_of(schema)
    assert shape.read(text) == value
    if shape.format.kind == "schema":
        assert shape.format.schema is not None
        assert fault(shape.format.schema) is None
        assert problem(json.loads(text), shape.format.schema) is None
        assert "$ref" not in shape.format.schema or schema is Node


def test_a_rule_that_no_schema_tells_is_held_too() -> None:
    with pytest.raises(OutputInvalid, match="must be odd") as caught:
        shape_of(Place).read('{"city": "Ulm", "people": 8}')
    assert caught.value.details is not None
    assert caught.value.details["text"].startswith('{"city"')


def test_objects_are_closed_and_strict_is_asked_for_where_it_can_be() -> None:
    assert shape_of(Place).format.strict is True
    schema = shape_of(Place).format.schema
    assert schema is not None
    assert schema["additionalProperties"] is False
    # With a default not all fields are needed.
    assert shape_of(Point).format.strict is None
    assert close({"type": "object", "additionalProperties": {"type": "string"}}) is False
    assert shape_of({"type": "object", "title": "A place!"}).format.name == "A_place_"


def test_what_has_no_schema_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        shape_of(corral.AnswerStream)
    assert caught.value.param == "schema"


def test_options_are_fields_of_the_request() -> None:
    request = request_of(
        "m", messages_of("hi"), None,
        {"max_tokens": 5, "stop": "x", "effort": "low", "tool_choice": "weather", "tools": [weather], "extra": {"store": False}},
        stream=True,
    )  # fmt: skip
    assert (request.max_tokens, request.stop, request.extras) == (5, ("x",), {"store": False})
    assert request.tool_choice is not None
    assert request.tool_choice.name == "weather"
    assert request.thinking is not None
    assert request.thinking.effort == "low"


@pytest.mark.parametrize(
    ("options", "field"), [({"temprature": 1}, "temprature"), ({"temperature": "hot"}, "temperature")]
)
def test_options_that_are_not_known_or_wrong_are_refused(options: Any, field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        request_of("m", messages_of("hi"), None, options, stream=False)
    assert caught.value.param == field


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"prividers": {}}, "prividers"),
        ({"url": "http://127.0.0.1:1", "routes": {}}, "routes"),
        ({"url": "http://127.0.0.1:1", "data": "x"}, "data"),
        ({"key": "secret"}, "key"),
        ({"settings": {"routes": {}}}, "settings"),
    ],
)
def test_what_does_not_go_together_is_refused_at_once(given: Any, field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        LLM(**given)
    assert caught.value.param == field


def test_every_error_is_public_and_its_code_leads_back_to_it() -> None:
    tree = [CorralError]
    for kind in tree:
        tree += kind.__subclasses__()
    ours = {kind.__name__: kind for kind in tree if kind.__module__ == "corral.kit.errors"}
    assert set(errors.__all__) == set(ours)
    for kind in (errors.RateLimited, errors.OutputInvalid, errors.UpstreamFailed, errors.ModelNotFound):
        assert by_code(kind.code) is kind
    assert by_code("internal") is errors.InternalError
    assert by_code("none of ours") is None
