"""What every request meets first, and what every answer carries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from corral.kit.errors import InvalidRequest
from corral.surfaces.asgi import ClientGone, EventStream, read_body, respond
from corral.surfaces.edge.middleware import REMOTE_CSP, Edge, EdgePolicy, host_name, known_hosts
from tests.conftest import ROOT

HEADERS = {
    b"content-security-policy": (
        b"default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data: blob:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
        b"form-action 'self'; frame-ancestors 'none'"
    ),
    b"x-frame-options": b"DENY",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-embedder-policy": b"require-corp",
    b"cross-origin-resource-policy": b"same-origin",
}
POLICY = EdgePolicy(known_hosts("127.0.0.1", ["corral.lan"]), max_body=100, body_grace=0.1)


async def whole(scope: Any, receive: Any, send: Any) -> None:
    await respond(send, 200, [(b"content-type", b"text/html")], b"<p>")


async def stream(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def refuses(scope: Any, receive: Any, send: Any) -> None:
    raise InvalidRequest("no", param="x", retry_after=0.2)


async def breaks(scope: Any, receive: Any, send: Any) -> None:
    raise KeyError("secret")


async def reads(scope: Any, receive: Any, send: Any) -> None:
    await respond(send, 200, [], await read_body(receive))


async def swallows(scope: Any, receive: Any, send: Any) -> None:
    """Like a framework that turns every failure of reading into an answer of its own."""
    try:
        body = await read_body(receive)
    except Exception:
        await respond(send, 400, [], b"could not be read")
    else:
        await respond(send, 200, [], body)


async def ask(
    app: Any,
    *headers: tuple[bytes, bytes],
    method: str = "POST",
    path: str = "/v1/x",
    body: tuple[bytes, ...] = (),
    pause: float = 0,
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body of the answer."""
    parts, said = list(body), list[dict[str, Any]]()

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause)
        part = parts.pop(0) if parts else b""
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: Any) -> None:
        said.append(message)

    hosts = [] if any(name == b"host" for name, _ in headers) else [(b"host", b"localhost:3000")]
    scope = {"type": "http", "method": method, "path": path, "headers": [*hosts, *headers]}
    await Edge(app, POLICY)(scope, receive, send)
    assert [message["type"] for message in said].count("http.response.start") == 1
    return said[0]["status"], said[0]["headers"], b"".join(message["body"] for message in said[1:])


@pytest.mark.parametrize("path", ["/v1/x", "/api/x", "/"])
@pytest.mark.parametrize(
    ("app", "headers", "status"),
    [(whole, (), 200), (stream, (), 200), (refuses, (), 400), (breaks, (), 500), (whole, ((b"host", b"evil.example"),), 421),
     (whole, ((b"origin", b"http://evil.example"),), 403), (whole, ((b"content-length", b"101"),), 413)],
)  # fmt: skip
async def test_every_answer_has_the_headers_once(app: Any, headers: Any, status: int, path: str) -> None:
    got, found, body = await ask(app, *headers, path=path)
    assert got == status
    for name, value in HEADERS.items():
        assert [one for key, one in found if key == name] == [value]
    assert len([one for key, one in found if key == b"x-request-id"]) == 1
    assert b"secret" not in body
    if status >= 400:
        error = json.loads(body)
        assert ("requestId" in error) == (path != "/v1/x")
        assert error["error"]["code"]


@pytest.mark.parametrize(
    ("path", "own"),
    [("/assets/remote.worker-Bym-iMza.js", True), ("/assets/remote.worker.js", False), ("/x/assets/remote.worker-1.js", False),
     ("/assets/inference.worker-1.js", False), ("/remote.worker-1.js", False)],
)  # fmt: skip
async def test_one_worker_alone_may_call_others(path: str, own: bool) -> None:
    _, found, _ = await ask(whole, method="GET", path=path)
    policies = [value.decode() for name, value in found if name == b"content-security-policy"]
    assert policies == ([REMOTE_CSP] if own else [HEADERS[b"content-security-policy"].decode()])
    for name, value in HEADERS.items():
        assert name == b"content-security-policy" or [one for key, one in found if key == name] == [value]


def test_the_static_build_has_the_same_policy() -> None:
    assert REMOTE_CSP in (ROOT / "web" / "src" / "shell" / "routing.ts").read_text()


@pytest.mark.parametrize(
    ("given", "kept"),
    [(b"abc-1.2_X", True), (b"x" * 80, True), (b"x" * 81, False), (b"", False), (b"a b", False), (b"a\nb", False), (b"\xc3\xa9", False)],
)  # fmt: skip
async def test_a_request_id_is_kept_when_it_is_sane(given: bytes, kept: bool) -> None:
    _, headers, _ = await ask(whole, (b"x-request-id", given))
    ours = dict(headers)[b"x-request-id"]
    assert (ours == given) == kept
    assert ours.isascii()
    assert ours


