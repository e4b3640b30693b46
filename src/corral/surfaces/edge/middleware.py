"""The first thing every request meets: host, origin, request id, security headers, body length."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from corral.kit.context import request_id
from corral.kit.errors import CorralError, Forbidden, InternalError, InvalidRequest, Misdirected, PayloadTooLarge
from corral.kit.ids import new_request_id
from corral.kit.rendering import render_api, render_openai
from corral.surfaces.asgi import App, Headers, Receive, Scope, Send, header, respond
from corral.telemetry import get_logger

_log = get_logger("corral.edge")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.-]{1,80}")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

CSP = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY: Headers = [
    (b"content-security-policy", CSP.encode()),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-embedder-policy", b"require-corp"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


@dataclass(frozen=True, slots=True)
class EdgePolicy:
    """Which hosts are us, and how large a body may be."""

    hosts: frozenset[bytes]
    max_body: int

    def admits_host(self, value: bytes | None) -> bool:
        """Whether a Host header names this server; the port does not matter."""
        return value is not None and host_name(value) in self.hosts

    def admits_origin(self, origin: bytes | None, host: bytes | None) -> bool:
        """Whether a page of `origin` may change things here: none given, or the page that we serve."""
        if origin is None:
            return True
        place = origin.split(b"://", 1)[-1].lower()
        return origin.startswith((b"http://", b"https://")) and host is not None and place == host.lower()


def host_name(value: bytes) -> bytes:
    """A Host header without its port, in lower case."""
    value = value.strip().lower()
    if value.startswith(b"["):
        return value.split(b"]", 1)[0] + b"]"
    return value.rsplit(b":", 1)[0] if value.count(b":") == 1 else value


def known_hosts(bound: str, further: Iterable[str]) -> frozenset[bytes]:
    """The names this server answers to: loopback's, the address it is bound to, and those of the settings."""
    names = {"localhost", "127.0.0.1", "[::1]", bound, *further}
    return frozenset(
        f"[{name}]".encode() if name.count(":") > 1 and not name.startswith("[") else name.lower().encode()
        for name in names
    )


class Edge:
    """ASGI middleware around everything that Corral serves."""

    def __init__(self, app: App, policy: EdgePolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection; lifespan passes through."""
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = header(scope, b"x-request-id")
        ours = given if given is not None and _REQUEST_ID.fullmatch(given) else new_request_id().encode()
        token = request_id.set(ours.decode())
        extra: Headers = [(b"x-request-id", ours), *SECURITY]
        started = False

        async def sending(message: object) -> None:
            nonlocal started
            assert isinstance(message, dict)
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), *extra]
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal is not None:
                await render(scope, sending, refusal)
                return
            await self._app(scope, receive, sending)
        except CorralError as error:
            if started:
                raise
            await render(scope, sending, error)
        except Exception as error:
            _log.error("request_failed", path=scope["path"], exc_info=error)
            if started:
                raise
            await render(
                scope,
                sending,
                InternalError("Something went wrong in Corral; its log has the details under this request id."),
            )
        finally:
            request_id.reset(token)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = header(scope, b"host")
        if not self._policy.admits_host(host) or not self._policy.admits_origin(header(scope, b"origin"), host):
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> CorralError | None:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not self._policy.admits_host(hosts[0]):
            shown = hosts[0][:100].decode("latin-1") if hosts else ""
            return Misdirected(
                f"This server does not answer to the host {shown!r}; add it to allowed_hosts if it should."
            )
        if scope["method"] not in _SAFE_METHODS and not self._policy.admits_origin(header(scope, b"origin"), hosts[0]):
            return Forbidden("A page of another origin may not do this.")
        length = header(scope, b"content-length")
        if length is not None:
            if not length.isdigit():
                return InvalidRequest("Content-Length is not a number.")
            if int(length) > self._policy.max_body:
                return PayloadTooLarge(f"The body is larger than the {self._policy.max_body} bytes allowed.")
        return None


async def render(scope: Scope, send: Send, error: CorralError) -> None:
    """Answers with `error` in the dialect of the path."""
    openai = scope["path"].startswith("/v1/")
    body = msgspec.json.encode(render_openai(error) if openai else render_api(error, request_id.get()))
    headers: Headers = [(b"content-type", b"application/json")]
    if error.retry_after is not None:
        headers.append((b"retry-after", str(max(1, round(error.retry_after))).encode()))
    if error.status in (400, 413):
        # What is left of the body is not read; the connection cannot be used again.
        headers.append((b"connection", b"close"))
    await respond(send, error.status, headers, body)
