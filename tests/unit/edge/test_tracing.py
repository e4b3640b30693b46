"""A span for each request to the APIs: below whose, and under which name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from corral.kit.trace import current_trace
from corral.surfaces.edge.tracing import Traced, request_durations
from corral.telemetry.otlp import Span, Tracing

ROUTES = ["/v1/models", "/v1/models/{name}", "/upstream/{name}/props", "/ollama/v1/models"]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Kept:
    """Takes spans."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def put(self, span: Span) -> None:
        """See `Spans.put`."""
        self.spans.append(span)


class Server:
    """The middleware around an application that answers with `status`, or fails."""

    def __init__(self, status: int = 200) -> None:
        self.kept, self.durations = Kept(), request_durations()
        self.within: list[Any] = []
        self.status = status
        self.traced = Traced(self._app, Tracing(self.kept), self.durations, ROUTES)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.within.append((current_trace.get(), dict(scope["headers"])))
        if self.status == 0:
            raise ConnectionResetError
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"x-request-id", b"req_1")]})
        await send({"type": "http.response.body", "body": b"{}"})

    def ask(self, path: str, method: str = "GET", **headers: str) -> list[Span]:
        """The spans of one request."""

        async def nothing(message: Any = None) -> None:
            return None

        lines = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        scope = {"type": "http", "method": method, "path": path, "scheme": "http", "headers": lines}
        before = len(self.kept.spans)
        asyncio.run(self.traced(scope, nothing, nothing))  # type: ignore[arg-type]
        return self.kept.spans[before:]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/models", "GET /v1/models"),
        ("/v1/models/some/model:7b", "GET /v1/models/{name}"),
        ("/upstream/some-model/props", "GET /upstream/{name}/props"),
        ("/v1/nothing-of-ours-4711", "GET"),
        ("/api/agents/agt_1", "GET"),
    ],
)
def test_names_are_those_of_routes_so_that_there_are_few(path: str, name: str) -> None:
    server = Server()
    [span] = server.ask(path)
    assert span.name == name
    [labels] = server.durations.series
    assert path == name.removeprefix("GET ") or path not in dict(labels).values()


@pytest.mark.parametrize("path", ["/", "/assets/index.js", "/llamaproxws/", "/readyz", "/metrics"])
def test_pages_sockets_and_probes_are_not_traced(path: str) -> None:
    server = Server()
    assert server.ask(path) == []
    assert server.within[0][0] is None


def test_below_the_callers_span_and_around_what_is_done_here() -> None:
    server = Server()
    [span] = server.ask("/v1/models", traceparent=PARENT, tracestate="a=b")
    assert (span.trace.trace_id, span.trace.parent_id, span.trace.state) == (PARENT[3:35], PARENT[36:52], "a=b")
    assert server.within[0][0] == span.trace
    assert current_trace.get() is None
    assert span.attributes["corral.request_id"] == "req_1"


@pytest.mark.parametrize(("status", "error"), [(200, ""), (404, ""), (429, ""), (500, "500"), (503, "503"), (0, "")])
def test_what_failed_here_is_an_error_and_what_the_client_did_wrong_is_not(status: int, error: str) -> None:
    server = Server(status)
    try:
        server.ask("/v1/models")
    except ConnectionResetError:
        assert status == 0
    [span] = server.kept.spans
    assert span.error == error
    assert span.attributes.get("http.response.status_code", 0) == status
    assert span.attributes.get("error.type", "") == error


def test_a_request_that_may_begin_more_is_known_by_its_id() -> None:
    server = Server()
    server.ask("/api/chat", "POST")
    made = server.within[0][1][b"x-request-id"].decode()
    assert made.startswith("req_")
    server.ask("/api/chat", "POST", **{"x-request-id": "theirs"})
    assert server.within[1][1] == {b"x-request-id": b"theirs"}
    tracing = server.traced._tracing
    assert tracing._recent.keys() == {made, "theirs"}


def test_a_method_that_nobody_knows_has_no_name_of_its_own() -> None:
    server = Server()
    [span] = server.ask("/v1/models", "BREW")
    assert span.attributes["http.request.method"] == "_OTHER"
