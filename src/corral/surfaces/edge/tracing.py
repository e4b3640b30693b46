"""A span for each request to the APIs, below the caller's. Stands around the edge only where traces or figures are sent, else around the
control API alone: the data plane keeps the times of its requests itself (`inference/recent.py`).

Names of attributes: https://opentelemetry.io/docs/specs/semconv/http/
"""

from __future__ import annotations

import time
from collections.abc import Iterable, MutableMapping
from typing import Any

from corral.kit.ids import new_request_id
from corral.kit.trace import Trace, current_trace, read_trace
from corral.surfaces.asgi import App, Peer, Receive, Scope, Send, header, peer_of
from corral.telemetry.failures import Failure
from corral.telemetry.instruments import Histogram
from corral.telemetry.spans import Kind, Span, Value
from corral.telemetry.tracing import Tracing

PATHS = ("/v1/", "/api/", "/ollama/", "/upstream/")
"""What is traced: no pages, sockets, probes and metrics."""
QUIET = ("/api/v1/debug/", "/api/health", "/api/logs", "/api/monitoring", "/api/openapi.json")
"""What is asked all the time to look at others: never kept in memory."""
FAILED = 500
FAILURES = {500: "internal", 502: "upstream_failed", 503: "unavailable", 504: "upstream_timeout", 507: "storage_full"}
"""The code of a failure that the answer's status tells."""
LONGEST_ID = 80
"""Characters of a request's id; the edge takes no longer one from a client."""
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0, 120.0, 300.0)


def request_durations() -> Histogram:
    """How long requests took."""
    return Histogram("http.server.request.duration", "s", "Duration of HTTP server requests.", BOUNDS)


class Traced:
    """ASGI middleware. `routes`: the paths of the gateway, with `{name}` for what one leaves open."""

    def __init__(self, app: App, tracing: Tracing, durations: Histogram | None, routes: Iterable[str]) -> None:
        self._app = app
        self._whole = frozenset(path for path in routes if "{" not in path)
        halves = [(path.partition("{"), path) for path in dict.fromkeys(routes) if "{" in path]
        self._open = [(start, end.partition("}")[2], path) for (start, _, end), path in halves]
        self._tracing = tracing
        self._durations = durations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; everything else passes through."""
        if scope["type"] != "http" or not scope["path"].startswith(PATHS):
            await self._app(scope, receive, send)
            return
        trace = self._tracing.begin(_caller(scope))
        if scope["path"].startswith("/api/"):
            # What it begins may go on long after it, in tasks that know its id.
            self._tracing.remember(_identified(scope)[:LONGEST_ID], trace)
        token = current_trace.set(trace)
        began, since = time.time_ns(), time.perf_counter_ns()
        answer = _Answer(send)
        try:
            await self._app(scope, receive, answer.send)
        finally:
            current_trace.reset(token)
            answer.ask(peer_of(scope))
            self._ended(trace, scope, answer, (began, time.perf_counter_ns() - since))

    def _ended(self, trace: Trace, scope: Scope, answer: _Answer, times: tuple[int, int]) -> None:
        began, took = times
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        known: dict[str, Value] = {"http.request.method": method, "url.scheme": scope.get("scheme", "http")}
        route = self._route(scope)
        if route:
            known["http.route"] = route
        attributes: dict[str, Value] = {**known, "url.path": scope["path"][:200]}
        error = ""
        if answer.status:
            attributes["http.response.status_code"] = known["http.response.status_code"] = answer.status
        if answer.status >= FAILED:
            error = attributes["error.type"] = known["error.type"] = str(answer.status)
        if answer.request_id:
            attributes["corral.request_id"] = answer.request_id
        if self._durations is not None:
            self._durations.add(took / 1e9, known)
        name = f"{method} {route}".strip()
        keep = not scope["path"].startswith(QUIET) and scope["path"].startswith("/api/")
        self._tracing.take(
            Span(trace, name, Kind.SERVER, began, began + took, attributes, error, answer.request_id), keep=keep
        )
        if keep:
            self._kept(name, answer, began, took)

    def _kept(self, name: str, answer: _Answer, began: int, took: int) -> None:
        samples, failures = self._tracing.samples, self._tracing.failures
        if samples is not None:
            samples.add("http.request", took / 1e6, {"route": name, "status": answer.status}, began / 1e9)
        if failures is not None and answer.status >= FAILED:
            code = FAILURES.get(answer.status, "internal")
            failures.add(Failure(code, "", name, answer.request_id, began / 1e9))

    def _route(self, scope: Scope) -> str:
        """The path as its route has it: with names for what differs from request to request. Empty for what is no route."""
        path: str = scope["path"]
        if path in self._whole:
            return path
        told: str = getattr(scope.get("route"), "path", "")
        return told.replace(":path}", "}") or next(
            (one for start, end, one in self._open if path.startswith(start) and path.endswith(end)), ""
        )


class _Answer:
    """What is told of an answer as it passes."""

    __slots__ = ("_send", "request_id", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.request_id = ""

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """The application's `send`."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            told = next((value for name, value in message.get("headers", ()) if name == b"x-request-id"), b"")
            self.request_id = told.decode("latin-1")
        await self._send(message)

    def ask(self, peer: Peer | None) -> None:
        """What did not pass here the server knows."""
        if peer is not None:
            self.status = peer.status
            self.request_id = peer.request_id


def _identified(scope: Scope) -> str:
    """The id of the request: its client's, else one that it is given here, before the edge would."""
    given = header(scope, b"x-request-id")
    if given is not None:
        return given.decode("latin-1")
    made = new_request_id()
    scope["headers"] = [*scope["headers"], (b"x-request-id", made.encode())]
    peer = peer_of(scope)
    if peer is not None:
        peer.known = dict(scope["headers"])
    return made


def _caller(scope: Scope) -> Trace | None:
    parent = header(scope, b"traceparent")
    if parent is None:
        return None
    states = [value for name, value in scope["headers"] if name == b"tracestate"]
    return read_trace(parent.decode("latin-1"), b",".join(states).decode("latin-1"))
