"""The data plane against its floor: the same requests to the synthetic upstream directly and through Corral."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import uvloop

from bench.frame import Result, Running, corral, percentile, upstream
from corral.kit.http import HttpPool, TcpAddress

_PATH = b"/v1/chat/completions"
_JSON = b"content-type: application/json\r\n"
STREAMS = 16


def body(*, stream: bool, **bench: Any) -> bytes:
    """A chat request that tells the upstream what to do."""
    message = {"role": "user", "content": "What is a corral, and why would a llama live in one?"}
    return msgspec.json.encode({"model": "bench", "messages": [message], "stream": stream, "bench": bench})


async def whole(pool: HttpPool, asked: bytes) -> bytes:
    """One request without streaming; its body."""
    response = await pool.request(b"POST", _PATH, headers=_JSON, body=asked)
    return await response.read()


async def first_byte(pool: HttpPool, asked: bytes) -> float:
    """Seconds from sending a streaming request to its first event; the rest is read."""
    began = time.perf_counter()
    took = 0.0
    response = await pool.request(b"POST", _PATH, headers=_JSON, body=asked)
    async for _ in response.chunks():
        took = took or time.perf_counter() - began
    return took


async def many(count: int, work: Callable[[], Awaitable[Any]]) -> list[Any]:
    """Does `work` `count` times, `STREAMS` at once."""
    left = iter(range(count))
    results: list[Any] = []

    async def worker() -> None:
        for _ in left:
            results.append(await work())

    await asyncio.gather(*(worker() for _ in range(STREAMS)))
    return results


async def measure(port: int, server: Running, *, quick: bool) -> list[Result]:
    """All figures of the data plane."""
    direct, through = HttpPool(TcpAddress("127.0.0.1", port)), HttpPool(TcpAddress("127.0.0.1", server.port))
    # Both connections of a pair must be warm, and the model's engine attached.
    await many(500, lambda: whole(direct, body(stream=False)))
    await many(2000, lambda: whole(through, body(stream=False)))
    results = [await _identical(direct, through)]
    results += await _time_to_first_token(direct, through, rounds=3 if quick else 12)
    results += await _cpu_of_whole(server, direct, through, 4000 if quick else 20_000)
    results.append(await _cpu_of_chunks(server, through, 100 if quick else 400))
    direct.close()
    through.close()
    return results


async def _identical(direct: HttpPool, through: HttpPool) -> Result:
    different = 0
    for stream in (True, False):
        for _ in range(10):
            asked = body(stream=stream, chunks=50)
            different += await whole(direct, asked) != await whole(through, asked)
    return Result("bytes that differ from the upstream's", different, "answers of 20", 0)


async def _time_to_first_token(direct: HttpPool, through: HttpPool, rounds: int) -> list[Result]:
    # Streams of different lengths, so that they do not all begin in the same moment, as people do not.
    lengths = itertools.cycle(range(12, 29))
    asked = {length: body(stream=True, chunks=length, interval=0.01) for length in range(12, 29)}
    plain: list[float] = []
    ours: list[float] = []
    for _ in range(rounds):
        plain += await many(96, lambda: first_byte(direct, asked[next(lengths)]))
        ours += await many(96, lambda: first_byte(through, asked[next(lengths)]))
    rows = []
    for share, name, limit in ((0.5, "p50", 2.0), (0.99, "p99", 10.0)):
        base, value = percentile(plain, share) * 1e3, percentile(ours, share) * 1e3
        rows.append(
            Result(
                f"added time to first token, {name}, {STREAMS} streams",
                value - base,
                "ms",
                limit,
                f"direct {base:.2f}, through {value:.2f}",
            )
        )
    return rows


async def _cpu_of_whole(server: Running, direct: HttpPool, through: HttpPool, count: int) -> list[Result]:
    asked = body(stream=False)
    before, began = server.cpu_seconds(), time.perf_counter()
    await many(count, lambda: whole(through, asked))
    took, used = time.perf_counter() - began, server.cpu_seconds() - before
    began = time.perf_counter()
    await many(count, lambda: whole(direct, asked))
    floor = time.perf_counter() - began
    note = f"{count / took:.0f} requests/s; directly {count / floor:.0f}"
    return [Result("processor time a request without streaming", used / count * 1e6, "µs", 120, note)]


async def _cpu_of_chunks(server: Running, through: HttpPool, chunks: int) -> Result:
    asked = body(stream=True, chunks=chunks, interval=0.004)
    before = server.cpu_seconds()
    await many(STREAMS * 2, lambda: whole(through, asked))
    used = server.cpu_seconds() - before
    return Result("processor time a relayed chunk", used / (STREAMS * 2 * chunks) * 1e6, "µs", 40)


def run(*, quick: bool) -> list[Result]:
    """Starts both programs and measures."""
    with upstream() as port, corral(port) as server:
        return uvloop.run(measure(port, server, quick=quick))
