"""The one form of every message (product row DB-1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from corral.kit.clock import iso
from corral.kit.errors import CorralError, InvalidRequest

MAX_REQUEST_ID = 80


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked."""

    data: dict[str, Any]
    request_id: str | None


def parse(payload: Any) -> Request:
    """Reads `{data?, requestId?, …}`; nothing at all is an empty request. Raises InvalidRequest."""
    if payload is None:
        return Request({}, None)
    if not isinstance(payload, dict):
        raise InvalidRequest("An intent carries an object: {data?, requestId?}.")
    request_id = request_id_of(payload)
    if payload.get("requestId") is not None and request_id is None:
        raise InvalidRequest(f"requestId is text of at most {MAX_REQUEST_ID} characters.", param="requestId")
    data = payload.get("data")
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise InvalidRequest("data is an object.", param="data")
    return Request(data, request_id)


def request_id_of(payload: Any) -> str | None:
    """The request id of a payload that may be anything, None without a usable one."""
    value = payload.get("requestId") if isinstance(payload, dict) else None
    return value if isinstance(value, str) and len(value) <= MAX_REQUEST_ID else None


def traceparent_of(payload: Any) -> str:
    """The span of the page that an intent belongs to (https://www.w3.org/TR/trace-context/); empty without one."""
    value = payload.get("traceparent") if isinstance(payload, dict) else None
    return value if isinstance(value, str) and len(value) <= MAX_REQUEST_ID else ""


def result(event: str, data: Any, request_id: str | None, now: datetime) -> dict[str, Any]:
    """A good answer to an intent."""
    return _with_id(
        {"type": "result", "event": f"{event}:result", "success": True, "data": data, "timestamp": iso(now)}, request_id
    )


def failure(event: str, error: CorralError, request_id: str | None, now: datetime) -> dict[str, Any]:
    """A refusal of an intent."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    details = dict(error.details or {})
    if error.param is not None:
        details.setdefault("field", error.param)
    if details:
        body["details"] = details
    if error.retry_after is not None:
        body["retryAfter"] = error.retry_after
    return _with_id(
        {"type": "result", "event": f"{event}:result", "success": False, "error": body, "timestamp": iso(now)},
        request_id,
    )


def push(event: str, data: Any, now: datetime) -> dict[str, Any]:
    """News that nobody asked for."""
    return {"type": "push", "event": event, "data": data, "timestamp": iso(now)}


def _with_id(envelope: dict[str, Any], request_id: str | None) -> dict[str, Any]:
    if request_id is not None:
        envelope["requestId"] = request_id
    return envelope
