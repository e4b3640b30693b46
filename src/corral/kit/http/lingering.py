"""The end of a connection whose client still sends what nobody will read.

Closed at once, it would be reset by what comes in then, and the reset takes the answer with it: the client sees a broken connection
where it should have seen why it was refused. So our side ends, what still comes is dropped, and the connection is closed when
the client has ended too, or after a while (RFC 9112, section 9.6).
"""

from __future__ import annotations

import asyncio

SECONDS = 5.0
MOST = 256 * 1024 * 1024
"""Bytes that are dropped before the connection is closed all the same."""


class Lingering(asyncio.Protocol):
    """Takes a connection over from `before`, which is told when it is gone."""

    def __init__(self, transport: asyncio.Transport, before: asyncio.Protocol, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._before = before
        self._left = MOST
        transport.set_protocol(self)
        transport.write_eof()
        self._timer = loop.call_later(SECONDS, transport.close)

    def data_received(self, data: bytes) -> None:
        """Drops it."""
        self._left -= len(data)
        if self._left < 0:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._timer.cancel()
        self._before.connection_lost(exc)
