"""Bodies of requests, changed at their top level without touching the rest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from corral.kit.errors import InvalidRequest

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def fields_of(body: bytes) -> dict[str, msgspec.Raw]:
    """The fields of `body`, each as its bytes. Raises InvalidRequest for what is no object."""
    try:
        return _FIELDS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is not a JSON object: {error}.") from None


def body_of(fields: Mapping[str, msgspec.Raw]) -> bytes:
    """The other way."""
    return msgspec.json.encode(fields)


def raw(value: Any) -> msgspec.Raw:
    """A value as the bytes of a field."""
    return msgspec.Raw(msgspec.json.encode(value))


def with_fields(body: bytes, **values: Any) -> bytes:
    """`body` with other values for some fields."""
    fields = fields_of(body)
    fields.update((name, raw(value)) for name, value in values.items())
    return body_of(fields)


def only(body: bytes, names: Collection[str]) -> bytes:
    """`body` with no fields but `names`."""
    return body_of({name: value for name, value in fields_of(body).items() if name in names})


def changed(body: bytes, change: Callable[[dict[str, msgspec.Raw]], bool]) -> bytes:
    """`body` after `change`, which tells whether it changed anything; the same bytes when not."""
    fields = fields_of(body)
    return body_of(fields) if change(fields) else body
