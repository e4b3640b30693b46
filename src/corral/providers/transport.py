"""The way to a provider: one HTTP client for plain addresses, another one for TLS, the same to their users.

Redirects are answers like any other, so a key never follows one. No cookies, no compression, no proxy. An address that a
name leads to is looked at when the connection is made, before a byte is sent there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Awaitable, Coroutine, Mapping
from typing import Protocol

from corral.kit.errors import InvalidRequest
from corral.kit.http import HttpPool, TcpAddress, Timeouts
from corral.kit.http.outward import OutwardUrl, forbidden_address
from corral.providers.slots import Slots
from corral.providers.types import MAX_ANSWER, TIMEOUTS


class Response(Protocol):
    """An answer of which the head is there. Read it whole, or abort it, also behind the last of its chunks."""

    @property
    def status(self) -> int:
        """Its status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers, names in lower case; of several of one name, the first."""
        ...

    @property
    def media_type(self) -> str:
        """Its content type without parameters, in lower case; empty where it tells none."""
        ...

    def whole(self, limit: int) -> bytes | None:
        """The body, when all of it has come already, and it has at most `limit` bytes; else None. Given once."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body in the pieces that arrive. Raises UpstreamFailed when it is cut, UpstreamTimeout on silence."""
        ...

    def read(self, limit: int = MAX_ANSWER) -> Awaitable[bytes]:
        """The whole body. Raises UpstreamFailed also for one of over `limit` bytes."""
        ...

    def abort(self) -> None:
        """Gives it up: the connection is closed when the answer is not whole."""
        ...


class Transport(Protocol):
    """Carries requests to one address."""

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        timeouts: Timeouts | None = None,
    ) -> Awaitable[Response]:
        """Sends a request and waits for the head of the answer; `path` goes behind the address's prefix.

        Raises UpstreamFailed, UpstreamTimeout, and Unavailable when all connections stay in use. When it is cancelled, the
        connection is closed at once.
        """
        ...

    async def close(self) -> None:
        """Closes all connections, also those in use."""
        ...


def transport_for(url: OutwardUrl, who: str, connections: int = 256) -> Transport:
    """The client for an address; `who` is how messages call the other side."""
    if url.scheme == "http":
        return PlainTransport(url, who, connections)
    # TLS needs a library that a server without such providers should not have to load.
    from corral.providers.secure import SecureTransport

    return SecureTransport(url, who, connections)


def refusal(address: str) -> str | None:
    """Why nothing may be sent to an IP address, None when it may."""
    try:
        return forbidden_address(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return "is no IP address"


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises InvalidRequest for a header that would break the request."""
    for name, value in headers.items():
        if not value.isascii() or not (value.isprintable() or not value):
            raise InvalidRequest(f"The header {name} holds what a header cannot.", param=name)


class Prepared(dict[str, str]):
    """Headers that were looked at once, with the `lines` that they are on the wire. Raises InvalidRequest as `check_headers`."""

    __slots__ = ("lines",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(headers)
        check_headers(headers)
        self.lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()]).encode()


class PlainTransport:
    """Over `kit.http`."""

    def __init__(self, url: OutwardUrl, who: str, connections: int = 256) -> None:
        address = TcpAddress(url.host, url.port, url.prefix)
        self._pool = HttpPool(address, who=who, refuse=refusal)
        self._slots = Slots(connections, who)

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        timeouts: Timeouts | None = None,
    ) -> Awaitable[Response]:
        """See `Transport.request`."""
        lines = headers.lines if isinstance(headers, Prepared) else Prepared(headers).lines
        limits, slots = timeouts or TIMEOUTS, self._slots
        ask = self._pool.request(
            method.encode(), path.encode(), headers=lines, body=body, timeouts=limits, over=slots.release
        )
        return ask if slots.try_take() else _after(slots.take(limits.connect), ask)

    async def close(self) -> None:
        """See `Transport.close`."""
        self._pool.close()


async def _after(turn: Awaitable[None], ask: Coroutine[None, None, Response]) -> Response:
    """What is asked when its turn has come."""
    try:
        await turn
    except BaseException:
        ask.close()
        raise
    return await ask
