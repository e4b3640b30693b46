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
from corral.kit.errors import CorralError, InvalidRequest, UpstreamFailed
from corral.kit.http import Response
from corral.kit.rendering import render_openai
from corral.providers.local import engine_error
from corral.surfaces.asgi import (
    KEEP_ALIVE_SECONDS,
    ClientGone,
    Headers,
    KeepAlive,
    Receive,
    Scope,
    Send,
    read_body,
    respond,
)

_JSON = b"content-type: application/json\r\n"
_MAX_ERROR = 1 << 20
_STREAM_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class _Asked(msgspec.Struct):
    model: str | None = None
    stream: bool | None = None


_decoder = msgspec.json.Decoder(_Asked)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of a request's body, and seconds of silence before a keep-alive."""

    max_body: int
    keep_alive: float = KEEP_ALIVE_SECONDS


class Relay:
    """Serves one kind of call; `path` is the engine's."""

    def __init__(self, path: str, inference: Inference, meter: Meter, limits: Limits) -> None:
        self._path = path.encode()
        self._inference = inference
        self._meter = meter
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send, principal: Principal) -> None:
        """One request. Raises CorralError before the answer has begun."""
        try:
            body = await read_body(receive, self._limits.max_body)
        except ClientGone:
            return
        asked = parse(body)
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
            if asked.stream:
                await self._stream(asked, body, send, principal)
            else:
                await self._whole(asked, body, send, principal)
        except asyncio.CancelledError:
            if not gone:
                raise
            work.uncancel()
        finally:
            watcher.cancel()

    async def _ask(self, asked: _Asked, body: bytes, principal: Principal) -> tuple[Visit, Response]:
        visit = await self._inference.enter(principal, asked.model)
        try:
            lease = visit.lease
            if lease.upstream_model is not None:
                body = rename(body, lease.upstream_model)
            response = await lease.pool.request(b"POST", self._path, headers=lease.headers + _JSON, body=body)
            if response.status != 200:
                raise engine_error(response.status, await response.read(_MAX_ERROR))
        except BaseException as error:
            self._meter.add(visit.lease.model, None, failed=isinstance(error, CorralError))
            visit.close()
            raise
        return visit, response

    async def _whole(self, asked: _Asked, body: bytes, send: Send, principal: Principal) -> None:
        visit, response = await self._ask(asked, body, principal)
        usage = None
        try:
            answer = await response.read()
            usage = read_usage(answer)
        finally:
            response.abort()
            visit.close()
            self._meter.add(visit.lease.model, usage, failed=usage is None)
        await respond(send, 200, [(b"content-type", response.header(b"content-type") or b"application/json")], answer)

    async def _stream(self, asked: _Asked, body: bytes, send: Send, principal: Principal) -> None:
        alive = KeepAlive(send, _STREAM_HEADERS, self._limits.keep_alive)
        try:
            visit, response = await self._ask(asked, body, principal)
            await alive.begin()
            last = await self._relay(visit, response, send, alive)
        except CorralError as error:
            if not alive.begun:
                raise
            last = error_event(error)
        finally:
            alive.stop()
        await send({"type": "http.response.body", "body": last, "more_body": False})

    async def _relay(self, visit: Visit, response: Response, send: Send, alive: KeepAlive) -> bytes:
        """Sends what arrives; returns what is left to send."""
        tap = StreamTap()
        failed = True
        try:
            async for chunk in response.chunks():
                tap.feed(chunk)
                alive.touch(boundary=tap.boundary)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            failed = not tap.done
            if failed:
                raise UpstreamFailed("The engine's answer ended before it was finished.")
        except CorralError as error:
            return (b"" if tap.boundary else b"\n\n") + error_event(error)
        finally:
            response.abort()
            visit.close()
            self._meter.add(visit.lease.model, tap.usage(), failed=failed)
        return b""


def parse(body: bytes) -> _Asked:
    """The fields that Corral itself needs. Raises InvalidRequest naming the field."""
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        text = str(error)
        field = text.rsplit("$.", 1)[1].rstrip("`") if "$." in text else None
        raise InvalidRequest(f"{field or 'The body'}: {text.split(' - ', maxsplit=1)[0]}.", param=field) from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None


def rename(body: bytes, model: str) -> bytes:
    """The body with another model name, for an attached server that knows the model by another one."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    fields["model"] = msgspec.Raw(msgspec.json.encode(model))
    return msgspec.json.encode(fields)


def error_event(error: CorralError) -> bytes:
    """An error as the last event of a stream; no `[DONE]` follows."""
    return b"data: " + msgspec.json.encode(render_openai(error)) + b"\n\n"
