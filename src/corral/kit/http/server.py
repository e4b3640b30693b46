"""The HTTP server's own part of a request: uvicorn's protocol over httptools, with a cheaper way out and a word more for the application.

What ASGI has no word for is in `scope["extensions"][PEER]`: the body when it is there already, and a call when the client has gone,
so that nobody needs a task that waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from corral.kit.context import PEER

_CONTROLS = bytes(code for code in range(32) if code != 9) + b"\x7f"
"""What no header may hold; each line's end has two of them."""
_UNWRITTEN = (204, 304)


class ServerProtocol(HttpToolsProtocol):
    """One connection of a client."""

    def on_headers_complete(self) -> None:
        """See httptools: a request begins. uvicorn has made its cycle, whose first step is still to come."""
        before = self.cycle
        super().on_headers_complete()
        cycle: Any = self.cycle
        if cycle is not before:
            cycle.__class__ = Cycle
            cycle.loop = self.loop
            cycle.scope["extensions"] = {PEER: cycle}

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        if isinstance(self.cycle, Cycle):
            self.cycle.lost()


class Cycle(RequestResponseCycle):
    """A request and its answer. It has no fields of its own until they are set: uvicorn makes it as its own class."""

    loop: asyncio.AbstractEventLoop
    _tell: Callable[[], None] | None = None
    _held = b""
    """The head of the answer, until the beginning of the body goes with it or the loop comes round."""

    def whole(self) -> bytes | None:
        """The body, when all of it has come and nobody has received any of it; else None."""
        if self.more_body or self.disconnected or self.waiting_for_100_continue:
            return None
        self.flow.resume_reading()
        self.message_event.clear()
        body, self.body = bytes(self.body), bytearray()
        return body

    def write(self, piece: bytes) -> bool:
        """Sends a piece of an answer that has begun and goes on behind it, where that can be done at once; else False."""
        if self.flow.write_paused or self.disconnected or self.response_complete or not self.response_started:
            return False
        self._body(piece, more=True)
        return True

    def when_gone(self, tell: Callable[[], None] | None) -> None:
        """Has `tell` called once, when the client goes before its answer is whole; at once when it has gone already."""
        self._tell = tell
        if self.disconnected:
            self.lost()

    def lost(self) -> None:
        """The connection is gone."""
        tell, self._tell = self._tell, None
        if tell is not None and not self.response_complete:
            tell()

    async def send(self, message: MutableMapping[str, Any]) -> None:  # type: ignore[override]
        """See ASGI. Raises RuntimeError for what is out of order, and for a header that would end the head early."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.body" and self.response_started and not self.response_complete:
            self._body(message.get("body", b""), more=message.get("more_body", False))
        elif kind == "http.response.start" and not self.response_started:
            self._head(message["status"], message.get("headers", ()))
        else:
            raise RuntimeError(f"{kind} is out of order in an answer")

    def _head(self, status: int, headers: Any) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        lines = [STATUS_LINE[status]]
        count, closes = 2, not self.keep_alive
        for name, value in (*self.default_headers, *headers):
            lines += (name, b": ", value, b"\r\n")
            count += 1
            known = name.lower()
            if known == b"content-length":
                self.expected_content_length, self.chunked_encoding = int(value), False
            elif known == b"transfer-encoding":
                self.chunked_encoding = value.lower() == b"chunked"
            elif known == b"connection" and b"close" in value.lower():
                self.keep_alive, closes = False, False
        if closes:
            lines.append(b"connection: close\r\n")
            count += 1
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in _UNWRITTEN:
            self.chunked_encoding = True
            lines.append(b"transfer-encoding: chunked\r\n")
            count += 1
        lines.append(b"\r\n")
        head = b"".join(lines)
        if len(head) - len(head.translate(None, _CONTROLS)) != 2 * count:
            raise RuntimeError("a header holds what a header cannot")
        self._held = head
        self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        held, self._held = self._held, b""
        if held and not self.transport.is_closing():
            self.transport.write(held)

    def _body(self, body: bytes, *, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
            body = b""
        elif self.chunked_encoding:
            if body:
                body = b"%x\r\n%b\r\n" % (len(body), body) if more else b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            elif not more:
                body = b"0\r\n\r\n"
        else:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0:
                self._flush()
                raise RuntimeError("the answer is longer than its content-length")
        if self._held:
            body, self._held = self._held + body, b""
        if body:
            self.transport.write(body)
        if not more:
            self._end()

    def _end(self) -> None:
        if self.expected_content_length:
            raise RuntimeError("the answer is shorter than its content-length")
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
