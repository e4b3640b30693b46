"""No route without a permission; every error in the one form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from fastapi.testclient import TestClient
from pydantic import BaseModel

from corral.accounts.service import LocalAccounts
from corral.accounts.types import Permission, Principal
from corral.kit.errors import TooManyRequests
from corral.surfaces.api.application import build_api
from corral.surfaces.api.health import health_router
from corral.surfaces.api.routing import ApiRouter, CurrentPrincipal


class OnlyStatus(LocalAccounts):
    def authenticate(self, headers: Mapping[str, str]) -> Principal:
        return Principal("u", frozenset({Permission.STATUS}))


class Body(BaseModel):
    count: int


def make_api(accounts: LocalAccounts) -> TestClient:
    api = ApiRouter(accounts, prefix="/api")

    @api.post("/things", permission=Permission.CHAT)
    async def things(body: Body, principal: CurrentPrincipal) -> dict[str, Any]:
        return {"count": body.count, "user": principal.user_id}

    @api.get("/full", permission=Permission.PUBLIC)
    async def full() -> None:
        raise TooManyRequests("full", retry_after=2.4)

    @api.get("/crash", permission=Permission.PUBLIC)
    async def crash() -> None:
        raise KeyError("secret detail")

    async def checks() -> dict[str, dict[str, Any]]:
        return {"disk": {"ok": True}}

    health = health_router(accounts, lambda: "no model", lambda: {"version": "1"}, checks)
    return TestClient(build_api([api, health]), raise_server_exceptions=False)


def test_a_route_without_a_permission_cannot_be_made() -> None:
    api = ApiRouter(LocalAccounts())
    with pytest.raises(TypeError):
        api.get("/x", permission=cast("Permission", None))
    with pytest.raises(TypeError):
        cast("Any", api.get)("/x")


def test_a_route_added_around_the_check_is_found() -> None:
    api = ApiRouter(LocalAccounts())

    async def open_door() -> None: ...

    api.router.add_api_route("/open", open_door)
    with pytest.raises(TypeError, match="/open"):
        build_api([api])


def test_the_permission_is_checked_before_the_body_is_read() -> None:
    with make_api(OnlyStatus()) as client:
        answer = client.post("/api/things", content=b"{broken")
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "forbidden"


@pytest.mark.parametrize(
    ("body", "field"),
    [(b"{broken", "body"), (b'{"count": "x"}', "count"), (b"{}", "count"), (b"[]", "body"), (b"", "body")],
)
def test_bad_input_names_the_field(body: bytes, field: str) -> None:
    with make_api(LocalAccounts()) as client:
        answer = client.post("/api/things", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["code"] == "invalid_request"
        assert error["details"]["field"] == field


def test_errors_carry_what_helps_and_hide_what_does_not() -> None:
    with make_api(LocalAccounts()) as client:
        assert client.post("/api/things", json={"count": 3}).json() == {"count": 3, "user": "local"}
        full = client.get("/api/full")
        assert (full.status_code, full.headers["retry-after"]) == (429, "2")
        crash = client.get("/api/crash")
        assert crash.status_code == 500
        assert "secret" not in crash.text
        assert client.get("/api/none").json()["error"]["code"] == "not_found"
        assert client.put("/api/full").json()["error"]["code"] == "method_not_allowed"


def test_readiness_says_why_not() -> None:
    with make_api(LocalAccounts()) as client:
        assert client.get("/livez").status_code == 200
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["reason"]) == (503, "no model")
        told = {"status": "unavailable", "reason": "no model", "version": "1", "checks": {"disk": {"ok": True}}}
        assert client.get("/api/health").json() == told
