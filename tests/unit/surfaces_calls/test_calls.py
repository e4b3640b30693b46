"""A call of the data plane at its edges: silence, failures after the answer began, clients that leave, large bodies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from corral.accounts.service import LocalAccounts
from corral.accounts.types import Permission, Principal
from corral.inference.types import Ask, Reply, Streaming
from corral.kit.errors import (
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    TooManyRequests,
    UnsupportedMedia,
    UpstreamFailed,
)
from corral.surfaces.anthropic.request import read_messages
from corral.surfaces.asgi import Receive, Scope, Send
from corral.surfaces.calls import Asked, Calls, Manner
from corral.surfaces.door import Pace
from corral.surfaces.ollama import request as ollama
from corral.surfaces.table import RouteTable, Visitor

PACE = Pace(keep_alive=0.05, stall=30)
BODY: Any = {"model": "m", "messages": [{"role": "user", "content": "ping"}], "stream": True}


class Scripted:
    """Answers as it is told; `wait` holds it back before the first piece, `gone` is set when the work was cancelled."""

    def __init__(self, *pieces: bytes | Exception, wait: bool = False) -> None:
        self.pieces = pieces
        self.wait = asyncio.Event()
        if not wait:
            self.wait.set()
        self.gone = asyncio.Event()
        self.asked: list[Ask] = []

    async def whole(self, principal: Principal, ask: Ask) -> Reply:
        self.asked.append(ask)
        await self._ready()
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
        return Reply(
            b"".join(piece for piece in self.pieces if isinstance(piece, bytes)), headers={"X-Corral-Model": "m"}
        )

    async def stream(self, principal: Principal, ask: Ask) -> Streaming:
        self.asked.append(ask)
        await self._ready()
        pieces = self._pieces()
        return Streaming(await anext(pieces), pieces, "text/event-stream", {"X-Corral-Provider": "scripted"})

    async def _ready(self) -> None:
        try:
            await self.wait.wait()
        except asyncio.CancelledError:
            self.gone.set()
            raise

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            for piece in self.pieces:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
                await asyncio.sleep(0)
            if not self.pieces:
                await asyncio.Event().wait()
        finally:
            self.gone.set()


class Wire:
    """A client: `leave` hangs up."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.left = asyncio.Event()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.said = b""
        self.asked = False

    async def receive(self) -> dict[str, Any]:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        self.said += message.get("body", b"")


def openai_manner() -> Manner:
    def read(body: bytes, visitor: Visitor) -> Asked:
        asked = json.loads(body)
        return Asked(asked.get("model"), bool(asked.get("stream")))

    return Manner("chat", "openai_chat", read)


MANNERS: list[tuple[Manner, bytes, bytes]] = [
    (openai_manner(), b": keep-alive\n\n", b'data: {"error":'),
    (Manner("chat", "anthropic", read_messages), b'event: ping\ndata: {"type": "ping"}\n\n', b"event: error\ndata: "),
]


