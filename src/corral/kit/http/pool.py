"""Connections to one server, kept for the next request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from corral.kit.errors import Unreachable, UpstreamFailed, UpstreamTimeout
from corral.kit.http.address import Address, TcpAddress
from corral.kit.http.connection import Connection, Response, Timeouts

MAX_IDLE = 64


class HttpPool:
    """Speaks HTTP/1.1 to one address. Connections are reused newest first; how many are open is the caller's limit.

    A reused connection may have been closed by the server a moment ago: when it ends before the first byte of an
    answer, the request is sent once more on a new one.

    Args:
        who: how messages call the other side.
        refuse: told the IP address that a new connection has led to, it says why nothing may be sent there, or None.
    """

    def __init__(
        self,
        address: Address,
        *,
        timeouts: Timeouts | None = None,
        who: str = "The engine",
        refuse: Callable[[str], str | None] | None = None,
    ) -> None:
        self.address = address
        self._timeouts = timeouts or Timeouts()
        self._who = who
        self._refuse = refuse
        self._idle: deque[Connection] = deque()
        self._busy: set[Connection] = set()
        self._closed = False
        self._prefix = address.prefix.encode()
        self._host = b"host: " + address.authority.encode() + b"\r\n"

    async def request(
        self,
        method: bytes,
        path: bytes,
        *,
        headers: bytes = b"",
        body: bytes = b"",
        timeouts: Timeouts | None = None,
        over: Callable[[], None] | None = None,
    ) -> Response:
        """Sends a request and waits for the head of the answer.

        `headers` are whole lines, each ending in CRLF; host and content-length are added. `over` is called once: when all of the answer
        has come or it was given up, or when this raises. Raises UpstreamFailed and UpstreamTimeout. When the caller is cancelled, the
        connection is closed at once.
        """
        limits = timeouts or self._timeouts
        length = b"content-length: %d\r\n" % len(body) if body or method == b"POST" else b""
        data = b"%b %b%b HTTP/1.1\r\n%b%b%b\r\n%b" % (method, self._prefix, path, self._host, headers, length, body)
        try:
            connection = self._take()
            reused = connection is not None
            while True:
                if connection is None:
                    connection = await self._connect(limits.connect)
                response = Response(connection, self._give_back, limits)
                self._busy.add(connection)
                try:
                    if not connection.ask(data, response):
                        await connection.drain(limits.head)
                    while not response.status:
                        await response.news(limits.head)
                    break
                except BaseException as error:
                    response.abort()
                    if not reused or not self._may_repeat(response, error):
                        raise
                    connection, reused = None, False
        except BaseException:
            if over is not None:
                over()
            raise
        if over is not None:
            response.when_over(over)
        return response

    def close(self) -> None:
        """Closes everything, also what is under way."""
        self._closed = True
        for connection in (*self._idle, *self._busy):
            if connection.response is not None:
                connection.response.abort()
            connection.abort()
        self._idle.clear()

    @property
    def busy(self) -> int:
        """Requests under way."""
        return len(self._busy)

    def _may_repeat(self, response: Response, error: BaseException) -> bool:
        """Whether a request that went over a kept connection may have come to nobody."""
        return isinstance(error, UpstreamFailed) and not response.begun and not self._closed

    def _take(self) -> Connection | None:
        if self._closed:
            raise UpstreamFailed(f"{self._who} has stopped.")
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return None

    async def _connect(self, seconds: float) -> Connection:
        loop = asyncio.get_running_loop()
        address = self.address
        try:
            async with asyncio.timeout(seconds):
                if isinstance(address, TcpAddress):
                    _, connection = await loop.create_connection(self._made, address.host, address.port)
                else:
                    _, connection = await loop.create_unix_connection(self._made, address.path)
        except TimeoutError:
            raise UpstreamTimeout(f"{self._who} did not accept a connection within {seconds:.0f} s.") from None
        except OSError as error:
            raise Unreachable(f"{self._who} cannot be reached: {error.strerror or error}.") from None
        if self._closed:
            connection.abort()
            raise UpstreamFailed(f"{self._who} has stopped.")
        if self._refuse is not None and connection.transport is not None:
            reason = self._refuse(str((connection.transport.get_extra_info("peername") or ("",))[0]))
            if reason is not None:
                connection.abort()
                raise UpstreamFailed(f"{self._who} cannot be reached: its name leads to what {reason}.")
        return connection

    def _made(self) -> Connection:
        return Connection(self._who)

    def _give_back(self, connection: Connection, reusable: bool) -> None:
        self._busy.discard(connection)
        if reusable and not connection.closed and not self._closed and len(self._idle) < MAX_IDLE:
            self._idle.append(connection)
        else:
            connection.abort()
