"""Reading JSON that strangers wrote, so that what is wrong with it is said with the field's name."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from corral.kit.errors import InvalidRequest

T = TypeVar("T")

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for JSON that cannot be read: wrong syntax or types, bytes that are not UTF-8, nesting without end."""

_TOP = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_WHOLE = msgspec.json.Decoder(dict[str, Any])
_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `(?P<where>[^`]*)`)?$", re.DOTALL)


class Fields:
    """The fields of a request's top level. What is taken is known; the rest, and every null, is left for the extras."""

    def __init__(self, body: bytes, place: str = "") -> None:
        """`place` is where the object stands within the request. Raises InvalidRequest for what is not a JSON object."""
        self._place = f"{place}." if place else ""
        try:
            self._left = _TOP.decode(body)
        except MALFORMED as error:
            raise InvalidRequest(f"The body is not a JSON object: {_said(error)}") from None

    def take(self, name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
        """The field, or None when it is absent or null (a null stays for the extras). Raises InvalidRequest naming the place."""
        raw = self._left.get(name)
        if raw is None or bytes(raw) == b"null":
            return None
        del self._left[name]
        return decode(decoder, raw, self._place + name)

    def need(self, name: str, decoder: msgspec.json.Decoder[T]) -> T:
        """The field, which must be there."""
        found = self.take(name, decoder)
        if found is None:
            raise InvalidRequest(f"{self._place}{name} is missing.", param=self._place + name)
        return found

    def extras(self) -> dict[str, Any]:
        """All that was not taken."""
        return {name: decode(_ANY, raw, name) for name, raw in self._left.items()}


def decode(decoder: msgspec.json.Decoder[T], raw: msgspec.Raw | bytes | str, name: str) -> T:
    """What `raw` says. Raises InvalidRequest naming the place within the field `name`."""
    try:
        return decoder.decode(raw)
    except MALFORMED as error:
        match = _PLACE.match(_said(error))
        what, where = (match["what"], match["where"]) if match else (_said(error), None)
        place = name + (where or "$").removeprefix("$")
        raise InvalidRequest(f"{place}: {what}", param=place) from None


def raw_object(raw: msgspec.Raw, name: str) -> str:
    """The text of a JSON object as it was written; of an empty one when it is absent or null. Raises InvalidRequest."""
    found = bytes(raw)
    if not found or found == b"null":
        return "{}"
    decode(_WHOLE, found, name)
    return found.decode()


def object_text(text: str) -> bytes | None:
    """`text` as JSON bytes when it is a JSON object; an empty one when it is empty; else None."""
    if not text or text.isspace():
        return b"{}"
    try:
        _WHOLE.decode(text)
    except MALFORMED:
        return None
    return text.encode()


def _said(error: Exception) -> str:
    return "it is nested too deep" if isinstance(error, RecursionError) else str(error)[:300]
