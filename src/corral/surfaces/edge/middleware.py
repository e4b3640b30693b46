"""The first thing every request meets: host, origin, request id, security headers, body length."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from corral.kit.context import request_id
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
_REMOTE_LINES = b"".join([b"%b: %b\r\n" % header for header in REMOTE_SECURITY])
"""On the wire, for a server that takes them so (`Peer.lines`): every answer has them."""


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
    """One request and its answer, as the edge sees them pass. What an application asks of a server that is a `Peer` does not pass here:
    such a one is told what holds for it."""

    _started = False
    refusal: CorralError | None = None
    _size = 0
    _since: float | None = None
    """When the body was first waited for (seconds of the loop's clock)."""
    _read = False

    def __init__(self, policy: EdgePolicy, receive: Receive, send: Send, scope: Scope) -> None:
        self._policy = policy
        self._receive = receive
        self._send = send
        self._scope = scope
        peer = self._peer = peer_of(scope)
        known = self._known = peer.known if peer is not None else dict(scope["headers"])
        given = known.get(b"x-request-id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            self._id, self.id = given, given.decode()
        else:
            self.id = new_request_id()
            self._id = self.id.encode()
        self._remote = scope["path"].startswith(REMOTE_WORKER)
        if peer is not None:
            peer.request_id, peer.most = self.id, policy.max_body
            peer.lines = b"x-request-id: %b\r\n%b" % (self._id, _REMOTE_LINES if self._remote else _SECURITY_LINES)

    @property
    def started(self) -> bool:
        """Whether the answer has begun."""
        return self._started or (self._peer is not None and self._peer.started)

    @property
    def _unread(self) -> bool:
        """Whether there is something of the body that the application has not read."""
        if self._read or (self._peer is not None and self._peer.given):
            return False
        return b"transfer-encoding" in self._known or self._known.get(b"content-length") not in (None, b"0")

    def refused(self) -> CorralError | None:
        """Why the request must not reach the application, None when it may."""
        policy, known = self._policy, self._known
        host = known.get(b"host")
        if (
            len(known) != len(self._scope["headers"])
            and [name for name, _ in self._scope["headers"]].count(b"host") > 1
        ):
            host = None
        if not policy.admits_host(host):
            shown = (header(self._scope, b"host") or b"")[:100].decode("latin-1")
            return Misdirected(
                f"This server does not answer to the host {shown!r}; add it to allowed_hosts if it should."
            )
        origin, length = known.get(b"origin"), known.get(b"content-length")
        if origin is not None and self._scope["method"] not in _SAFE_METHODS and not policy.admits_origin(origin, host):
            return Forbidden("A page of another origin may not do this.")
        if length is not None:
            if not length.isdigit():
                return InvalidRequest("Content-Length is not a number.")
            if int(length) > policy.max_body:
                return too_large(policy.max_body)
        return None

    async def receive(self) -> MutableMapping[str, Any]:
        """The application's `receive`. Raises PayloadTooLarge and RequestTimeout, which the edge then answers."""
        if not self._unread:
            return await self._receive()
        body = self._peer.whole() if self._peer is not None else None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        message = await self._in_time()
        self._size += len(message.get("body", b""))
        if self._size > self._policy.max_body:
            self.refusal = too_large(self._policy.max_body)
            raise self.refusal
        self._read = not message.get("more_body")
        return message

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
            self._started = True
            if self._peer is None:
                security = REMOTE_SECURITY if self._remote else SECURITY
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", self._id), *security]
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
        if self._unread:
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
        exchange = _Exchange(self._policy, receive, send, scope)
        token = request_id.set(exchange.id)
        try:
            told = exchange.refused()
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


def too_large(limit: int) -> PayloadTooLarge:
    """The refusal of a body over `limit` bytes."""
    return PayloadTooLarge(f"The body is larger than the {limit} bytes allowed.")
