"""Bodies of `/api/v1`, read and refused with the name of every field at fault."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from corral.kit.errors import CorralError, FieldsInvalid, InvalidRequest
from corral.surfaces.bodies import LARGE, require_json

ModelT = TypeVar("ModelT", bound=BaseModel)
MAX_FIELDS = 20
"""Fields that a refusal names."""
_MAX_NAME = 200
_PLACES = frozenset({"body", "query", "path", "header"})


def fields_at_fault(problems: Sequence[Mapping[str, Any]], places: frozenset[str] = _PLACES) -> CorralError:
    """The refusal for what pydantic found; `places` are first words of a field's place that do not belong to its name."""
    if any(one["type"] == "json_invalid" for one in problems):
        first = next(one for one in problems if one["type"] == "json_invalid")
        why = (first.get("ctx") or {}).get("error", "cannot be read")
        return InvalidRequest(f"The body is not valid JSON: {why}.")
    fields = [{"field": _name(one["loc"], places), "message": _words(one)} for one in problems[:MAX_FIELDS]]
    told = "; ".join(f"{one['field']}: {one['message']}" for one in fields[:3])
    more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
    return FieldsInvalid(f"{told}{more}", param=fields[0]["field"], details={"fields": fields})


async def read_body(request: Request, model: type[ModelT]) -> ModelT:
    """What the body says. Raises UnsupportedMedia, InvalidRequest for no JSON, FieldsInvalid, and what the edge says of its size and pace."""
    require_json(request.headers.get("content-type"))
    try:
        body = await request.body()
    except ClientDisconnect:
        raise InvalidRequest("The body ended before it was whole.") from None
    if len(body) < LARGE:
        return _parse(body, model)
    return await asyncio.to_thread(_parse, body, model)


def _parse(body: bytes, model: type[ModelT]) -> ModelT:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        raise fields_at_fault(problems, frozenset()) from None


def _name(place: Sequence[Any], places: frozenset[str]) -> str:
    """The field's name as the client wrote it: `stop.2`."""
    words = [str(word) for word in place]
    if words and words[0] in places:
        words = words[1:]
    return (".".join(words) or "body")[:_MAX_NAME]


def _words(problem: Mapping[str, Any]) -> str:
    if problem["type"] == "extra_forbidden":
        return "is no field of this request"
    if problem["type"] == "missing":
        return "is missing"
    said = str(problem["msg"]).removeprefix("Value error, ")
    return said[:1].lower() + said[1:]
