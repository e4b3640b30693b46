"""Errors of Google's APIs, and ours in their form (https://google.aip.dev/193)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from corral.dialects.failures import by_status, seconds, too_long
from corral.kit.errors import ContextExceeded, CorralError

_ENCODE = msgspec.json.Encoder().encode
_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_TOO_LONG = re.compile(r"input token count \(?(\d{1,12})\)? exceeds the maximum number of tokens allowed \(?(\d{1,12})")
_WAIT = re.compile(r"^(\d{1,6}(?:\.\d+)?)s$")
_REFUSED = frozenset(("API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "SERVICE_DISABLED", "CONSUMER_INVALID"))
_STATUS_OF = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_NAME_OF = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> CorralError:
    """What an error answer means (header names in lower case)."""
    try:
        told = _ANY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        told = None
    if isinstance(told, list) and told:
        # A stream that is not one of events tells its error within a list.
        told = told[0]
    error = told.get("error") if isinstance(told, dict) else None
    if not isinstance(error, dict):
        text = body[:300].decode("utf-8", "replace").strip()
        return by_status(status, text or f"status {status}", retry_after=seconds(headers))
    return of(error, status, seconds(headers))


def of(error: Mapping[str, Any], status: int = 0, retry_after: float | None = None) -> CorralError:
    """What an `error` object means; `status` 0 when it came inside an answer of status 200."""
    message = str(error.get("message") or "no reason given")
    name, code = error.get("status"), error.get("code")
    if not status:
        told = code if isinstance(code, int) and 400 <= code < 600 else 500
        status = _STATUS_OF.get(name, told) if isinstance(name, str) else told
    if match := _TOO_LONG.search(message):
        return too_long(int(match[1]), int(match[2]))
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if not isinstance(detail, dict):
            continue
        if detail.get("reason") in _REFUSED:
            status = 403
        wait = _WAIT.match(str(detail.get("retryDelay", "")))
        if wait:
            retry_after = float(wait[1])
        if status == 429 and any("PerDay" in str(one) for one in detail.get("violations") or ()):
            # What a day allows is used up: seconds do not help.
            status = 402
    return by_status(status, message, retry_after=retry_after)


def write_error(error: CorralError) -> bytes:
    """The body of an error answer, and the data of an error within a stream."""
    status = error.status
    name = _NAME_OF.get(status, "INVALID_ARGUMENT" if status < 500 else "INTERNAL")
    details = error.details or {}
    prompt, context = details.get("n_prompt_tokens"), details.get("n_ctx")
    message = error.message
    if isinstance(error, ContextExceeded) and prompt and context:
        # The API's own words, which clients look for.
        message = (
            f"The input token count ({prompt}) exceeds the maximum number of tokens allowed ({context}). {message}"
        )
    told: dict[str, Any] = {"code": status, "message": message, "status": name}
    if error.retry_after is not None:
        wait = f"{error.retry_after:g}s"
        told["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": wait}]
    return _ENCODE({"error": told})
