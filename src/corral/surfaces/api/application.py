"""The FastAPI application of the control API: routers, and one place that renders every error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from corral.kit.context import request_id
from corral.kit.errors import (
    CorralError,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    UnsupportedMedia,
)
from corral.kit.rendering import render_api
from corral.surfaces.api.routing import ApiRouter, undeclared_routes
from corral.surfaces.bodies import require_json
from corral.surfaces.v1.envelope import failed, is_v1
from corral.surfaces.v1.reading import fields_at_fault
from corral.telemetry import get_logger
from corral.telemetry.classification import ErrorLog, classify
from corral.version import __version__

_log = get_logger("corral.api")
_MAX_PROBLEMS = 10


def build_api(routers: Sequence[ApiRouter], errors: ErrorLog | None = None) -> FastAPI:
    """The application with `routers`; what it refuses is noted in `errors`. Raises TypeError when a route declares no permission."""
    app = FastAPI(
        title="Corral", version=__version__, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json",
        # A path with a slash too many is no other path's: a redirect would be no answer in any of our forms.
        redirect_slashes=False,
    )  # fmt: skip
    undeclared = undeclared_routes(routers)
    if undeclared:
        raise TypeError(f"routes without a permission: {', '.join(undeclared)}")
    app.state.errors = errors
    for router in routers:
        app.include_router(router.router)
    app.add_exception_handler(CorralError, _corral_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)
    return app


def error_response(error: CorralError, request: Request) -> JSONResponse:
    """The answer that tells of `error`, in the form of the request's path."""
    path, errors = request.url.path, request.app.state.errors
    if errors is not None:
        errors.note(error, "http", path=path)
    headers = dict(error.headers or {})
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    told = failed(error, request_id.get()) if is_v1(path) else render_api(error, request_id.get())
    return JSONResponse(told, status_code=error.status, headers=headers)


async def _corral_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CorralError)
    return error_response(error, request)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    if is_v1(request.url.path):
        return error_response(fields_at_fault(error.errors()), request)
    if isinstance(error.body, bytes):
        # It was not read, for what its content type says.
        try:
            require_json(request.headers.get("content-type"))
        except UnsupportedMedia as refusal:
            return error_response(refusal, request)
    problems = [_problem(item) for item in error.errors()[:_MAX_PROBLEMS]]
    first = problems[0] if problems else {"field": "body", "problem": "is not valid"}
    text = f"{first['field']}: {first['problem']}"
    return error_response(InvalidRequest(text, param=first["field"], details={"problems": problems}), request)


def _problem(item: dict[str, Any]) -> dict[str, str]:
    place = [str(part) for part in item["loc"] if part not in ("body", "query", "path", "header")]
    if item["type"] == "json_invalid":
        return {"field": "body", "problem": f"is not valid JSON ({item.get('ctx', {}).get('error', 'cannot be read')})"}
    return {"field": ".".join(place) or "body", "problem": str(item["msg"])}


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    known: CorralError
    if error.status_code == 404:
        known = NotFound(f"There is nothing at {request.url.path}.")
    elif error.status_code == 405:
        known = MethodNotAllowed(f"{request.method} is not possible here.")
    elif error.status_code == 413:
        known = PayloadTooLarge("The body is too large.")
    else:
        known = InvalidRequest(str(error.detail))
    response = error_response(known, request)
    if error.headers and "allow" in {name.lower() for name in error.headers}:
        response.headers["Allow"] = dict(error.headers).get("Allow", "")
    return response


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    _log.error("request_failed", **classify(error).facts, exc_info=error)
    return error_response(
        InternalError("Something went wrong in Corral; its log has the details under this request id."),
        request,
    )
