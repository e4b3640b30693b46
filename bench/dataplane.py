"""The data plane against its floor: the same requests to the synthetic upstream directly and through Corral.

Everything that stands around a request is on: a key of the caller and one of the provider, a limit of the user's requests, tokens,
streams and money, a route with two candidates, usage written down, the log at its usual level.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
import psutil
import uvloop

from bench.frame import Result, Running, corral, percentile, upstream
from corral.kit.http import HttpPool, TcpAddress

_CHAT = b"/v1/chat/completions"
_MESSAGES = b"/v1/messages"
_HEAD = (
    b"content-type: application/json\r\nauthorization: Bearer sk-of-the-benchmark\r\naccept: application/json\r\n"
    b"anthropic-version: 2023-06-01\r\nuser-agent: bench\r\n"
)
MODEL = "chat"
"""The route; `bench` is the model at its end."""
CONFIGURATION = """
[providers.{name}]
kind = "compatible"
base_url = "http://127.0.0.1:{port}/v1"
api_key_env = "BENCH_KEY"
discover = false
prices = {{ input = 1.0, output = 4.0 }}
"""
LIMITS = """
[routes.chat]
candidates = ["one/bench", "other/bench"]
[[limits]]
scope = "user"
subject = "*"
requests_per_minute = 100_000_000
tokens_per_minute = 1_000_000_000_000
concurrent = 100_000
budget_day = 1_000_000.0
"""
ROUNDS = 8
"""Rounds of processor time; the middle one counts, since another program may have had the machine's caches in one."""


class Client(NamedTuple):
    """A client of one API of a server: the pool of its connections and the path."""

    pool: HttpPool
    path: bytes

    async def whole(self, asked: bytes) -> bytes:
        """One request to its end; the body of the answer."""
        response = await self.pool.request(b"POST", self.path, headers=_HEAD, body=asked)
        return await response.read()

    async def first_byte(self, asked: bytes) -> float:
        """Seconds from sending a streaming request to its first event; the rest is read."""
        began = time.perf_counter()
        took = 0.0
        response = await self.pool.request(b"POST", self.path, headers=_HEAD, body=asked)
        async for _ in response.chunks():
            took = took or time.perf_counter() - began
        return took


def body(*, stream: bool, **bench: Any) -> bytes:
    """A chat request that tells the upstream what to do, by its newest message. OpenAI's and Anthropic's API both read it."""
    message = {"role": "user", "content": msgspec.json.encode({"bench": bench}).decode()}
    return msgspec.json.encode({"model": MODEL, "messages": [message], "stream": stream, "max_tokens": 100})


async def many(count: int, at_once: int, work: Callable[[], Awaitable[Any]], spread: float = 0.0) -> list[Any]:
    """Does `work` `count` times, `at_once` at a time, of which the first begin within `spread` seconds."""
    left = iter(range(count))
    results: list[Any] = []

    async def worker(number: int) -> None:
        await asyncio.sleep(number * spread / at_once)
        for _ in left:
            results.append(await work())

    await asyncio.gather(*(worker(number) for number in range(at_once)))
    return results


async def measure(port: int, server: Running, *, quick: bool) -> list[Result]:
    """All figures of the data plane."""
    pools = HttpPool(TcpAddress("127.0.0.1", port)), HttpPool(TcpAddress("127.0.0.1", server.port))
    direct, native, translated = Client(pools[0], _CHAT), Client(pools[1], _CHAT), Client(pools[1], _MESSAGES)
    # All connections must be there, and what is loaded with the first request.
    asked = body(stream=False)
    for client in (direct, native, translated):
        await many(1000, 16, lambda client=client: client.whole(asked))  # type: ignore[misc]
    results = [await _identical(direct, native)]
    for streams, limits in ((16, (2.0, 10.0)), (64, (None, 10.0))):
        results += await _time_to_first_token(direct, native, streams, limits, rounds=2 if quick else 6)
    for name, client, most, most_chunk in (("", native, 150, 45), (", translated", translated, 400, 80)):
        results.append(await _cpu_of_whole(server, client, direct, f"a request without streaming{name}", most, quick=quick))  # fmt: skip
        results.append(await _cpu_of_chunks(server, client, f"a relayed chunk{name}", most_chunk, quick=quick))
    memory = psutil.Process(server.pid).memory_info().rss / 1e6
    results.append(Result("memory of the server behind it", memory, "MB", 150))
    for pool in pools:
        pool.close()
    return results


