"""The server's protocol, over real sockets: how answers are framed, what no header may hold, and who is told when a client goes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from corral.kit.context import PEER
from corral.kit.http import lingering
from corral.kit.http.server import ServerProtocol


@contextlib.asynccontextmanager
async def serving(app: Any, **more: Any) -> AsyncIterator[int]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    config = uvicorn.Config(app, http=ServerProtocol, lifespan="off", log_config=None, server_header=False, date_header=False, **more)  # fmt: skip
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[assignment, method-assign]
    task = asyncio.create_task(server.serve([listener]))
    yield listener.getsockname()[1]
    server.should_exit = server.force_exit = True
    await asyncio.wait_for(task, 30)


async def said(port: int, *requests: bytes) -> bytes:
    """All that is answered until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(requests))
    async with asyncio.timeout(30):
        told = await reader.read()
    writer.close()
    return told


def app(headers: list[tuple[bytes, bytes]], *pieces: bytes, status: int = 200) -> Any:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return answer


GET = b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n"
LAST = b"GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"


async def leaves(port: int, begun: asyncio.Event) -> None:
    """A client that goes once the work for it has begun."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET)
    await asyncio.wait_for(begun.wait(), 30)
    writer.close()


@pytest.mark.parametrize(
    ("request_line", "headers", "pieces", "status", "told"),
    [
        (LAST, [(b"content-length", b"3")], [b"a", b"bc"], 200, b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc"),
        (LAST, [], [b"a", b"", b"bc"], 200,
         b"HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"),
        (LAST.replace(b"GET", b"HEAD"), [(b"content-length", b"3")], [b"abc"], 200, b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\n"),
        (LAST, [], [], 204, b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"),
        (GET, [(b"connection", b"close"), (b"content-length", b"0")], [], 404,
         b"HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
        (b"GET /x HTTP/1.0\r\n\r\n", [(b"content-length", b"1")], [b"a"], 200, b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\na"),
    ],
)  # fmt: skip
async def test_answers_are_framed_as_http_wants_it(
    request_line: bytes, headers: Any, pieces: list[bytes], status: int, told: bytes
) -> None:
    async with serving(app(headers, *pieces, status=status)) as port:
        assert await said(port, request_line) == told


async def test_a_whole_answer_goes_out_with_its_beginning_and_the_lines_that_were_made_ready() -> None:
    async def answers(scope: Any, receive: Any, send: Any) -> None:
        peer = scope[PEER]
        peer.lines = b"x: y\r\n"
        assert peer.answer(b"a: b\r\n", b"abc")
        assert (peer.status, peer.started) == (200, True)
        assert not peer.answer(b"a: b\r\n", b"again")

    async with serving(answers) as port:
        told = await said(port, GET, LAST)
    head = b"HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 3\r\n"
    assert told == head + b"x: y\r\n\r\nabc" + head + b"connection: close\r\nx: y\r\n\r\nabc"


async def test_a_connection_without_a_request_is_closed_in_time() -> None:
    quick = app([(b"content-length", b"0")])
    async with serving(quick, timeout_keep_alive=0.05) as port:
        assert (await said(port, GET, GET)).count(b"200 OK") == 2


async def test_requests_that_come_together_are_answered_in_their_order() -> None:
    async def counts(scope: Any, receive: Any, send: Any) -> None:
        await app([(b"content-length", b"2")], scope["path"].encode())(scope, receive, send)

    async with serving(counts) as port:
        told = await said(port, *(GET.replace(b"/x", b"/%d" % number) for number in range(5)), LAST.replace(b"/x", b"/5"))  # fmt: skip
    assert [told.find(b"\r\n\r\n/%d" % number) > 0 for number in range(6)] == [True] * 6
    assert told.count(b"HTTP/1.1 200 OK") == 6


@pytest.mark.parametrize(
    "header", [(b"x", b"a\r\nset-cookie: b"), (b"x", b"a\nb"), (b"x\r\ny", b"a"), (b"x", b"\x00"), (b"x", b"\x7f")]
)
async def test_no_header_ends_the_head_early(header: tuple[bytes, bytes]) -> None:
    async with serving(app([header], b"body")) as port:
        assert b"set-cookie" not in await said(port, LAST)


@pytest.mark.parametrize(("length", "pieces"), [(b"2", [b"abc"]), (b"4", [b"abc"])], ids=["longer", "shorter"])
async def test_an_answer_of_another_length_than_told_ends_its_connection(length: bytes, pieces: list[bytes]) -> None:
    async with serving(app([(b"content-length", length)], *pieces)) as port:
        told = await said(port, GET)
    assert told.startswith(b"HTTP/1.1 200 OK\r\ncontent-length: " + length)
    assert told.partition(b"\r\n\r\n")[2] in (b"", b"abc")


async def test_a_body_that_is_there_is_given_at_once_and_once() -> None:
    given: list[bytes | None] = []

    async def asks(scope: Any, receive: Any, send: Any) -> None:
        peer = scope[PEER]
        given.append(peer.whole())
        while given[-1] is None:
            message = await receive()
            given.append(message["body"] if not message["more_body"] else None)
        await app([(b"content-length", b"0")])(scope, receive, send)

    post = b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nconnection: close\r\n\r\n"
    async with serving(asks) as port:
        await said(port, post + b"abc")
        assert given == [b"abc"]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post + b"a")
        async with asyncio.timeout(30):
            while len(given) < 2:
                await asyncio.sleep(0.005)
        writer.write(b"bc")
        await asyncio.wait_for(reader.read(), 30)
        writer.close()
    assert given[1] is None
    assert given[-1] is not None
    assert given[-1].endswith(b"bc")


@pytest.mark.parametrize("late", [False, True], ids=["while it waits", "before it asks"])
async def test_who_waits_is_told_once_when_the_client_goes(late: bool) -> None:
    gone, begun = asyncio.Event(), asyncio.Event()
    told: list[int] = []

    def tell() -> None:
        told.append(1)
        gone.set()

    async def waits(scope: Any, receive: Any, send: Any) -> None:
        peer = scope[PEER]
        begun.set()
        if late:
            while (await receive())["type"] != "http.disconnect":
                pass
        peer.when_gone(tell)
        await gone.wait()

    async with serving(waits) as port:
        await leaves(port, begun)
        await asyncio.wait_for(gone.wait(), 30)
    assert told == [1]


async def test_nobody_is_told_after_the_answer() -> None:
    told: list[int] = []

    async def answers(scope: Any, receive: Any, send: Any) -> None:
        scope[PEER].when_gone(lambda: told.append(1))
        await app([(b"content-length", b"0")])(scope, receive, send)

    async with serving(answers) as port:
        await said(port, LAST)
    assert told == []


async def test_work_that_ends_with_its_client_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def works(scope: Any, receive: Any, send: Any) -> None:
        peer = scope[PEER]
        peer.when_gone(peer.task.cancel)
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serving(works) as port:
        await leaves(port, begun)
        await asyncio.wait_for(ended.wait(), 30)
        await asyncio.sleep(0)
    assert [one.message for one in caplog.records if one.levelname == "ERROR"] == []


LONG = b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 50000000\r\n\r\n"
REFUSED = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno"
refuses = app([(b"connection", b"close"), (b"content-length", b"2")], b"no", status=400)


async def test_who_still_sends_is_told_why_it_was_refused() -> None:
    async with serving(refuses) as port, asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(LONG)
        assert await reader.readexactly(len(REFUSED)) == REFUSED
        # Our side has ended, and theirs may go on.
        assert await reader.read() == b""
        for _ in range(50):
            writer.write(b"x" * 1_000_000)
            await writer.drain()
        # Nor is what comes behind it a request.
        writer.write(GET)
        writer.write_eof()
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(("limit", "value"), [("SECONDS", 0.3), ("MOST", 300_000)])
async def test_nobody_sends_for_ever(limit: str, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, limit, value)
    async with serving(refuses) as port, asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(LONG)
        assert await reader.read() == REFUSED
        with pytest.raises(ConnectionError):
            while True:
                writer.write(b"x" * 10_000)
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()


async def test_a_server_ends_although_somebody_still_sends() -> None:
    async with serving(refuses) as port, asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(LONG)
        assert await reader.read() == REFUSED
    writer.close()
