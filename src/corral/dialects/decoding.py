"""JSON into typed structs, with every way to fail as an error of Corral's."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from corral.kit.errors import InvalidRequest, UpstreamFailed

_T = TypeVar("_T")
_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])

_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError)


def read_body(decoder: msgspec.json.Decoder[_T], body: bytes) -> _T:
    """What a client sent. Raises InvalidRequest naming the field at fault in `param`."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
    except _NOT_JSON as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None


def invalid(error: msgspec.ValidationError) -> InvalidRequest:
    """The error for a field that is not as it must be."""
    what, _, where = str(error).partition(" - at `$")
    field = where.rstrip("`").lstrip(".") or None
    if "missing required field" in what:
        name = what.split("`")[1]
        field, what = f"{field}.{name}" if field else name, "is missing"
    return InvalidRequest(f"{field or 'The body'}: {what}.", param=field)


def read_told(decoder: msgspec.json.Decoder[_T], data: bytes) -> _T:
    """What a provider sent. Raises UpstreamFailed for what is no JSON or not of the form."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise UpstreamFailed(f"The provider sent something unexpected: {error}.") from None
    except (*_NOT_JSON, RecursionError):
        raise UpstreamFailed("The provider sent something that is not JSON.") from None


def extras_of(body: bytes, known: frozenset[str]) -> dict[str, Any]:
    """The fields of the object in `body` that are not `known`. Raises InvalidRequest as `read_body`."""
    fields = read_body(_FIELDS, body)
    return {name: read_body(_ANY, bytes(value)) for name, value in fields.items() if name not in known}


def field_of(body: bytes, name: str) -> Any:
    """The field `name` of the object in `body`, as plain values. Raises InvalidRequest as `read_body`, and KeyError."""
    return read_body(_ANY, bytes(read_body(_FIELDS, body)[name]))
