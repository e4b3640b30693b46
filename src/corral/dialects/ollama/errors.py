"""Errors of Ollama's API, and ours in its form: an object with `error`, a text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from corral.dialects.failures import by_status, seconds, too_long
from corral.kit.errors import ContextExceeded, CorralError, ModelNotFound, UpstreamOverloaded

_ENCODE = msgspec.json.Encoder().encode
_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_TOO_LONG = re.compile(r"prompt has (\d{1,12}) tokens and the model's context holds (\d{1,12})")
_TOO_LONG_SOMEHOW = re.compile(
    r"exceed\w* (?:the |max(?:imum)? |available )*context (?:length|size|window)|input (?:length )?too long|prompt too long",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(r"model .{1,200} not found", re.IGNORECASE)
_BUSY = re.compile(r"server busy|maximum pending requests", re.IGNORECASE)


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> CorralError:
    """What an error answer means (header names in lower case)."""
    try:
        told = _ANY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        told = None
    error = told.get("error") if isinstance(told, dict) else None
    if error is None:
        error = body[:300].decode("utf-8", "replace").strip()
    return of(error, status, seconds(headers))


def of(error: Any, status: int = 500, retry_after: float | None = None) -> CorralError:
    """What the value of `error` means; status 500 when it came inside an answer of status 200."""
    message = str(error.get("message") or error) if isinstance(error, dict) else str(error)
    if match := _TOO_LONG.search(message):
        return too_long(int(match[1]), int(match[2]))
    if _TOO_LONG_SOMEHOW.search(message):
        return ContextExceeded(f"The prompt is too long for the provider's model: {message[:1000]}", param="messages")
    if _NO_MODEL.search(message):
        return ModelNotFound(f"The provider knows no such model: {message[:1000]}", param="model")
    if _BUSY.search(message):
        return UpstreamOverloaded(f"The provider is overloaded: {message[:1000]}", retry_after=retry_after)
    return by_status(status, message, retry_after=retry_after)


def write_error(error: CorralError) -> bytes:
    """The body of an error answer."""
    return _ENCODE({"error": error.message})
