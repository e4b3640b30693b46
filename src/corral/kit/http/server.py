"""The HTTP server's own part of a request: uvicorn's protocol over httptools, with a cheaper way in and out. What is no request
(WebSockets, nonsense, the end of the server) is uvicorn's.

`scope[PEER]` is the `Cycle`, for what ASGI has no word for.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from corral.kit.context import PEER
from corral.kit.http.cycle import Cycle
from corral.kit.http.flow import Flow
from corral.kit.http.gathering import Gathering
from corral.kit.http.lingering import Lingering

_INVALID = "Invalid HTTP request received."
_ASGI = {"version": "3.0", "spec_version": "2.3"}
_SHORT = 256
"""Bytes of a target up to which it is remembered how it is read: most requests go to the same few."""


def _read(target: bytes) -> tuple[str, bytes, bytes]:
    """The path, the path as it was written, and the query."""
    parsed = httptools.parse_url(target)
    path: bytes = parsed.path
    text = path.decode("ascii")
    return unquote(text) if "%" in text else text, path, parsed.query or b""


_remembered = lru_cache(maxsize=256)(_read)


class ServerProtocol(HttpToolsProtocol):
    """One connection of a client."""

    cycle: Any
    flow: Any
    pipeline: Any
    """Requests that came before their turn, each with its scope."""
    _idle_until: float | None = None
    """When a connection without a request is closed; None while one is under way. One timer serves all: it looks when it goes off."""
    _timer: asyncio.TimerHandle | None = None
    on_message_begin = None  # type: ignore[assignment]
    """See httptools: nothing is to be done; what was kept of the head before is gone when its request is whole."""

    def __init__(self, *parts: Any, **named: Any) -> None:
        super().__init__(*parts, **named)
        self.pipeline = []
        self.url, self.headers = b"", []

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self.transport = cast("asyncio.Transport", Gathering(transport, self.loop))
        self.flow = Flow(transport)
        self._every: dict[str, Any] = {
            "type": "http", "asgi": _ASGI, "server": self.server, "client": self.client, "scheme": self.scheme, "root_path": "",
        }  # fmt: skip

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._idle_until = None
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.logger.warning(_INVALID)
            self.send_400_response(_INVALID)
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            else:
                self._unsupported_upgrade_warning()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        self.flow.resume_writing()
        if self.cycle is not None:
            self.cycle.lost()
        if exc is None:
            self.transport.close()
        self.parser = None

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """See httptools: a request begins. The first step of the application is still to come."""
        parser, target, headers = self.parser, self.url, self.headers
        method, version = parser.get_method().decode("ascii"), parser.get_http_version()
        path, raw_path, query = _remembered(target) if len(target) <= _SHORT else _read(target)
        scope: Any = {
            **self._every, "http_version": version, "method": method, "path": path, "raw_path": raw_path, "query_string": query,
            "headers": headers,
        }  # fmt: skip
        self.scope = scope
        if parser.should_upgrade() and self._should_upgrade():
            return
        before, known = self.cycle, dict(headers)
        keep_alive = version != "1.0" and parser.should_keep_alive()
        cycle = self.cycle = scope[PEER] = Cycle(self, known, method == "HEAD", keep_alive)
        if b"expect" in known:
            cycle.expected = known[b"expect"].lower() == b"100-continue"
        if before is None or before.complete:
            cycle.start(scope)
        else:
            # It came before its turn: it is answered when the one before it has been.
            self.flow.pause_reading()
            self.pipeline.append((cycle, scope))

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self.cycle.take(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        if not (self.parser.should_upgrade() and self._should_upgrade()):
            self.url, self.headers = b"", []
            cycle = self.cycle
            cycle.more_body = False
            cycle.tell()

    # for its requests

    def on_response_complete(self) -> None:
        """An answer was given: the next request may be."""
        if self.flow.read_paused or self.pipeline:
            if self.transport.is_closing():
                return
            self.flow.resume_reading()
            if self.pipeline:
                cycle, scope = self.pipeline.pop(0)
                cycle.start(scope)
                return
        self._idle_until = until = self.loop.time() + self.timeout_keep_alive
        if self._timer is None:
            self._timer = self.loop.call_at(until, self._look)

    def linger(self) -> None:
        """The last answer was given before its request was whole."""
        way: Any = self.transport
        if not way.is_closing():
            way.flush()
            self.flow.resume_reading()
            Lingering(way.wire, self, self.loop)

    def shutdown(self) -> None:
        """See uvicorn: ends with the answer under way."""
        if self.cycle is None or self.cycle.complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    def _look(self) -> None:
        self._timer = None
        until = self._idle_until
        if until is None:
            return
        if self.loop.time() >= until:
            self.transport.close()
        else:
            self._timer = self.loop.call_at(until, self._look)
