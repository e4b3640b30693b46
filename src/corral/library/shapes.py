"""Forms of answers as a program names them: a type or a JSON schema, and the value that an answer is of it."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from corral.dialects.form import Format
from corral.kit.errors import InvalidRequest, OutputInvalid

_WRAPPED = "value"
_STRICT = frozenset(
    ("type", "title", "description", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "$ref", "$defs")
)  # fmt: skip
"""Words that the strict mode of every generation of OpenAI's models knows."""


class Shape(NamedTuple):
    """`format` is what the model is asked for, `read` makes the value of its text. `read` raises OutputInvalid."""

    format: Format
    read: Callable[[str], Any]


def shape_of(schema: Any) -> Shape:
    """The form that is meant by a pydantic model, a dataclass, a TypedDict, a msgspec struct, any other type that pydantic knows
    (list[int], Literal[…]), or a JSON schema as a mapping. `dict` is any JSON object. Raises InvalidRequest."""
    if schema is dict:
        return Shape(Format("json"), _decoded)
    if isinstance(schema, Mapping):
        return Shape(Format("schema", _name(schema.get("title")), schema), _decoded)
    if typing.is_typeddict(schema) or (isinstance(schema, type) and issubclass(schema, msgspec.Struct)):
        return _of_msgspec(schema)
    return _of_pydantic(schema)


def _of_msgspec(schema: Any) -> Shape:
    try:
        decoder, told = msgspec.json.Decoder(schema), msgspec.json.schema(schema)
    except TypeError as error:
        raise InvalidRequest(f"schema: {error}"[:500], param="schema") from None
    return Shape(_format(schema.__name__, _plain(told)), lambda text: _read(text, decoder.decode))


def _of_pydantic(schema: Any) -> Shape:
    import pydantic

    whole = _is_object(schema)
    name = getattr(schema, "__name__", None) if whole else None
    try:
        # Not every provider takes a form that is no object at its top.
        made: Any = pydantic.TypeAdapter(schema) if whole else pydantic.TypeAdapter(_wrapper(schema))
        told = made.json_schema()
    except (pydantic.errors.PydanticUserError, TypeError) as error:
        raise InvalidRequest(f"schema: {error}"[:500], param="schema") from None

    def read(text: str) -> Any:
        value = _read(text, made.validate_json)
        return value if whole else getattr(value, _WRAPPED)

    return Shape(_format(name, told), read)


def _is_object(schema: Any) -> bool:
    """Whether its values are JSON objects of named fields."""
    return dataclasses.is_dataclass(schema) or not getattr(schema, "__pydantic_root_model__", True)


def _wrapper(schema: Any) -> Any:
    import pydantic

    fields: dict[str, Any] = {_WRAPPED: (schema, ...)}
    return pydantic.create_model("Answer", **fields)


def _format(name: str | None, schema: dict[str, Any]) -> Format:
    return Format("schema", _name(name), schema, strict=True if close(schema) else None)


def _name(told: Any) -> str | None:
    """A name as providers take it."""
    found = (
        "".join(char if char.isascii() and (char.isalnum() or char in "_-") else "_" for char in told)
        if isinstance(told, str)
        else ""
    )
    return found[:64] or None


def close(schema: Any) -> bool:
    """Closes the objects of a schema made here against fields that it does not name; whether all of their fields are needed, which is
    what the strict mode of OpenAI asks for."""
    strict = True
    if isinstance(schema, list):
        # Every one of them is to be closed, also behind one that is not strict.
        return min([close(one) for one in schema], default=True)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object":
        if "properties" not in schema:
            # A map from any name.
            strict = False
        elif "additionalProperties" not in schema:
            schema["additionalProperties"] = False
        strict = strict and set(schema.get("properties", ())) == set(schema.get("required", ()))
    strict = strict and schema.keys() <= _STRICT
    inner = [
        close(value)
        for word, value in schema.items()
        if word not in ("enum", "const", "default", "properties", "$defs")
    ]
    named = [close(value) for word in ("properties", "$defs") for value in schema.get(word, {}).values()]
    return strict and all(inner) and all(named)


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema of msgspec with its top in place of a reference to it, which not every provider follows."""
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    defined = schema.get("$defs", {})
    name = reference.removeprefix("#/$defs/")
    top = dict(defined[name])
    again = reference in str([top, *(one for other, one in defined.items() if other != name)])
    left = defined if again else {other: one for other, one in defined.items() if other != name}
    return {**top, "$defs": left} if left else top


def _decoded(text: str) -> Any:
    return _read(text, msgspec.json.decode)


def _read(text: str, decode: Callable[[Any], Any]) -> Any:
    try:
        return decode(text)
    except ValueError as error:
        # All that pydantic and msgspec raise for values. The schema held, so this is a rule that no schema tells.
        problems = str(error)[:1000]
        raise OutputInvalid(
            f"The answer is not in the form that was asked for: {problems}",
            details={"problems": [problems], "repairs": 0, "text": text[:2000]},
        ) from error
