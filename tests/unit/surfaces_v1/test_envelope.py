"""Every answer under `/api/v1` has the one form, whoever gives it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Annotated, Any

import pytest
from fastapi import Query, Request
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict, Field

from corral.accounts.service import LocalAccounts
from corral.accounts.types import Permission
from corral.kit.context import request_id
from corral.kit.errors import TooManyRequests
from corral.surfaces.api.application import build_api
from corral.surfaces.api.routing import ApiRouter
from corral.surfaces.edge.middleware import Edge, EdgePolicy
from corral.surfaces.v1.envelope import ok
from corral.surfaces.v1.reading import MAX_FIELDS, read_body
from corral.version import __version__


class Inner(BaseModel):
    name: str


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: Annotated[int, Field(ge=1, le=9)]
    inner: list[Inner] = []


async def _served(app: Any, *call: Any) -> None:
    await app(*call)


def make_api() -> TestClient:
    api = ApiRouter(LocalAccounts(), prefix="/api/v1")

    @api.get("/things", permission=Permission.PUBLIC)
    async def things(limit: Annotated[int, Query(ge=1)] = 1) -> dict[str, Any]:
        return ok({"limit": limit}, request_id.get())

    @api.post("/things", permission=Permission.PUBLIC)
    async def make(request: Request) -> dict[str, Any]:
        return ok((await read_body(request, Body)).model_dump(), request_id.get())

    @api.get("/full", permission=Permission.PUBLIC)
    async def full() -> None:
        raise TooManyRequests("full", retry_after=2.4, details={"queue": 3})

    @api.get("/crash", permission=Permission.PUBLIC)
    async def crash() -> None:
        raise KeyError("secret detail")

    return TestClient(build_api([api]), raise_server_exceptions=False)


def check(body: dict[str, Any], *, success: bool) -> Any:
    """The data or the error of an envelope that is one."""
    assert set(body) == {"success", "data" if success else "error", "metadata"}
    assert body["success"] is success
    assert set(body["metadata"]) == {"requestId", "timestamp", "version"}
    assert isinstance(body["metadata"]["timestamp"], int)
    assert body["metadata"]["timestamp"] > 1_700_000_000_000
    assert body["metadata"]["version"] == __version__
    if success:
        return body["data"]
    assert {"code", "message"} <= set(body["error"]) <= {"code", "message", "details"}
    return body["error"]


def test_a_good_answer() -> None:
    answer = make_api().get("/api/v1/things?limit=3")
    assert answer.status_code == 200
    assert check(answer.json(), success=True) == {"limit": 3}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/api/v1/nothing", None, 404, "not_found"),
        ("GET", "/api/v1", None, 404, "not_found"),
        ("DELETE", "/api/v1/things", None, 405, "method_not_allowed"),
        ("GET", "/api/v1/things?limit=0", None, 422, "fields_invalid"),
        ("POST", "/api/v1/things", b"{", 400, "invalid_request"),
        ("POST", "/api/v1/things", b'{"count": "\xff"}', 400, "invalid_request"),
        ("POST", "/api/v1/things", b"[" * 5000, 400, "invalid_request"),
        ("POST", "/api/v1/things", b"[]", 422, "fields_invalid"),
        ("GET", "/api/v1/full", None, 429, "overloaded"),
        ("GET", "/api/v1/crash", None, 500, "internal"),
    ],
)
def test_every_refusal_is_in_the_envelope(method: str, path: str, body: bytes | None, status: int, code: str) -> None:
    headers = {"content-type": "application/json"} if body is not None else {}
    answer = make_api().request(method, path, content=body, headers=headers)
    assert (answer.status_code, check(answer.json(), success=False)["code"]) == (status, code)


def test_retry_after_is_told_twice() -> None:
    answer = make_api().get("/api/v1/full")
    assert answer.headers["retry-after"] == "2"
    assert check(answer.json(), success=False)["details"] == {"queue": 3, "retryAfter": 2.4}


def test_another_kind_of_body_is_415() -> None:
    answer = make_api().post("/api/v1/things", content=b"a=1", headers={"content-type": "text/plain"})
    assert (answer.status_code, check(answer.json(), success=False)["code"]) == (415, "unsupported_media_type")


def test_a_client_that_leaves_in_its_body_is_no_fault_of_ours() -> None:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.disconnect"}

    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/things", "query_string": b"", "root_path": "", "scheme": "http",
        "headers": [(b"host", b"corral"), (b"content-type", b"application/json"), (b"content-length", b"9")],
    }  # fmt: skip
    asyncio.run(_served(make_api().app, scope, receive, send))
    assert sent[0]["status"] == 400


def test_every_field_at_fault_is_named() -> None:
    answer = make_api().post("/api/v1/things", json={"count": 12, "inner": [{"name": "x"}, {"name": 3}], "size": 1})
    error = check(answer.json(), success=False)
    assert [one["field"] for one in error["details"]["fields"]] == ["count", "inner.1.name", "size"]
    assert "less than or equal to 9" in error["message"]
    assert error["details"]["field"] == "count"


def test_the_list_of_fields_is_bounded() -> None:
    answer = make_api().post("/api/v1/things", json={"count": 1, **{f"f{n}": n for n in range(500)}})
    error = check(answer.json(), success=False)
    assert len(error["details"]["fields"]) == MAX_FIELDS
    assert "497 more" in error["message"]
    assert len(error["message"]) < 2000


def test_other_paths_keep_their_form() -> None:
    answer = make_api().get("/api/v10")
    assert set(answer.json()) == {"error", "requestId"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [([(b"host", b"evil.example")], 421), ([(b"host", b"corral"), (b"content-length", b"99999")], 413)],
)
def test_what_the_edge_refuses_is_in_the_envelope(headers: list[tuple[bytes, bytes]], status: int) -> None:
    async def nothing(*_: Any) -> None:
        raise AssertionError("reached")

    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "POST", "path": "/api/v1/generate", "headers": headers}

    async def serve() -> None:
        await Edge(nothing, EdgePolicy(frozenset({b"corral"}), 1000))(scope, receive, send)

    asyncio.run(serve())
    assert sent[0]["status"] == status
    error = check(json.loads(sent[1]["body"]), success=False)
    assert error["message"]
