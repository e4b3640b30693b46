"""Carries out an act: a good answer, or any way of failing."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from tests.fakes.providers.story import Act
from tests.fakes.providers.wire import Request, Stream, Whole, head

if TYPE_CHECKING:
    from tests.fakes.providers.wire import Connection, Server

PAGE = b"<html><body>Sign in to go on</body></html>"
DRIP = 0.1
"""Seconds between two bytes of what only drips."""
ENDLESS = 32
"""MiB of a line without an end."""


async def perform(connection: Connection, request: Request, act: Act, server: Server, record: dict[str, Any]) -> None:
    """Answers one request."""
    program = server.program
    if act.get("before"):
        await refuse(connection, act["before"])
        return
    accepted = server.script.get("accept_keys")
    if accepted is not None and record["key"] not in accepted:
        act = program.refused_key
    if act.get("first_after") and not (isinstance(request.json, dict) and record_streams(request)):
        await connection.pause(act["first_after"])
    common = {**program.headers(act.get("status", 200)), **act.get("headers", {})}
    if server.script.get("cors"):
        common["access-control-allow-origin"] = "*"
    if act.get("retry_after") is not None:
        common["retry-after"] = str(act["retry_after"])
    if act.get("redirect"):
        await connection.whole(Whole(b"", 307, {**common, "location": act["redirect"]}))
        return
    if act.get("status"):
        body = act["body"] if "body" in act else program.error(act["status"], act)
        await connection.whole(Whole(body.encode() if isinstance(body, str) else body, act["status"], common))
        return
    if act.get("content_type"):
        await connection.whole(Whole(PAGE, 200, {**common, "content-type": act["content_type"]}))
        return
    answer = program.answer(request, act, server.script)
    answer.headers = {**common, **answer.headers}
    if isinstance(answer, Stream):
        await Telling(connection, act, answer, record).tell(program.stream_error(act))
    elif answer.status == 200 and act.get("then"):
        await cut_short(connection, act, answer, program.error(500, act))
    else:
        await connection.whole(answer)


def record_streams(request: Request) -> bool:
    """Whether a stream is asked for, in any of the protocols."""
    stream = request.json.get("stream")
    return bool(stream) or "stream" in request.path.lower() or (stream is None and request.path.startswith("/api/"))


async def refuse(connection: Connection, how: str) -> None:
    """No answer at all."""
    if how == "refuse":
        connection.transport.abort()
    elif how == "silent":
        await connection.pause(None)
    elif how == "half_head":
        await connection.write(b"HTTP/1.1 200 OK\r\ncontent-ty")
        connection.transport.close()
    elif how == "garbage":
        await connection.write(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        connection.transport.close()
    else:
        connection.transport.close()


async def cut_short(connection: Connection, act: Act, answer: Whole, error: Any) -> None:
    """Half of an answer in one piece; or a good status around an error."""
    if act["then"] == "error":
        await connection.whole(Whole({**error, **act["error"]} if "error" in act else error, 200, answer.headers))
        return
    body = json.dumps(answer.body).encode()
    headers = {"content-type": "application/json", **answer.headers}
    await connection.write(head(200, headers, len(body)) + body[: len(body) // 2])
    if act["then"] == "stall":
        await connection.pause(None)
    elif act["then"] == "drip":
        for at in range(len(body) // 2, len(body)):
            await connection.pause(DRIP)
            await connection.write(body[at : at + 1])
    elif act["then"] == "reset":
        connection.transport.abort()
    else:
        connection.transport.close()


class Telling:
    """Sends a stream."""

    def __init__(self, connection: Connection, act: Act, stream: Stream, record: dict[str, Any]) -> None:
        self._connection = connection
        self._act = act
        self._stream = stream
        self._record = record
        self._form: dict[str, Any] = act.get("sse") or {}
        self._rate: float | None = act.get("rate")

    async def tell(self, error: bytes) -> None:
        """All of it, or as much as the act allows."""
        act, stream, connection = self._act, self._stream, self._connection
        if not act.get("head_first", True):
            await self._wait_for_first(silent=True)
        await connection.write(head(200, {"content-type": stream.media_type, **stream.headers}, None))
        if self._form.get("bom"):
            await self._send(b"\xef\xbb\xbf")
        for event in stream.head:
            await self._event(event)
        if act.get("head_first", True):
            await self._wait_for_first(silent=False)
        if act.get("flood"):
            await self._flood()
        for number, token in enumerate(stream.tokens):
            if act.get("then") and number == act.get("after", 0):
                await self._fail(act["then"], token, error)
                return
            if number and act.get("pace"):
                await connection.pause(act["pace"])
            await self._event(token)
            self._record["sent"] = number + 1
        if act.get("then") and act.get("after", 0) >= len(stream.tokens):
            await self._fail(act["then"], stream.tail[0] if stream.tail else stream.end, error)
            return
        for event in stream.tail:
            await self._event(event)
        if self._form.get("done", True):
            await self._event(stream.end)
        if self._form.get("after_done"):
            await self._send(self._form["after_done"].encode())
        await connection.write(b"0\r\n\r\n")

    async def _wait_for_first(self, *, silent: bool) -> None:
        left: float = self._act.get("first_after") or 0.0
        step: float | None = self._act.get("pings")
        while left > 0:
            await self._connection.pause(min(left, step or left))
            left -= step or left
            if step and not silent:
                await self._send(self._stream.ping)

    async def _fail(self, how: str, token: bytes, error: bytes) -> None:
        connection = self._connection
        if how == "stall":
            await connection.pause(None)
        elif how == "pings":
            while True:
                await connection.pause(self._act.get("pings", 0.05))
                await self._send(self._stream.ping)
        elif how == "reset":
            await connection.pause(0.05)
            connection.transport.abort()
        elif how == "close":
            connection.transport.close()
        elif how == "drip":
            for at in range(len(token)):
                await connection.pause(DRIP)
                await self._send(token[at : at + 1])
            await connection.pause(None)
        elif how == "endless":
            await self._long(ENDLESS << 20)
            await connection.pause(None)
        else:
            if how == "half":
                await self._send(token[: max(1, len(token) // 2)])
            elif how == "error":
                await self._event(error)
            elif how == "garbage":
                await self._event(b"data: {not json at all\n\n" if b"data" in token else b"{not json at all\n")
            await connection.write(b"0\r\n\r\n")

    async def _event(self, event: bytes) -> None:
        form = self._form
        if not event:
            return
        if form.get("comments"):
            await self._send(b": a comment\n\n")
        if form.get("long_line"):
            await self._long(form["long_line"])
        if form.get("not_json"):
            event = event.replace(b'{"', b'{"\x00 broken', 1)
        if form.get("newline"):
            event = event.replace(b"\n", form["newline"].encode())
        await self._send(event)

    async def _long(self, length: int) -> None:
        await self._send(b"data: " if b"event-stream" in self._stream.media_type.encode() else b'{"model":"')
        for _ in range(0, length, 65536):
            await self._send(b"x" * 65536)
            await asyncio.sleep(0)
        await self._send(b"\n\n")

    async def _flood(self) -> None:
        token = self._stream.tokens[0]
        block = token * max(1, 65536 // len(token))
        for _ in range(self._act["flood"] * 1024 * 1024 // len(block)):
            await self._send(block)

    async def _send(self, data: bytes) -> None:
        if not data:
            return
        step = self._form.get("split") or len(data)
        if self._rate:
            step = max(1, min(step, int(self._rate)))
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            if self._rate:
                await self._connection.pause(len(piece) / self._rate)
            await self._connection.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self._record["told"] += len(piece)
