"""llama.cpp's own endpoints, one model at a time: `/upstream/{model}/...` leads to the engine of that model.

An allow-list: what is not in it (saving slots, changing properties or adapters) cannot be reached. What makes the engine
work waits in the model's queue like every other request; questions about it do not, and wake no engine that is stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import msgspec

from corral.accounts.types import Permission, Principal
from corral.engines.types import Door
from corral.inference import Visit
from corral.kit.errors import CorralError, Unavailable, UpstreamFailed
from corral.kit.http import Response, Timeouts
from corral.kit.rendering import render_openai
from corral.providers.local import engine_error
from corral.surfaces.asgi import ClientGone, EventStream, Receive, Scope, Send, respond
from corral.surfaces.bodies import read
from corral.surfaces.door import STREAM_HEADERS, Pace, Watched
from corral.surfaces.table import RouteTable, Visitor

_JSON = b"content-type: application/json\r\n"
_MAX_ERROR = 1 << 20
_MAX_ANSWER = 64 << 20
_ASKING = Timeouts(connect=2.0, head=10.0, idle=10.0)
_KINDS = (b"application/json", b"text/plain", b"text/event-stream")
_Count = Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)]
_Amount = Annotated[float, msgspec.Meta(ge=-100, le=100)]


class Completion(msgspec.Struct):
    """`/completion`, and what `/infill` shares with it."""

    stream: bool | None = None
    n_predict: _Count | None = None
    temperature: _Amount | None = None
    top_k: _Count | None = None
    top_p: _Amount | None = None
    min_p: _Amount | None = None
    seed: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: list[str] | None = None
    grammar: str | None = None
    json_schema: dict[str, Any] | None = None
    cache_prompt: bool | None = None


class Prompted(Completion, kw_only=True):
    """`/completion`: text, token ids, or both mixed."""

    prompt: str | list[Any] | dict[str, Any]


class Infill(Completion, kw_only=True):
    """`/infill`."""

    input_prefix: str
    input_suffix: str
    input_extra: list[dict[str, Any]] | None = None
    prompt: str | None = None


class Tokenize(msgspec.Struct):
    """`/tokenize`."""

    content: str | list[str | int]
    add_special: bool | None = None
    parse_special: bool | None = None
    with_pieces: bool | None = None


class Detokenize(msgspec.Struct):
    """`/detokenize`."""

    tokens: list[int]


class _Said(msgspec.Struct):
    role: str
    content: str | list[Any] | None = None


class ApplyTemplate(msgspec.Struct):
    """`/apply-template`."""

    messages: list[_Said]
    tools: list[dict[str, Any]] | None = None


_ASKED: dict[str, type[msgspec.Struct]] = {
    "/completion": Prompted, "/infill": Infill, "/tokenize": Tokenize, "/detokenize": Detokenize, "/apply-template": ApplyTemplate,
}  # fmt: skip
_TOLD = {
    "/props": Permission.MONITORING_READ,
    "/slots": Permission.MONITORING_READ,
    "/metrics": Permission.MONITORING_READ,
}
_GENERATES = ("/completion", "/infill")
_TAIL = 256 * 1024


class Queue(Protocol):
    """The way to a slot of a model (`inference.Inference`)."""

    async def enter(self, principal: Principal, model: str | None, body: bytes = b"") -> Visit:
        """See `inference.service.Inference.enter`."""
        ...


class Doors(Protocol):
    """The engines that run (a port that `app` fills)."""

    def door(self, principal: Principal, model: str) -> Door:
        """The engine of `model`. Raises ModelNotFound."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What the pass-through is made of."""

    queue: Queue
    doors: Doors
    pace: Pace


def add_llamacpp(table: RouteTable, parts: Parts) -> None:
    """Adds the routes."""
    for path, asked in _ASKED.items():
        endpoint = Work(path, msgspec.json.Decoder(asked), parts)
        table.add("POST", "/upstream/{}" + path, Permission.INFERENCE, endpoint)
    for path, permission in _TOLD.items():
        table.add("GET", "/upstream/{}" + path, permission, Question(path, parts.doors))


class Question:
    """A question about an engine: answered at once, by one that is ready."""

    def __init__(self, path: str, doors: Doors) -> None:
        self._path = path.encode()
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send, visitor: Visitor) -> None:
        """See `table.Endpoint`. Raises ModelNotFound, Unavailable without an engine that is ready, and the engine's error."""
        door = self._doors.door(visitor.principal, visitor.rest)
        if door.pool is None:
            raise Unavailable(
                f"The engine of {visitor.rest!r} is {door.status.state.value}; it tells nothing until it is ready.",
                retry_after=1,
            )
        response = await door.pool.request(b"GET", self._path, headers=door.headers, timeouts=_ASKING)
        kind, answer = await _whole(response)
        await respond(send, 200, [(b"content-type", kind)], answer)


