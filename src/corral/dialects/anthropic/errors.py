"""Errors of Anthropic's API, and ours in its form."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from corral.dialects.failures import by_status, seconds, too_long
from corral.kit.errors import ContextExceeded, CorralError, UpstreamFailed

_ENCODE = msgspec.json.Encoder().encode

_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_TYPE_OF = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_TOO_LONG = re.compile(r"prompt is too long: (\d{1,12}) tokens? > (\d{1,12})")
_TOO_LONG_IN_ALL = re.compile(r"exceed context limit: (\d{1,12}) \+ (\d{1,12}) > (\d{1,12})")
_NO_CREDIT = re.compile(r"credit balance is too low|usage limits|spend limit", re.IGNORECASE)
_FIELD = re.compile(r"^([a-z_]+(?:\.[A-Za-z0-9_]+)*): ")


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Body(msgspec.Struct):
    error: _Error


_BODY = msgspec.json.Decoder(_Body)


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> CorralError:
    """What an error answer means (header names in lower case)."""
    error = _error(body)
    if error is None:
        told = body[:300].decode("utf-8", "replace").strip()
        return _meaning(status, "", told or f"status {status}", seconds(headers))
    return _meaning(status, error.type, error.message or "no reason given", seconds(headers))


def read_event_error(data: bytes) -> CorralError:
    """What an error within a stream, or within an answer of status 200, means."""
    error = _error(data)
    if error is None:
        return UpstreamFailed("The provider told an error without saying which.")
    return _meaning(_STATUS_OF.get(error.type, 500), error.type, error.message or "no reason given", None)


def write_error(error: CorralError) -> bytes:
    """The body of an error answer, and the data of an error event."""
    kind = _TYPE_OF.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    # The API's own words for a prompt that is too long begin so, and clients look for them.
    details = error.details or {}
    prompt, context = details.get("n_prompt_tokens"), details.get("n_ctx")
    message = error.message
    if isinstance(error, ContextExceeded) and prompt and context:
        message = f"prompt is too long: {prompt} tokens > {context} maximum. {message}"
    return _ENCODE({"type": "error", "error": {"type": kind, "message": message}})


def _error(body: bytes) -> _Error | None:
    try:
        return _BODY.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _meaning(status: int, kind: str, message: str, retry_after: float | None) -> CorralError:
    if match := _TOO_LONG.search(message):
        return too_long(int(match[1]), int(match[2]))
    if match := _TOO_LONG_IN_ALL.search(message):
        return too_long(int(match[1]) + int(match[2]), int(match[3]))
    if kind == "billing_error" or _NO_CREDIT.search(message):
        status = 402
    field = _FIELD.match(message)
    return by_status(status, message, retry_after=retry_after, param=field[1] if field else None)
