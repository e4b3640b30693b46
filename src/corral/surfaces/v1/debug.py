"""`/api/v1/debug…`: traces, failures, samples, lines of the log and profiles; and where pages leave their own spans."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from corral.accounts.service import Accounts
from corral.accounts.types import Permission
from corral.kit.context import request_id
from corral.kit.errors import Forbidden, PayloadTooLarge
from corral.monitoring.debug import Debug, PageFailure, PageSpan, Profiler
from corral.monitoring.logs import Logs
from corral.surfaces.api.logs import LogPage
from corral.surfaces.api.routing import ApiRouter
from corral.surfaces.bodies import require_json
from corral.surfaces.v1.envelope import ok
from corral.surfaces.v1.reading import fields_at_fault

MAX_BODY = 128 * 1024
MAX_SPANS, MAX_FAILURES, MAX_MARKS, MAX_ATTRIBUTES = 64, 32, 64, 16
_FOREIGN = ("cross-site", "same-site")

Id = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9_.:@-]+$")]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Moment = Annotated[float, Field(ge=0, le=1e14, allow_inf_nan=False)]
Key = Annotated[str, Field(min_length=1, max_length=60)]
Fact = Annotated[str, Field(max_length=300)] | bool | Annotated[int, Field(ge=-(2**53), le=2**53)] | float


class Body(BaseModel):
    """Base of what a page tells; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Mark(Body):
    """A moment within a span, in milliseconds since 1970."""

    at: Moment
    name: Name


class SpanBody(Body):
    """A span of a page. Times are milliseconds, `start` since 1970."""

    requestId: Id  # noqa: N815 - the names on the wire
    traceId: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]  # noqa: N815
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    parentId: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None  # noqa: N815
    name: Name
    start: Moment
    ms: Annotated[float, Field(ge=0, le=3_600_000, allow_inf_nan=False)]
    attributes: Annotated[dict[Key, Fact], Field(max_length=MAX_ATTRIBUTES)] = {}
    error: Annotated[str, Field(max_length=200)] = ""
    marks: Annotated[list[Mark], Field(max_length=MAX_MARKS)] = []

    @field_validator("traceId", "id")
    @classmethod
    def some(cls, value: str) -> str:
        """The standard's ids are never all zeros."""
        if not value.strip("0"):
            raise ValueError("is all zeros")
        return value

    def told(self) -> PageSpan:
        """As the room takes it."""
        marks = tuple((mark.at / 1e3, mark.name) for mark in self.marks)
        return PageSpan(
            self.requestId, self.traceId, self.id, self.parentId or "", self.name, self.start / 1e3, self.ms, self.attributes,
            self.error, marks,
        )  # fmt: skip


class FailureBody(Body):
    """What went wrong in a page."""

    code: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}$")]
    message: Annotated[str, Field(max_length=500)] = ""
    where: Annotated[str, Field(max_length=60)] = "page"
    requestId: Id | None = None  # noqa: N815
    at: Moment
    recovery: Annotated[str, Field(max_length=100)] = ""

    def told(self) -> PageFailure:
        """As the room takes it."""
        return PageFailure(self.code, self.message, self.where, self.requestId or "", self.at / 1e3, self.recovery)


class PageBody(Body):
    """What a page tells of itself."""

    spans: Annotated[list[SpanBody], Field(max_length=MAX_SPANS)] = []
    errors: Annotated[list[FailureBody], Field(max_length=MAX_FAILURES)] = []


class MetricQuery(BaseModel):
    """Which samples; times in seconds since 1970. `tag` is `name:value`, several are all asked for."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: Name | None = None
    tag: Annotated[list[Annotated[str, Field(max_length=200, pattern=r"^[^:]+:")]], Field(max_length=8)] = []
    since: Annotated[float, Field(ge=0, le=1e11)] | None = None
    until: Annotated[float, Field(ge=0, le=1e11)] | None = None
    points: Annotated[int, Field(ge=0, le=1000)] = 0


def debug_router(accounts: Accounts, debug: Debug, profiler: Profiler, logs: Logs) -> ApiRouter:
    """The routes."""
    api = ApiRouter(accounts, prefix="/api/v1/debug", tags=["debug"])

    @api.get("/traces", permission=Permission.DEBUG_READ)
    async def traces(
        kind: Annotated[str | None, Query(max_length=20)] = None, limit: Annotated[int, Query(ge=1, le=500)] = 100
    ) -> dict[str, Any]:
        return _ok(debug.traces(kind, limit))

    @api.get("/traces/{request}", permission=Permission.DEBUG_READ)
    async def trace(request: str) -> dict[str, Any]:
        return _ok(debug.trace(request[:80]))

    @api.get("/errors", permission=Permission.DEBUG_READ)
    async def errors(limit: Annotated[int, Query(ge=1, le=500)] = 100) -> dict[str, Any]:
        return _ok(debug.errors(limit))

    @api.get("/metrics", permission=Permission.DEBUG_READ)
    async def metrics(query: Annotated[MetricQuery, Query()]) -> dict[str, Any]:
        tags = dict(tag.split(":", 1) for tag in query.tag)
        return _ok(debug.metrics(query.name, tags, query.since, query.until, query.points))

    @api.get("/logs", permission=Permission.LOGS_READ)
    async def lines(query: Annotated[LogPage, Query()]) -> dict[str, Any]:
        return _ok(await logs.search(query.model_dump(exclude={"limit"}), query.limit))

    @api.get("/profile", permission=Permission.DEBUG_READ)
    async def profile(
        request: Request,
        seconds: Annotated[float, Query(ge=0.1, le=30, allow_inf_nan=False)] = 5.0,
        rate: Annotated[int, Query(ge=1, le=250)] = 100,
    ) -> dict[str, Any]:
        # It costs something, and a GET is what any page on the web can have a browser send.
        if request.headers.get("sec-fetch-site") in _FOREIGN:
            raise Forbidden("A page of another origin may not do this.")
        return _ok(await profiler.profile(seconds, rate))

    schema = {"application/json": {"schema": PageBody.model_json_schema()}}
    described = {"requestBody": {"required": True, "content": schema}}

    @api.post("/spans", permission=Permission.CHAT, openapi_extra=described)
    async def spans(request: Request) -> dict[str, Any]:
        require_json(request.headers.get("content-type"))
        told = read_page(await _bounded(request))
        taken = debug.take([one.told() for one in told.spans], [one.told() for one in told.errors])
        return _ok({"taken": taken})

    return api


def read_page(body: bytes) -> PageBody:
    """What a page tells. Raises InvalidRequest for no JSON, FieldsInvalid naming the fields."""
    try:
        return PageBody.model_validate_json(body)
    except ValidationError as error:
        raise fields_at_fault(error.errors(include_url=False, include_input=False), frozenset()) from None


async def _bounded(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise PayloadTooLarge(f"The body is larger than the {MAX_BODY} bytes allowed; send fewer spans at once.")
    return bytes(body)


def _ok(data: Any) -> dict[str, Any]:
    return ok(data, request_id.get())