@pytest.mark.parametrize("app", [reads, swallows])
async def test_a_body_over_the_limit_is_refused_also_without_a_length(app: Any) -> None:
    chunked = (b"transfer-encoding", b"chunked")
    assert (await ask(app, chunked, body=(b"x" * 60, b"y" * 40)))[::2] == (200, b"x" * 60 + b"y" * 40)
    status, headers, body = await ask(app, chunked, body=(b"x" * 60, b"y" * 41, b"z"))
    assert (status, json.loads(body)["error"]["code"]) == (413, "payload_too_large")
    assert dict(headers)[b"connection"] == b"close"


@pytest.mark.parametrize("app", [reads, swallows])
async def test_a_body_that_trickles_is_given_up(app: Any) -> None:
    status, headers, body = await ask(app, (b"content-length", b"90"), body=(b"x",) * 90, pause=0.03)
    assert (status, json.loads(body)["error"]["code"]) == (408, "request_timeout")
    assert dict(headers)[b"connection"] == b"close"


async def test_a_refused_request_with_a_whole_body_keeps_its_connection() -> None:
    async def reads_and_refuses(scope: Any, receive: Any, send: Any) -> None:
        await read_body(receive)
        raise InvalidRequest("no", retry_after=0.2)

    status, headers, _ = await ask(reads_and_refuses, (b"content-length", b"2"), body=(b"{}",))
    assert status == 400
    assert b"connection" not in dict(headers)
    assert dict(headers)[b"retry-after"] == b"1"


@pytest.mark.parametrize(
    ("value", "name"), [(b"Localhost:3000", b"localhost"), (b"[::1]:3000", b"[::1]"), (b"127.0.0.1", b"127.0.0.1")]
)
def test_hosts_are_compared_without_port(value: bytes, name: bytes) -> None:
    assert host_name(value) == name
    assert POLICY.admits_host(value)


@pytest.mark.parametrize(
    "value", [None, b"", b"evil.example", b"localhost.evil.example", b"localhost@evil.example", b"127.0.0.1:80:80"]
)
def test_other_hosts_are_not_ours(value: bytes | None) -> None:
    assert not POLICY.admits_host(value)


@pytest.mark.parametrize(
    ("origin", "admitted"),
    [(None, True), (b"http://localhost:3000", True), (b"http://localhost:4000", False), (b"null", False), (b"file://localhost:3000", False),
     (b"http://evil.example", False)],
)  # fmt: skip
def test_only_our_own_page_may_change_things(origin: bytes | None, admitted: bool) -> None:
    assert POLICY.admits_origin(origin, b"localhost:3000") == admitted


class Wire:
    """A client's end of an event stream; while `blocked` it takes nothing."""

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self.free = asyncio.Event()
        self.free.set()

    async def send(self, message: Any) -> None:
        await self.free.wait()
        self.said.append(message.get("body", b"head"))


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.005)


async def test_silence_is_filled_only_between_events() -> None:
    wire = Wire()
    stream = EventStream(wire.send, [], keep_alive=0.02)
    await until(lambda: len(wire.said) >= 3)
    assert wire.said[0] == b"head"
    assert set(wire.said[1:]) == {b": keep-alive\n\n"}
    await stream.send(b"data: ha", boundary=False)
    count = len(wire.said)
    await asyncio.sleep(0.2)
    assert len(wire.said) == count
    await stream.end(b"lf\n\n")
    assert b"".join(wire.said).endswith(b"data: half\n\n")


async def test_a_comment_never_lands_within_an_event_of_a_slow_client() -> None:
    wire = Wire()
    stream = EventStream(wire.send, [], keep_alive=0.01, stall=30)
    await stream.begin()
    wire.free.clear()
    await asyncio.sleep(0.1)
    sending = asyncio.create_task(stream.send(b"data: ha", boundary=False))
    await asyncio.sleep(0.05)
    wire.free.set()
    await sending
    await stream.end(b"lf\n\n")
    assert b"data: half\n\n" in b"".join(wire.said)


async def test_a_client_that_takes_nothing_is_given_up() -> None:
    async def serve(wire: Wire, done: Callable[[], Awaitable[None]]) -> None:
        stream = EventStream(wire.send, [], keep_alive=0.02, stall=0.1)
        try:
            await stream.begin()
            wire.free.clear()
            await stream.send(b"data: 1\n\n")
        finally:
            stream.stop()
            await done()

    freed = asyncio.Event()

    async def done() -> None:
        freed.set()

    task = asyncio.create_task(serve(Wire(), done))
    with pytest.raises(ClientGone):
        await asyncio.wait_for(task, 30)
    assert freed.is_set()
    assert task.cancelling() == 0
