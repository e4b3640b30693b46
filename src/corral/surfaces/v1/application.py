"""`/api/v1`: text from a prompt, models and the server's status, in one envelope. The guide is docs/guides/api-v1.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from corral.accounts.service import Accounts
from corral.accounts.types import Permission
from corral.kit.context import request_id
from corral.surfaces.api.routing import ApiRouter, CurrentPrincipal
from corral.surfaces.calls import Answers
from corral.surfaces.door import Pace
from corral.surfaces.listing import Listed, Models
from corral.surfaces.v1.envelope import PREFIX, ok
from corral.surfaces.v1.generate import Generation, ask_of
from corral.surfaces.v1.reading import read_body
from corral.surfaces.v1.types import Failure, GenerateBody, Generated, ModelEntry, ModelList, Status, Success

_WORDS = {
    400: "The body is not JSON, or the prompt is too long for the model.",
    404: "There is no such thing.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "Fields are wrong; `details.fields` names each.",
    429: "A limit is reached, or too many wait. `Retry-After` says when to come again.",
    502: "The model failed, or its answer is not valid against the schema.",
    503: "Cannot be served just now.",
    504: "The model said nothing for too long.",
}
_STREAM = """event: token
data: {"text":"Once "}

event: token
data: {"text":"upon a time."}

event: complete
data: {"success":true,"data":{"id":"chatcmpl-1","text":"Once upon a time.",…},"metadata":{…}}

"""

_METADATA = {"requestId": "req_365c1017d1cd96a1ca69", "timestamp": 1795291190259, "version": "0.1.0"}
_GENERATED = {
    "id": "chatcmpl-1", "model": "cria", "provider": "local", "text": '{"name": "Ada"}', "json": {"name": "Ada"}, "reasoning": "A short name will do.",
    "finishReason": "stop", "usage": {"promptTokens": 24, "completionTokens": 5, "totalTokens": 29, "cachedTokens": 0},
    "attempts": 1, "cache": "miss",
}  # fmt: skip
_REFUSED = {
    "code": "fields_invalid",
    "message": "temperature: input should be less than or equal to 2",
    "details": {
        "field": "temperature",
        "fields": [{"field": "temperature", "message": "input should be less than or equal to 2"}],
    },
}


class ServerStatus(Protocol):
    """How the server is (a port that `app` fills)."""

    def default_model(self) -> str | None:
        """The model of requests that name none."""
        ...

    def status(self) -> dict[str, Any]:
        """`status`, `reason`, `startedAt`, `uptimeSeconds` and `engines`, as `types.Status` has them."""
        ...


def v1_router(accounts: Accounts, answers: Answers, models: Models, server: ServerStatus, pace: Pace) -> ApiRouter:
    """The routes."""
    api = ApiRouter(accounts, prefix=PREFIX, tags=["v1"])
    _add_generate(api, answers, pace)

    @api.get("/models", permission=Permission.MODELS_READ, summary="All names that can be asked for",
             responses={200: {"model": Success[ModelList]}, **_failures()})  # fmt: skip
    async def listed(principal: CurrentPrincipal) -> Response:
        default = server.default_model()
        return _told({"models": [entry(one, default) for one in models.listed(principal)]})

    @api.get("/models/{name:path}", permission=Permission.MODELS_READ, summary="One of them",
             responses={200: {"model": Success[ModelEntry]}, **_failures(404)})  # fmt: skip
    async def one(name: str, principal: CurrentPrincipal) -> Response:
        return _told(entry(models.one(principal, name), server.default_model()))

    @api.get("/status", permission=Permission.STATUS, summary="Whether answers can be given",
             responses={200: {"model": Success[Status]}, **_failures()})  # fmt: skip
    async def status(principal: CurrentPrincipal) -> Response:
        found: Iterable[Listed] = models.listed(principal)
        return _told({**server.status(), "defaultModel": server.default_model(), "models": sum(1 for _ in found)})

    return api


def _add_generate(api: ApiRouter, answers: Answers, pace: Pace) -> None:
    described = {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": GenerateBody.model_json_schema()}},
        }
    }
    good = {
        "model": Success[Generated],
        "description": "The answer. With `stream` the events `token`, `reasoning` and, as the last one, `complete` or `error`, whose data are envelopes.",
        "content": {
            "application/json": {"example": _example(_GENERATED)},
            "text/event-stream": {"schema": {"type": "string"}, "example": _STREAM},
        },
    }

    @api.post("/generate", permission=Permission.INFERENCE, summary="Text from a prompt", openapi_extra=described,
              responses={200: good, **_failures(*_WORDS)})  # fmt: skip
    async def generate(request: Request, principal: CurrentPrincipal) -> Response:
        body = await read_body(request, GenerateBody)
        return Generation(answers, principal, body, ask_of(body, dict(request.headers)), pace)


def _example(data: dict[str, Any]) -> dict[str, Any]:
    return {"success": True, "data": data, "metadata": _METADATA}


def _failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {one: {"model": Failure, "description": _WORDS[one]} for one in statuses}
    if 422 in found:
        refused = {"success": False, "error": _REFUSED, "metadata": _METADATA}
        found[422]["content"] = {"application/json": {"example": refused}}
    return {**found, "default": {"model": Failure, "description": "A refusal or failure."}}


def _told(data: dict[str, Any]) -> JSONResponse:
    return JSONResponse(ok(data, request_id.get()))


def entry(model: Listed, default: str | None) -> dict[str, Any]:
    """One model, as `types.ModelEntry` has it."""
    return {
        "id": model.id,
        "title": model.title,
        "description": model.description,
        "ownedBy": model.owned_by,
        "local": model.local,
        "state": model.state,
        "contextLength": model.context_length,
        "parameters": model.parameters,
        "sizeBytes": model.size,
        "architecture": model.architecture,
        "quantization": model.quantization,
        "capabilities": list(model.capabilities),
        "default": model.id == default,
    }
