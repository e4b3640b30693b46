"""The first thing every request meets: host, origin, request id, security headers, body length."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from corral.kit.context import LINES, PEER, request_id
from corral.kit.errors import (
    CorralError,
    Forbidden,
    InternalError,
    InvalidRequest,
    Misdirected,
    PayloadTooLarge,
    RequestTimeout,
)
from corral.kit.ids import new_request_id
from corral.surfaces.asgi import App, Headers, Receive, Scope, Send, header, peer_of, respond
from corral.surfaces.edge.dialects import error_body
from corral.telemetry import get_logger
from corral.telemetry.classification import ErrorLog, classify

_log = get_logger("corral.edge")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.-]{1,80}")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_SEEN = 64

BODY_RATE = 16 * 1024
"""Bytes a second at which a body must come in the long run."""
CSP = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""Workers also from blobs: the engine in the browser (wllama) makes its worker and the threads in it from those."""
REMOTE_WORKER = "/assets/remote.worker-"
"""How the path of the worker begins that asks a person's own providers with keys that only the browser has (`web/src/engine/keys`)."""
REMOTE_CSP = "default-src 'none'; script-src 'self'; connect-src https: http://localhost:* http://127.0.0.1:*"
"""That worker's own policy, so that the pages' lets nothing out. The static build has the same in `web/src/shell/routing.ts`."""
SECURITY: Headers = [
    (b"content-security-policy", CSP.encode()),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-embedder-policy", b"require-corp"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
REMOTE_SECURITY: Headers = [(b"content-security-policy", REMOTE_CSP.encode()), *SECURITY[1:]]
_SECURITY_LINES = b"".join([b"%b: %b\r\n" % header for header in SECURITY])
"""On the wire, for a server that takes them so (`kit.http.server`): every answer has them."""


@dataclass(frozen=True, slots=True)
class EdgePolicy:
    """Which hosts are us, how large a body may be, and how many seconds it may come slower than `BODY_RATE`."""

    hosts: frozenset[bytes]
    max_body: int
    body_grace: float = 20.0
    seen: set[bytes] = field(default_factory=set, init=False, compare=False)
    """Host headers that name this server, as they were written."""

    def admits_host(self, value: bytes | None) -> bool:
        """Whether a Host header names this server; the port does not matter."""
        if value is None or value in self.seen:
            return value is not None
        good = host_name(value) in self.hosts
        if good and len(self.seen) < _SEEN:
            self.seen.add(value)
        return good

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


class _Exchange:
    """One request and its answer, as the edge sees them pass. Where the server is a `Peer`, so is this."""

    write: Callable[[bytes], bool]
    when_gone: Callable[[Callable[[], None] | None], None]
    task: asyncio.Task[None] | None

    started = False
    refusal: CorralError | None = None
    _size = 0
    _since: float | None = None
    """When the body was first waited for (seconds of the loop's clock)."""

    def __init__(self, policy: EdgePolicy, head: _Head, receive: Receive, send: Send, scope: Scope) -> None:
        self._policy = policy
        self._receive = receive
        self._send = send
        peer = self._peer = peer_of(scope)
        if peer is not None:
            # Who asks the server beyond ASGI asks here: a body that came whole is bounded like any other.
            scope["extensions"][PEER] = self
            self.write, self.when_gone, self.task = peer.write, peer.when_gone, peer.task
        self._id = (b"x-request-id", head.ours)
        self._remote = scope["path"].startswith(REMOTE_WORKER)
        self.unread = head.chunked or head.length not in (None, b"0")

    async def receive(self) -> MutableMapping[str, Any]:
        """The application's `receive`. Raises PayloadTooLarge and RequestTimeout, which the edge then answers."""
        if not self.unread:
            return await self._receive()
        body = self.whole()
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        message = await self._in_time()
        self._count(message.get("body", b""))
        self.unread = bool(message.get("more_body"))
        return message

    def whole(self) -> bytes | None:
        """See `Peer.whole`. Raises PayloadTooLarge."""
        body = self._peer.whole() if self._peer is not None and self.unread and not self._size else None
        if body is not None:
            self._count(body)
            self.unread = False
        return body

    def _count(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > self._policy.max_body:
            self.refusal = too_large(self._policy.max_body)
            raise self.refusal

    async def _in_time(self) -> MutableMapping[str, Any]:
        now = asyncio.get_running_loop().time()
        since = self._since = now if self._since is None else self._since
        left = self._policy.body_grace + self._size / BODY_RATE - (now - since)
        try:
            async with asyncio.timeout(left):
                return await self._receive()
        except TimeoutError:
            self.refusal = RequestTimeout("The body came too slowly.")
            raise self.refusal from None

    def send(self, message: MutableMapping[str, Any]) -> Awaitable[None]:
        """The application's `send`. After a refusal what it says is dropped: the edge answers."""
        if message["type"] == "http.response.start":
            if self.refusal is not None:
                return _nothing()
            self.started = True
            headers = message.get("headers", ())
            if self._peer is None or self._remote:
                message["headers"] = [*headers, self._id, *(REMOTE_SECURITY if self._remote else SECURITY)]
            else:
                message["headers"] = [*headers, self._id]
                message[LINES] = message.get(LINES, b"") + _SECURITY_LINES
        elif not self.started:
            return _nothing()
        return self._send(message)

    async def answer(self, scope: Scope, error: CorralError) -> None:
        """Answers with `error` in the dialect of the path."""
        body, more = error_body(scope, error, request_id.get())
        headers: Headers = [(b"content-type", b"application/json"), *more]
        if error.retry_after is not None:
            headers.append((b"retry-after", str(max(1, round(error.retry_after))).encode()))
        headers += [(name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()]
        if self.unread:
            # What is left of the body is not read, so the connection cannot be used again.
            headers.append((b"connection", b"close"))
        self.refusal = None
        await respond(self.send, error.status, headers, body)


async def _nothing() -> None:
    """Nothing is sent."""


class Edge:
    """ASGI middleware around everything that Corral serves."""

    def __init__(self, app: App, policy: EdgePolicy, errors: ErrorLog | None = None) -> None:
        self._app = app
        self._policy = policy
        self._errors = errors

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """One connection; lifespan passes through."""
        kind = scope["type"]
        if kind == "http":
            return self._http(scope, receive, send)
        if kind == "websocket":
            return self._websocket(scope, receive, send)
        return self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = _Head(scope)
        token = request_id.set(head.id)
        exchange = _Exchange(self._policy, head, receive, send, scope)
        try:
            told = refusal(self._policy, scope["method"], head)
            if told is None:
                try:
                    await self._app(scope, exchange.receive, exchange.send)
                    if exchange.started:
                        return
                    told = exchange.refusal
                except Exception as error:
                    told = _told(error, scope)
                    if exchange.started:
                        raise
            if told is not None:
                if self._errors is not None:
                    self._errors.note(told, "http", path=scope["path"])
                await exchange.answer(scope, told)
        finally:
            request_id.reset(token)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = header(scope, b"host")
        if not self._policy.admits_host(host) or not self._policy.admits_origin(header(scope, b"origin"), host):
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)


def _told(error: Exception, scope: Scope) -> CorralError:
    """The error that a client is told of; what is none of ours is only known to the log."""
    if isinstance(error, CorralError):
        return error
    _log.error("request_failed", path=scope["path"], **classify(error).facts, exc_info=error)
    return InternalError("Something went wrong in Corral; its log has the details under this request id.")


class _Head:
    """The headers that the edge looks at."""

    __slots__ = ("chunked", "hosts", "id", "length", "origin", "ours")

    def __init__(self, scope: Scope) -> None:
        headers: Headers = scope["headers"]
        told = dict(headers)
        if len(told) == len(headers) and b"host" in told:
            self.hosts = [told[b"host"]]
        else:
            self.hosts = [value for name, value in headers if name == b"host"]
        self.origin = told.get(b"origin")
        self.length = told.get(b"content-length")
        self.chunked = b"transfer-encoding" in told
        given = told.get(b"x-request-id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            self.ours, self.id = given, given.decode()
        else:
            self.id = new_request_id()
            self.ours = self.id.encode()


def refusal(policy: EdgePolicy, method: str, head: _Head) -> CorralError | None:
    """Why a request must not reach the application, None when it may."""
    hosts = head.hosts
    if len(hosts) != 1 or not policy.admits_host(hosts[0]):
        shown = hosts[0][:100].decode("latin-1") if hosts else ""
        return Misdirected(f"This server does not answer to the host {shown!r}; add it to allowed_hosts if it should.")
    if method not in _SAFE_METHODS and not policy.admits_origin(head.origin, hosts[0]):
        return Forbidden("A page of another origin may not do this.")
    if head.length is not None:
        if not head.length.isdigit():
            return InvalidRequest("Content-Length is not a number.")
        if int(head.length) > policy.max_body:
            return too_large(policy.max_body)
    return None


def too_large(limit: int) -> PayloadTooLarge:
    """The refusal of a body over `limit` bytes."""
    return PayloadTooLarge(f"The body is larger than the {limit} bytes allowed.")
