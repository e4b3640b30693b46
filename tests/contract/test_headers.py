"""Every kind of answer carries the security headers and a request id, over real HTTP."""

from __future__ import annotations

import http.client

import pytest

from tests.support.server import START_SECONDS, Server

PATHS = (
    "/",
    "/c/agt_x",
    "/api/health",
    "/api/agents",
    "/v1/models",
    "/v1/none",
    "/api/none",
    "/assets/none.js",
    "/livez",
)


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_the_security_headers(shared_server: Server, path: str) -> None:
    connection = http.client.HTTPConnection(
        "127.0.0.1", int(shared_server.url.rsplit(":", 1)[1]), timeout=START_SECONDS
    )
    connection.request("GET", path, headers={"X-Request-Id": "mine-1"})
    answer = connection.getresponse()
    answer.read()
    assert "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"] == "mine-1"
    connection.request("GET", path, headers={"X-Request-Id": "bad id"})
    other = connection.getresponse()
    other.read()
    assert other.headers["x-request-id"] != "bad id"
    connection.close()
