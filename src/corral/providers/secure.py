"""The way to providers over TLS, with aiohttp. Loaded when the first such provider is asked."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from corral.kit.errors import CorralError, UpstreamFailed, UpstreamTimeout
from corral.kit.http import Timeouts
from corral.kit.http.lines import media_type
from corral.kit.http.outward import OutwardUrl
from corral.providers.slots import Slots
from corral.providers.transport import Response, check_headers, refusal
from corral.providers.types import MAX_ANSWER, TIMEOUTS

_READ_BUFFER = 64 * 1024
_MAX_HEADER = 16 * 1024
_KEPT_SECONDS = 30.0
_NAMES_SECONDS = 60


class SecureTransport:
    """Keeps connections to one address. `context` is for certificates that the system does not know."""

    def __init__(
        self, url: OutwardUrl, who: str, connections: int = 256, context: ssl.SSLContext | None = None
    ) -> None:
        self._base = str(url)
        self._who = who
        self._connections = connections
        self._context = context
        self._slots = Slots(connections, who)
        self._opening = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        timeouts: Timeouts | None = None,
    ) -> Response:
        """See `Transport.request`."""
        limits = timeouts or TIMEOUTS
        check_headers(headers)
        session = self._session or await self._open()
        await self._slots.take(limits.connect)
        try:
            answer = await self._send(session, method, URL(self._base + path, encoded=True), headers, body, limits)
        except BaseException:
            self._slots.release()
            raise
        return _Secure(answer, self._slots, limits.idle, self._who)

    async def close(self) -> None:
        """See `Transport.close`."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _open(self) -> aiohttp.ClientSession:
        async with self._opening:
            if self._closed:
                raise UpstreamFailed(f"{self._who} was closed.")
            if self._session is None:
                # Reading the system's certificates takes tens of milliseconds.
                context = self._context
                if context is None:
                    context = await asyncio.to_thread(ssl.create_default_context)
                connector = aiohttp.TCPConnector(
                    limit=self._connections,
                    ssl=context,
                    resolver=_GuardedResolver(),
                    ttl_dns_cache=_NAMES_SECONDS,
                    keepalive_timeout=_KEPT_SECONDS,
                )
                tracing = aiohttp.TraceConfig()
                tracing.on_connection_reuseconn.append(_reused)
                self._session = aiohttp.ClientSession(
                    connector=connector,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                    trust_env=False,
                    read_bufsize=_READ_BUFFER,
                    max_line_size=_MAX_HEADER,
                    max_field_size=_MAX_HEADER,
                    trace_configs=[tracing],
                )
            return self._session

    async def _send(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes,
        limits: Timeouts,
    ) -> aiohttp.ClientResponse:
        timeout = aiohttp.ClientTimeout(total=None, connect=limits.connect)
        again = False
        while True:
            reused: set[bool] = set()
            try:
                async with asyncio.timeout(limits.head):
                    return await session.request(
                        method,
                        url,
                        data=body or None,
                        headers=headers,
                        allow_redirects=False,
                        timeout=timeout,
                        trace_request_ctx=reused,
                    )
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                # A kept connection may have been closed by the server a moment ago; then nothing of the request was read.
                lost = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
                if lost and reused and not again:
                    again = True
                    continue
                raise failure(error, self._who, limits.head) from None


class _Secure:
    """An answer of aiohttp."""

    __slots__ = ("_answer", "_headers", "_idle", "_slots", "_who")

    def __init__(self, answer: aiohttp.ClientResponse, slots: Slots, idle: float, who: str) -> None:
        self._answer = answer
        self._slots: Slots | None = slots
        self._idle = idle
        self._who = who
        self._headers: dict[str, str] | None = None

    @property
    def status(self) -> int:
        """See `Response`."""
        return self._answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        """See `Response`."""
        if self._headers is None:
            found: dict[str, str] = {}
            for name, value in self._answer.headers.items():
                found.setdefault(name.lower(), value)
            self._headers = found
        return self._headers

    @property
    def media_type(self) -> str:
        """See `Response`."""
        return media_type(self.headers.get("content-type", ""))

    def whole(self, limit: int) -> bytes | None:
        """See `Response`: what has come is not known here."""
        return None

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """See `Response`."""
        content = self._answer.content
        try:
            while True:
                try:
                    async with asyncio.timeout(self._idle):
                        chunk = await content.readany()
                except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                    raise failure(error, self._who, self._idle) from None
                if not chunk:
                    return
                yield chunk
        finally:
            self.abort()

    async def read(self, limit: int = MAX_ANSWER) -> bytes:
        """See `Response`."""
        parts: list[bytes] = []
        size = 0
        async with aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise UpstreamFailed(f"{self._who} sent an answer of more than {limit} bytes.")
                parts.append(chunk)
        return b"".join(parts)

    def abort(self) -> None:
        """See `Response`."""
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.release()
            # At the end of an answer its connection has gone back already, and this does nothing to it.
            self._answer.close()


class _GuardedResolver(AbstractResolver):
    """Names to addresses, without those that nothing may be sent to."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """See aiohttp. Raises OSError when nothing is left."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        results: list[ResolveResult] = []
        reason = None
        for kind, _, protocol, _, address in found:
            reason = refusal(str(address[0])) or reason
            if refusal(str(address[0])) is None:
                one: ResolveResult = {
                    "hostname": host,
                    "host": str(address[0]),
                    "port": int(address[1]),
                    "family": kind,
                    "proto": protocol,
                    "flags": socket.AI_NUMERICHOST,
                }
                results.append(one)
        if not results:
            raise OSError(None, f"its name leads to what {reason}")
        return results

    async def close(self) -> None:
        """See aiohttp."""


async def _reused(_: object, context: object, __: object) -> None:
    """Notes that a request goes over a kept connection."""
    marks = getattr(context, "trace_request_ctx", None)
    if isinstance(marks, set):
        marks.add(True)


def failure(error: Exception, who: str, seconds: float) -> CorralError:
    """What an exception of aiohttp means."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return UpstreamTimeout(f"{who} did not accept a connection in time.")
    if isinstance(error, TimeoutError):
        return UpstreamTimeout(f"{who} said nothing for {seconds:.0f} s.")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return UpstreamFailed(f"{who} has a certificate that is not to be trusted: {error.certificate_error}.")
    if isinstance(error, aiohttp.ClientConnectorError):
        return UpstreamFailed(f"{who} cannot be reached: {error.os_error.strerror or error.os_error}.")
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | aiohttp.ClientPayloadError):
        return UpstreamFailed(f"{who} closed the connection in the middle of its answer.")
    return UpstreamFailed(f"{who} sent what is not valid HTTP.")
