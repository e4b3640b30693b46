"""HTTP/1.1 by hand, so that every way of going wrong can be had: connections, requests, acts."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import httptools

from tests.fakes.providers.story import Act

MAX_SEEN = 5000
MAX_BODY = 64 * 1024 * 1024
KEPT_BODY = 256 * 1024
PREFLIGHT = ("access-control-allow-origin", "access-control-allow-headers", "access-control-allow-methods")


class GoneError(Exception):
    """The client hung up."""


@dataclass
class Request:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    json: Any = None


@dataclass
class Whole:
    """An answer in one piece."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Stream:
    """An answer in pieces: `tokens` are what counts as content; `end` is the mark that all is said, `ping` what may come between."""

    head: list[bytes]
    tokens: list[bytes]
    tail: list[bytes]
    end: bytes = b""
    ping: bytes = b": ping\n\n"
    media_type: str = "text/event-stream; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)


class Program:
    """What a provider's module fills."""

    kind = ""
    refused_key: ClassVar[Act] = {"status": 401}
    """What a key that is not accepted gets."""

    def key(self, request: Request) -> str | None:
        """The credential of a request."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        return value if scheme.lower() == "bearer" else None

    def model(self, request: Request) -> str:
        """The model that is asked for."""
        return str(request.json.get("model", "")) if isinstance(request.json, dict) else ""

    def answer(self, request: Request, act: Act, script: dict[str, Any]) -> Whole | Stream:
        """The good answer, or an error that the protocol demands."""
        raise NotImplementedError

    def error(self, status: int, act: Act) -> Any:
        """The body of an error answer."""
        raise NotImplementedError

    def stream_error(self, act: Act) -> bytes:
        """An error in the middle of a stream."""
        raise NotImplementedError

    def headers(self, status: int) -> dict[str, str]:
        """What every answer bears."""
        return {}


class Server:
    """The script, and what was seen."""

    def __init__(self, program: Program, script: dict[str, Any]) -> None:
        self.program = program
        self.script = script
        self.seen: deque[dict[str, Any]] = deque(maxlen=MAX_SEEN)
        self.open = 0
        self.connections = 0
        self.refused: tuple[str, bytes] | None = None

    def act(self, key: str | None, model: str) -> Act:
        """What to do with the next request."""
        script = self.script
        queue = script.get("queue") or []
        chosen = queue.pop(0) if queue else {}
        of_model = script.get("models", {}).get(model, {})
        if isinstance(of_model, list):
            of_model = of_model.pop(0) if len(of_model) > 1 else of_model[0]
        return {
            **script.get("default", {}),
            **of_model,
            **script.get("keys", {}).get(key or "", {}),
            **chosen,
        }

    def control(self, request: Request) -> Whole:
        """The endpoints for tests."""
        if request.path == "/_script":
            self.script = request.json or {}
            self.seen.clear()
        elif request.path == "/_next":
            self.script.setdefault("queue", []).extend(request.json)
        elif request.path == "/_seen":
            return Whole({"requests": list(self.seen), "open": self.open, "connections": self.connections})
        else:
            return Whole({"error": "no such control"}, 404)
        return Whole({})


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._writable = asyncio.Event()
        self._writable.set()
        self.gone = asyncio.Event()
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = 0
        self.requests = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._server.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections -= 1
        self.gone.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()

    # httptools

    def on_message_begin(self) -> None:
        self._url, self._headers, self._body, self._size = b"", [], [], 0

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if any(name.lower() == b"expect" for name, _ in self._headers):
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)
        self._size += len(body)
        if self._size > MAX_BODY:
            self.transport.abort()

    def on_message_complete(self) -> None:
        parts = urlsplit(self._url.decode("latin-1"))
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self._headers}
        request = Request(
            self._parser.get_method().decode(), unquote(parts.path), dict(parse_qsl(parts.query)), headers, b"".join(self._body)
        )  # fmt: skip
        with contextlib.suppress(ValueError):
            request.json = json.loads(request.body) if request.body else None
        task = asyncio.get_running_loop().create_task(self._serve(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # answering

    async def write(self, data: bytes) -> None:
        """Sends, as fast as the client takes it."""
        await self._writable.wait()
        if self.gone.is_set():
            raise GoneError
        self.transport.write(data)

    async def pause(self, seconds: float | None) -> None:
        """Waits; for ever without `seconds`. Raises GoneError when the client leaves meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.gone.wait()
        if self.gone.is_set():
            raise GoneError

    async def whole(self, answer: Whole) -> None:
        """An answer with a length."""
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body, ensure_ascii=False).encode()
        await self.write(head(answer.status, {"content-type": "application/json", **answer.headers}, len(body)) + body)

    def _chosen(self, request: Request, key: str | None) -> Act:
        server = self._server
        if request.method != "POST":
            return server.script.get("get") or {}
        self.requests += 1
        if server.refused is not None and server.refused == (request.path, request.body):
            # Clients send a request again when a kept connection ends before the answer; that is the same refusal.
            server.refused = None
            return {"before": "refuse"}
        act = server.act(key, server.program.model(request))
        refused = act.get("before") in ("refuse", "close") and self.requests > 1
        server.refused = (request.path, request.body) if refused else None
        return act

    async def _serve(self, request: Request) -> None:
        from tests.fakes.providers.acting import perform

        server = self._server
        if request.path.startswith("/_"):
            with contextlib.suppress(GoneError):
                await self.whole(server.control(request))
            return
        if request.method == "OPTIONS" and server.script.get("cors"):
            with contextlib.suppress(GoneError):
                await self.whole(Whole(b"", 204, dict.fromkeys(PREFLIGHT, "*")))
            return
        key = server.program.key(request)
        act = self._chosen(request, key)
        record = {
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "headers": request.headers,
            "body": request.json if len(request.body) <= KEPT_BODY else None,
            "bytes": len(request.body),
            "key": key,
            "hung_up": False,
            "sent": 0,
            "told": 0,
            "done": False,
        }
        record["act"] = act
        server.seen.append(record)
        server.open += 1
        try:
            await perform(self, request, act, server, record)
            record["done"] = True
            if act.get("close_after"):
                self.transport.close()
        except GoneError:
            record["hung_up"] = True
        finally:
            server.open -= 1


def head(status: int, headers: dict[str, str], length: int | None) -> bytes:
    """The head of an answer; chunked without a length."""
    fields = dict(headers)
    fields["content-length" if length is not None else "transfer-encoding"] = (
        "chunked" if length is None else str(length)
    )
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Told\r\n{lines}\r\n".encode("latin-1")
