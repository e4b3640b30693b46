"""Errors in the dialects of the surfaces."""

from __future__ import annotations

from typing import Any

from corral.kit.errors import CorralError

_OPENAI_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def render_api(error: CorralError, request_id: str) -> dict[str, Any]:
    """The error form of `/api/*` (product contract, section 10)."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    details = dict(error.details or {})
    if error.param is not None:
        details.setdefault("field", error.param)
    if details:
        body["details"] = details
    return {"error": body, "requestId": request_id}


def render_openai(error: CorralError) -> dict[str, Any]:
    """The error form of OpenAI's API; extra facts stand beside the four standard fields."""
    kind = _OPENAI_TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")
    body: dict[str, Any] = {"message": error.message, "type": kind, "param": error.param, "code": error.code}
    for key, value in (error.details or {}).items():
        body.setdefault(key, value)
    return {"error": body}
