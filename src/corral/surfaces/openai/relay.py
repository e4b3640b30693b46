"""The data plane: a request goes to the engine and its answer comes back, byte for byte.

Bare ASGI. The request is parsed once for its model and whether it streams; a watcher ends the work when the client
leaves, in the queue, before or after the first token. After a keep-alive comment was sent, a failure is an event.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec

from corral.accounts.types import Principal
from corral.inference import Inference, Visit
from corral.inference.tap import Meter, StreamTap, read_usage
from corral.kit.errors import CorralError, UpstreamFailed
from corral.kit.http import Response
from corral.kit.rendering import render_openai
from corral.providers.assembly import as_stream, assemble
from corral.providers.local import engine_error
from corral.surfaces.asgi import (
    KEEP_ALIVE_SECONDS,
    STALL_SECONDS,
    ClientGone,
    EventStream,
    Headers,
    Receive,
    Scope,
    Send,
    read_body,
    respond,
)
from corral.surfaces.bodies import require_json
from corral.surfaces.openai.request import Asked, Parser, rename
from corral.surfaces.table import Visitor

_JSON = b"content-type: application/json\r\n"
_MAX_ERROR = 1 << 20
_STREAM_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
_VECTORS = ("/v1/embeddings", "/v1/rerank")
"""What is answered with numbers, in one piece."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds of silence before a keep-alive, and until a client that takes nothing is given up."""

    keep_alive: float = KEEP_ALIVE_SECONDS
    stall: float = STALL_SECONDS


class Relay:
    """Serves one kind of call; `path` is the engine's."""

    def __init__(self, path: str, inference: Inference, meter: Meter, limits: Limits) -> None:
        self._path = path.encode()
        self._parse = Parser(path)
        self._generates = path not in _VECTORS
        self._inference = inference
        self._meter = meter
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send, visitor: Visitor) -> None:
        """One request. Raises CorralError before the answer has begun."""
        principal = visitor.principal
        require_json(scope)
        try:
            body = await read_body(receive)
        except ClientGone:
            return
        asked = self._parse(body)
        work = asyncio.current_task()
        assert work is not None
        gone = False

        async def watch() -> None:
            nonlocal gone
            while (await receive())["type"] != "http.disconnect":
                pass
            gone = True
            work.cancel()

        watcher = asyncio.create_task(watch(), name="disconnect watcher")
        try:
            if asked.stream and self._generates:
                await self._stream(asked, body, send, principal)
            else:
                await self._whole(asked, body, send, principal)
        except asyncio.CancelledError:
            if not gone:
                raise
            work.uncancel()
        except ClientGone:
            return
        finally:
            watcher.cancel()

    async def _ask(self, visit: Visit, asked: Asked, body: bytes, kind: bytes) -> Response:
        """The engine's answer, of which the head is there. Raises for one that is an error or of another `kind`."""
        lease = visit.lease
        if lease.upstream_model is not None or asked.model is None:
            body = rename(body, lease.upstream_model or lease.model)
        response = await lease.pool.request(b"POST", self._path, headers=lease.headers + _JSON, body=body)
        try:
            if response.status != 200:
                again = response.header(b"retry-after")
                raise engine_error(response.status, await response.read(_MAX_ERROR), again)
            got = response.header(b"content-type") or kind
            if not got.startswith(kind):
                told = got[:100].decode("latin-1")
                raise UpstreamFailed(f"The engine answered with {told} where {kind.decode()} was expected.")
        except BaseException:
            response.abort()
            raise
        return response

    async def _whole(self, asked: Asked, body: bytes, send: Send, principal: Principal) -> None:
        visit = await self._inference.enter(principal, asked.model, body)
        usage, failed, kind = None, False, b"application/json"
        try:
            if visit.lease.native and self._generates:
                response = await self._ask(visit, asked, as_stream(body), b"text/event-stream")
                try:
                    answer = await assemble(response.chunks())
                finally:
                    response.abort()
            else:
                response = await self._ask(visit, asked, body, kind)
                try:
                    answer = await response.read()
                finally:
                    response.abort()
                kind = response.header(b"content-type") or kind
            usage = read_usage(answer)
        except CorralError as error:
            failed = error.status >= 500
            raise
        finally:
            visit.close()
            self._meter.add(visit.lease.model, usage, failed=failed)
        await respond(send, 200, [(b"content-type", kind)], answer)

    async def _stream(self, asked: Asked, body: bytes, send: Send, principal: Principal) -> None:
        stream = EventStream(send, _STREAM_HEADERS, keep_alive=self._limits.keep_alive, stall=self._limits.stall)
        try:
            visit = await self._inference.enter(principal, asked.model, body)
            await self._relay(visit, asked, body, stream)
            last = b""
        except CorralError as error:
            if not stream.begun:
                raise
            last = error_event(error)
        finally:
            stream.stop()
        await stream.end(last)

    async def _relay(self, visit: Visit, asked: Asked, body: bytes, stream: EventStream) -> None:
        """Sends what arrives, to its end. Raises CorralError also for an answer that is not whole."""
        tap = StreamTap()
        failed = False
        try:
            response = await self._ask(visit, asked, body, b"text/event-stream")
            try:
                await stream.begin()
                async for chunk in response.chunks():
                    tap.feed(chunk)
                    await stream.send(chunk, boundary=tap.boundary)
            finally:
                response.abort()
            if not tap.done():
                raise UpstreamFailed("The engine's answer ended before it was finished.")
        except CorralError as error:
            failed = error.status >= 500
            if not tap.boundary:
                # What was half said must not swallow the error event.
                await stream.send(b"\n\n")
            raise
        finally:
            visit.close()
            self._meter.add(visit.lease.model, tap.usage(), failed=failed)


def error_event(error: CorralError) -> bytes:
    """An error as the last event of a stream; no `[DONE]` follows."""
    return b"data: " + msgspec.json.encode(render_openai(error)) + b"\n\n"