async def _identical(direct: Client, through: Client) -> Result:
    different = 0
    for stream in (True, False):
        for _ in range(10):
            asked = body(stream=stream, chunks=50)
            different += await direct.whole(asked) != await through.whole(asked)
    return Result("bytes that differ from the upstream's", different, "answers of 20", 0)


async def _time_to_first_token(
    direct: Client, through: Client, streams: int, limits: tuple[float | None, float], rounds: int
) -> list[Result]:
    # Streams of different lengths that do not all begin in the same moment, as people do not.
    lengths = itertools.cycle(range(12, 29))
    asked = {length: body(stream=True, chunks=length, interval=0.02) for length in range(12, 29)}
    plain: list[float] = []
    ours: list[float] = []
    await many(streams, streams, lambda: through.first_byte(asked[12]))
    for _ in range(rounds):
        plain += await many(streams * 6, streams, lambda: direct.first_byte(asked[next(lengths)]), 0.4)
        ours += await many(streams * 6, streams, lambda: through.first_byte(asked[next(lengths)]), 0.4)
    rows = []
    for share, name, limit in ((0.5, "p50", limits[0]), (0.99, "p99", limits[1])):
        base, value = percentile(plain, share) * 1e3, percentile(ours, share) * 1e3
        note = f"direct {base:.2f}, through {value:.2f}"
        rows.append(Result(f"added time to first token, {name}, {streams} streams", value - base, "ms", limit, note))
    return rows


async def _cpu_of_whole(
    server: Running, client: Client, direct: Client, name: str, limit: float, *, quick: bool
) -> Result:
    asked = body(stream=False)
    count = 1000 if quick else 2500
    used, took, floor = [], 0.0, 0.0
    for _ in range(ROUNDS):
        before, began = server.cpu_seconds(), time.perf_counter()
        await many(count, 16, lambda: client.whole(asked))
        took += time.perf_counter() - began
        used.append((server.cpu_seconds() - before) / count * 1e6)
        began = time.perf_counter()
        await many(count, 16, lambda: direct.whole(asked))
        floor += time.perf_counter() - began
    note = f"{min(used):.0f} to {max(used):.0f}; {count * ROUNDS / took:.0f} requests/s, directly {count * ROUNDS / floor:.0f}"
    return Result(f"processor time {name}", percentile(used, 0.5), "µs", limit, note)


async def _cpu_of_chunks(server: Running, client: Client, name: str, limit: float, *, quick: bool) -> Result:
    chunks = 50 if quick else 200
    asked = body(stream=True, chunks=chunks, interval=0.004)
    used = []
    for _ in range(ROUNDS):
        before = server.cpu_seconds()
        await many(32, 16, lambda: client.whole(asked))
        used.append((server.cpu_seconds() - before) / (32 * chunks) * 1e6)
    note = f"{min(used):.0f} to {max(used):.0f}; beginning and end of the streams included"
    return Result(f"processor time {name}", percentile(used, 0.5), "µs", limit, note)


def run(*, quick: bool) -> list[Result]:
    """Starts both programs and measures."""
    with upstream() as port:
        providers = "".join(CONFIGURATION.format(name=name, port=port) for name in ("one", "other"))
        with corral(port, providers + LIMITS, BENCH_KEY="sk-of-the-provider", CORRAL_LOG_LEVEL="info") as server:
            return uvloop.run(measure(port, server, quick=quick))