async def visit(
    answers: Scripted, manner: Manner, body: Any = BODY, pace: Pace = PACE, **headers: str
) -> tuple[Wire, asyncio.Task[None]]:
    table = RouteTable(LocalAccounts())
    table.add("POST", "/here", Permission.INFERENCE, Calls(answers, manner, pace))
    wire = Wire(body if isinstance(body, bytes) else json.dumps(body).encode())
    scope: Scope = {
        "type": "http", "method": "POST", "path": "/here",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip

    async def served() -> None:
        await table(scope, wire.receive, wire.send)

    return wire, asyncio.create_task(served())


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(("manner", "comment", "_error"), MANNERS)
async def test_silence_before_the_first_token_is_filled(manner: Manner, comment: bytes, _error: bytes) -> None:
    answers = Scripted(b"data: 1\n\n", b"data: 2\n\n", wait=True)
    wire, task = await visit(answers, manner)
    await until(lambda: wire.said.count(comment) >= 2)
    assert (wire.status, wire.headers["x-accel-buffering"]) == (200, "no")
    answers.wait.set()
    await task
    assert wire.said == comment * (len(wire.said.split(comment)) - 1) + b"data: 1\n\ndata: 2\n\n"


@pytest.mark.parametrize(("manner", "comment", "error"), MANNERS)
async def test_pitfall_20_a_failure_after_pings_is_an_event(manner: Manner, comment: bytes, error: bytes) -> None:
    answers = Scripted(UpstreamFailed("it broke"), wait=True)
    wire, task = await visit(answers, manner)
    await until(lambda: comment in wire.said)
    answers.wait.set()
    await task
    last = wire.said.removeprefix(comment * wire.said.count(comment))
    assert last.startswith(error)
    assert b"it broke" in last
    assert last.endswith(b"\n\n")
    assert b"[DONE]" not in wire.said
    assert b"message_stop" not in wire.said


async def test_ollamas_silence_is_an_empty_piece() -> None:
    reader = ollama.Reader(ollama.chat, lambda visitor, name: name)
    answers = Scripted(b'{"done":true}\n', wait=True)
    wire, task = await visit(
        answers, Manner("chat", "openai_chat", reader), {"model": "m", "messages": BODY["messages"]}
    )
    await until(lambda: wire.said.count(b"\n") >= 2)
    answers.wait.set()
    await task
    lines = [json.loads(line) for line in wire.said.splitlines()]
    assert lines[-1] == {"done": True}
    for line in lines[:-1]:
        assert (line["model"], line["message"], line["done"]) == ("m", {"role": "assistant", "content": ""}, False)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_before_the_answer_is_raised(stream: bool) -> None:
    wire, task = await visit(
        Scripted(TooManyRequests("later", retry_after=3)), openai_manner(), {**BODY, "stream": stream}
    )
    with pytest.raises(TooManyRequests):
        await task
    assert wire.status == 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("begun", [False, True])
async def test_pitfall_19_a_client_that_leaves_ends_the_work(stream: bool, begun: bool) -> None:
    answers = Scripted(wait=not begun) if not begun else Scripted(*[b"data: x\n\n"] * 100_000)
    wire, task = await visit(answers, openai_manner(), {**BODY, "stream": stream})
    await until(lambda: answers.asked)
    if begun and stream:
        await until(lambda: wire.said)
    wire.left.set()
    await asyncio.wait_for(task, 30)
    if not begun or stream:
        assert answers.gone.is_set()
    assert task.cancelling() == 0


async def test_headers_of_the_answer_and_what_inference_is_asked() -> None:
    answers = Scripted(b"data: 1\n\n")
    wire, task = await visit(answers, MANNERS[1][0], BODY, anthropic_beta="b", idempotency_key="k")
    await task
    assert (wire.headers["x-corral-provider"], wire.headers["content-type"]) == (
        "scripted",
        "text/event-stream; charset=utf-8",
    )
    assert "request-id" in wire.headers
    (ask,) = answers.asked
    assert (ask.operation, ask.dialect, ask.model, ask.stream) == ("chat", "anthropic", "m", True)
    assert (ask.headers["anthropic-beta"], ask.headers["idempotency-key"]) == ("b", "k")
    assert json.loads(ask.body) == BODY
    wire, task = await visit(answers, openai_manner(), {**BODY, "stream": False})
    await task
    assert (wire.headers["x-corral-model"], wire.headers["content-length"], wire.said) == ("m", "9", b"data: 1\n\n")


async def test_what_is_no_json_or_names_nothing() -> None:
    _, task = await visit(Scripted(), openai_manner(), content_type="text/plain")
    with pytest.raises(UnsupportedMedia):
        await task
    _, task = await visit(Scripted(), MANNERS[1][0], {"model": "m", "messages": []})
    with pytest.raises(InvalidRequest) as refused:
        await task
    assert refused.value.param == "messages"


async def test_routes_are_found_whole_before_open_ones_and_name_their_permission() -> None:
    table, served = RouteTable(LocalAccounts()), []

    async def serve(scope: Scope, receive: Receive, send: Send, visitor: Visitor) -> None:
        served.append((scope["path"], visitor.rest))

    with pytest.raises(TypeError):
        table.add("GET", "/x", "models:read", serve)  # type: ignore[arg-type]
    table.add("GET", "/m/{}", Permission.MODELS_READ, serve)
    table.add("GET", "/m/{}/props", Permission.MODELS_READ, serve)
    table.add("GET", "/m/all", Permission.MODELS_READ, serve)
    wire = Wire(b"")
    for path in ("/m/all", "/m/a/b", "/m/a"):
        await table({"type": "http", "method": "GET", "path": path, "headers": []}, wire.receive, wire.send)
    assert served == [("/m/all", ""), ("/m/a/b", "a/b"), ("/m/a", "a")]
    for method, path, error in (("POST", "/m/all", MethodNotAllowed), ("GET", "/m/", NotFound), ("GET", "/", NotFound)):
        with pytest.raises(error):
            await table({"type": "http", "method": method, "path": path, "headers": []}, wire.receive, wire.send)
