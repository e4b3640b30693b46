"""The loopback client against a peer that misbehaves by script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.kit.errors import UpstreamFailed, UpstreamTimeout
from corral.kit.http import HttpPool, TcpAddress, Timeouts, UnixAddress, parse_address
from corral.kit.http.connection import HIGH_WATER
from tests.support.waiting import eventually

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Peer:
    """A server that counts its connections and requests."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.connections = 0
        self.requests = 0
        self.ended = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.ended += 1
            writer.close()

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        """Reads one request without a body."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        return head


@asynccontextmanager
async def peer(
    script: Callable[[Peer], Script], *, timeouts: Timeouts | None = None
) -> AsyncIterator[tuple[Peer, HttpPool]]:
    holder: list[Peer] = []

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await script(holder[0])(reader, writer)

    holder.append(Peer(run))
    server = await asyncio.start_server(holder[0], "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pool = HttpPool(TcpAddress("127.0.0.1", port), timeouts=timeouts or Timeouts(2.0, 30.0, 30.0))
    try:
        yield holder[0], pool
    finally:
        pool.close()
        server.close()


def answers(*parts: bytes, close: bool = False, pause: float = 0.0) -> Callable[[Peer], Script]:
    """Answers every request with `parts`, each in a write of its own."""

    def script(it: Peer) -> Script:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                await it.request(reader)
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(pause)
                if close:
                    return

        return run

    return script


async def get(pool: HttpPool) -> tuple[int, bytes]:
    response = await pool.request(b"GET", b"/")
    return response.status, await response.read()


async def test_a_connection_is_used_again() -> None:
    async with peer(answers(OK)) as (it, pool):
        for _ in range(5):
            assert await get(pool) == (200, b"ok")
        assert (it.connections, it.requests) == (1, 5)
        assert pool.busy == 0


async def test_requests_at_once_have_connections_of_their_own() -> None:
    async with peer(answers(OK)) as (it, pool):
        assert await asyncio.gather(*(get(pool) for _ in range(8))) == [(200, b"ok")] * 8
        assert it.connections == 8


@pytest.mark.parametrize(
    ("parts", "body"),
    [
        ((b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n"), b"abcde"),
        ((b"HTTP/1.1 200 OK\r\n", b"content-le", b"ngth: 3\r\n\r", b"\nab", b"c"), b"abc"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", OK), b"ok"),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), b""),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",), b""),
    ],
)
async def test_answers_in_any_form_are_read(parts: tuple[bytes, ...], body: bytes) -> None:
    async with peer(answers(*parts, pause=0.001)) as (it, pool):
        assert (await get(pool))[1] == body
        assert (await get(pool))[1] == body
        assert it.connections == 1


async def test_without_a_length_the_end_of_the_connection_ends_the_answer() -> None:
    async with peer(answers(b"HTTP/1.1 200 OK\r\n\r\nall of it", close=True)) as (it, pool):
        assert (await get(pool))[1] == b"all of it"
        assert (await get(pool))[1] == b"all of it"
        assert it.connections == 2


@pytest.mark.parametrize(
    "parts",
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",),
        (b"not http at all\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 500 + b"\r\n",),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",),
        (),
    ],
)
async def test_a_broken_answer_is_an_error(parts: tuple[bytes, ...]) -> None:
    async with peer(answers(*parts, close=True)) as (_, pool):
        with pytest.raises(UpstreamFailed):
            await get(pool)
        assert pool.busy == 0


async def test_a_stale_connection_is_replaced_once_and_nothing_is_sent_twice_otherwise() -> None:
    def script(it: Peer) -> Script:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await it.request(reader)
            writer.write(OK)
            await it.request(reader)
            # The second request on a connection meets its end without an answer.

        return run

    async with peer(script) as (it, pool):
        for _ in range(4):
            assert await get(pool) == (200, b"ok")
        assert it.connections == 4
        assert it.requests == 7


async def test_an_answer_that_breaks_off_after_its_head_is_not_asked_again() -> None:
    def script(it: Peer) -> Script:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await it.request(reader)
            writer.write(OK)
            await it.request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")

        return run

    async with peer(script) as (it, pool):
        assert await get(pool) == (200, b"ok")
        with pytest.raises(UpstreamFailed):
            await get(pool)
        assert it.requests == 2


async def test_bytes_nobody_asked_for_end_the_connection() -> None:
    async with peer(answers(OK + OK)) as (it, pool):
        assert await get(pool) == (200, b"ok")
        assert await get(pool) == (200, b"ok")
        assert it.connections == 2


async def test_silence_is_a_timeout() -> None:
    def silent(it: Peer) -> Script:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await it.request(reader)
            await asyncio.sleep(60)

        return run

    async with peer(silent, timeouts=Timeouts(2.0, 0.05, 30.0)) as (it, pool):
        with pytest.raises(UpstreamTimeout):
            await get(pool)
        await eventually(lambda: pool.busy == 0)
        assert it.requests == 1
    async with peer(
        answers(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", pause=60), timeouts=Timeouts(2.0, 30.0, 0.05)
    ) as (_, pool):
        with pytest.raises(UpstreamTimeout):
            await get(pool)


async def test_nobody_there_is_an_error(tmp_path: object) -> None:
    with pytest.raises(UpstreamFailed):
        await HttpPool(UnixAddress(f"{tmp_path}/none.sock")).request(b"GET", b"/")


async def test_giving_up_closes_the_connection() -> None:
    def slow(it: Peer) -> Script:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await it.request(reader)
            await reader.read()

        return run

    async with peer(slow) as (it, pool):
        asking = asyncio.create_task(get(pool))
        await eventually(lambda: it.requests == 1)
        asking.cancel()
        await asyncio.wait([asking])
        await eventually(lambda: it.ended == 1)
        assert pool.busy == 0


async def test_a_slow_reader_holds_the_sender_back() -> None:
    sent = 0

    def endless(it: Peer) -> Script:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await it.request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            piece = b"%x\r\n%s\r\n" % (65_536, b"x" * 65_536)
            while True:
                writer.write(piece)
                await writer.drain()
                sent += 65_536

        return run

    async with peer(endless) as (_, pool):
        response = await pool.request(b"GET", b"/")
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.2)
        # What is in flight now: our buffer, and what two sockets hold.
        assert sent < HIGH_WATER + 16 * 1024 * 1024
        stream = response.chunks()
        read, wanted = 0, sent + 1_000_000
        while read < wanted:
            read += len(await anext(stream))
        response.abort()


async def test_an_answer_that_is_too_long_is_refused() -> None:
    async with peer(answers(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" + b"x" * 1000)) as (_, pool):
        response = await pool.request(b"GET", b"/")
        with pytest.raises(UpstreamFailed):
            await response.read(limit=999)


@given(body=st.binary(max_size=400), cuts=st.lists(st.integers(1, 40), max_size=30), chunked=st.booleans())
async def test_any_cut_of_any_answer_gives_the_same_body(body: bytes, cuts: list[int], chunked: bool) -> None:
    if chunked:
        middle = len(body) // 2
        pieces = [piece for piece in (body[:middle], body[middle:]) if piece]
        wire = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        wire += b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    else:
        wire = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    parts, place = [], 0
    for cut in cuts:
        parts.append(wire[place : place + cut])
        place += cut
    async with peer(answers(*parts, wire[place:])) as (it, pool):
        assert await get(pool) == (200, body)
        assert await get(pool) == (200, body)
        assert it.connections == 1


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8080", TcpAddress("127.0.0.1", 8080)),
        ("http://host/base/", TcpAddress("host", 80, "/base")),
        ("http://[::1]:9", TcpAddress("::1", 9)),
        ("unix:///run/x.sock", UnixAddress("/run/x.sock")),
    ],
)
def test_addresses(url: str, address: object) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize("url", ["https://host", "ftp://host", "host:80", "http://", "unix://"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        parse_address(url)


def goes_stale(then: bytes) -> Callable[[Peer], Script]:
    """Answers the first request of each connection; the second gets `then` and the end."""

    def script(it: Peer) -> Script:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await it.request(reader)
            writer.write(OK)
            await it.request(reader)
            writer.write(then)

        return run

    return script


@pytest.mark.parametrize("then", [b"HTTP/1", b"not http at all\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_after_one_byte_of_an_answer_nothing_is_sent_again(then: bytes) -> None:
    async with peer(goes_stale(then)) as (it, pool):
        assert await get(pool) == (200, b"ok")
        with pytest.raises(UpstreamFailed):
            await get(pool)
        assert it.requests == 2


async def test_the_one_more_try_is_on_a_new_connection() -> None:
    async with peer(goes_stale(b"")) as (it, pool):
        await asyncio.gather(*(get(pool) for _ in range(5)))
        # Five idle connections, all of which end at their next request.
        assert await get(pool) == (200, b"ok")
        assert (it.connections, it.requests) == (6, 7)


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 200 ", b"HTTP/1.1 100 Continue\r\nx: "])
async def test_a_head_without_an_end_is_cut_off(start: bytes) -> None:
    sent = 0

    def endless(it: Peer) -> Script:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await it.request(reader)
            writer.write(start)
            while True:
                writer.write(b"y" * 65_536)
                await writer.drain()
                sent += 65_536
                await asyncio.sleep(0)

        return run

    async with peer(endless) as (it, pool):
        with pytest.raises(UpstreamFailed):
            await get(pool)
        await eventually(lambda: it.ended == 1)
        assert sent < 64 * 1024 * 1024


async def test_a_peer_that_wants_another_protocol_is_an_error() -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"
    async with peer(answers(switch)) as (_, pool):
        with pytest.raises(UpstreamFailed):
            await get(pool)
        assert pool.busy == 0


async def test_a_peer_that_does_not_take_the_request_is_a_timeout() -> None:
    def deaf(it: Peer) -> Script:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(60)

        return run

    async with peer(deaf, timeouts=Timeouts(2.0, 0.05, 30.0)) as (_, pool):
        with pytest.raises(UpstreamTimeout, match="take the request"):
            await pool.request(b"POST", b"/", body=b"x" * 32 * 1024 * 1024)
        assert pool.busy == 0


async def test_closing_ends_what_is_under_way() -> None:
    def silent(it: Peer) -> Script:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await it.request(reader)
            await reader.read()

        return run

    async with peer(silent) as (it, pool):
        asking = asyncio.create_task(get(pool))
        await eventually(lambda: it.requests == 1)
        pool.close()
        with pytest.raises(UpstreamFailed):
            await asyncio.wait_for(asking, 30)
        await eventually(lambda: it.ended == 1)
        with pytest.raises(UpstreamFailed, match="stopped"):
            await get(pool)