class Work:
    """What makes an engine work: in turn, and ended when the client leaves."""

    def __init__(self, path: str, decoder: msgspec.json.Decoder[Any], parts: Parts) -> None:
        self._path = path.encode()
        self._decoder = decoder
        self._parts = parts
        self._generates = path in _GENERATES

    async def __call__(self, scope: Scope, receive: Receive, send: Send, visitor: Visitor) -> None:
        """See `table.Endpoint`. Raises CorralError before the answer has begun."""
        try:
            asked, body = await read(scope, receive, self._decoder)
        except ClientGone:
            return
        streams = self._generates and bool(asked.stream)
        with Watched(receive, visitor.peer):
            await (self._stream if streams else self._give)(send, visitor, body)

    async def _give(self, send: Send, visitor: Visitor, body: bytes) -> None:
        visit = await self._parts.queue.enter(visitor.principal, visitor.rest, body)
        try:
            kind, answer = await _whole(await self._ask(visit, body))
        finally:
            visit.close()
        await respond(send, 200, [(b"content-type", kind)], answer)

    async def _stream(self, send: Send, visitor: Visitor, body: bytes) -> None:
        pace = self._parts.pace
        stream = EventStream(send, STREAM_HEADERS, keep_alive=pace.keep_alive, stall=pace.stall)
        last = b""
        try:
            visit = await self._parts.queue.enter(visitor.principal, visitor.rest, body)
            await self._relay(visit, body, stream)
        except CorralError as error:
            if not stream.begun:
                raise
            last = b"data: " + msgspec.json.encode(render_openai(error)) + b"\n\n"
        finally:
            stream.stop()
        await stream.end(last)

    async def _ask(self, visit: Visit, body: bytes) -> Response:
        lease = visit.lease
        return await lease.pool.request(b"POST", self._path, headers=lease.headers + _JSON, body=body)

    async def _relay(self, visit: Visit, body: bytes, stream: EventStream) -> None:
        """Sends what arrives, to its end. Raises CorralError also for an answer that is not whole."""
        tail = Tail()
        try:
            response = await self._ask(visit, body)
            try:
                await _check(response)
                await stream.begin()
                async for chunk in response.chunks():
                    tail.feed(chunk)
                    await stream.send(chunk, boundary=tail.boundary)
            finally:
                response.abort()
            if not tail.stopped():
                raise UpstreamFailed("The engine's answer ended before it was finished.")
        except CorralError:
            if not tail.boundary:
                # What was half said must not swallow the error event.
                await stream.send(b"\n\n")
            raise
        finally:
            visit.close()


class Tail:
    """The last bytes of a stream of llama.cpp's own events, of which the last one says that it has stopped."""

    def __init__(self) -> None:
        self._kept = b""

    def feed(self, chunk: bytes) -> None:
        """Sees a piece."""
        self._kept = (self._kept + chunk)[-_TAIL:]

    @property
    def boundary(self) -> bool:
        """Whether no event is half said."""
        return not self._kept or self._kept.endswith((b"\n\n", b"\r\n\r\n"))

    def stopped(self) -> bool:
        """Whether the engine has said that the answer is whole."""
        # The last event repeats the settings and the prompt, so its beginning may be cut off: `stop` is looked for as it is written.
        last = self._kept.rstrip().rsplit(b"\n\n", 1)[-1]
        return b'"stop":true' in last.replace(b'": ', b'":')


async def _check(response: Response) -> None:
    """Raises the engine's error, and UpstreamFailed for an answer of a strange kind."""
    if response.status != 200:
        raise engine_error(response.status, await response.read(_MAX_ERROR), response.header(b"retry-after"))
    kind = response.header(b"content-type") or b"application/json"
    if not kind.startswith(_KINDS):
        told = kind[:100].decode("latin-1")
        raise UpstreamFailed(f"The engine answered with {told}.")


async def _whole(response: Response) -> tuple[bytes, bytes]:
    """Kind and bytes of an answer."""
    try:
        await _check(response)
        return response.header(b"content-type") or b"application/json", await response.read(_MAX_ANSWER)
    finally:
        response.abort()
