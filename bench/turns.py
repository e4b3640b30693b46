"""Durable turns: what committing before showing costs, and how many agents one machine holds.

The upstream stamps every token with the system's monotonic clock; a client compares it with its own clock when the
token arrives. The same is done with the upstream directly, and the difference is what Corral adds.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import uvloop

from bench.frame import Result, Running, corral, percentile, upstream
from corral.kit.http import HttpPool, TcpAddress

_JSON = b"content-type: application/json\r\n"
LIVE = 32
MANY = 500


def bench_message(**wanted: Any) -> str:
    """The text of a chat message that tells the upstream what to do."""
    return msgspec.json.encode({"bench": wanted}).decode()


async def direct(pool: HttpPool, wanted: dict[str, Any]) -> list[float]:
    """Seconds that each token took from the upstream."""
    asked = msgspec.json.encode({"model": "bench", "messages": [], "stream": True, "bench": wanted})
    response = await pool.request(b"POST", b"/v1/chat/completions", headers=_JSON, body=asked)
    late: list[float] = []
    async for chunk in response.chunks():
        now = time.monotonic_ns()
        for line in chunk.split(b"\n"):
            if line.startswith(b"data: {") and b'"content"' in line:
                late.append((now - int(msgspec.json.decode(line[6:])["choices"][0]["delta"]["content"])) / 1e9)
    return late


async def turn(pool: HttpPool, user: str, message: str) -> tuple[list[tuple[int, str]], list[int], dict[str, Any]]:
    """One streamed turn: (arrival in ns, text) of each token event, all offsets, and the last event."""
    asked = msgspec.json.encode({"message": message, "userId": user, "stream": True})
    response = await pool.request(b"POST", b"/api/chat", headers=_JSON, body=asked)
    tokens: list[tuple[int, str]] = []
    offsets: list[int] = []
    rest, event = b"", {}
    async for chunk in response.chunks():
        now = time.monotonic_ns()
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                event = msgspec.json.decode(line[6:])
                offsets.append(event["offset"])
                if event["type"] == "token":
                    tokens.append((now, event["text"]))
    return tokens, offsets, event


async def latency(port: int, server: Running, *, quick: bool) -> list[Result]:
    """The delay that a committed token has over an uncommitted one."""
    upstream_pool, pool = HttpPool(TcpAddress("127.0.0.1", port)), HttpPool(TcpAddress("127.0.0.1", server.port))
    wanted = {"chunks": 60 if quick else 300, "interval": 0.033, "stamp": True}
    plain = [
        late for one in await asyncio.gather(*(direct(upstream_pool, wanted) for _ in range(LIVE))) for late in one
    ]
    await turn(pool, "warm", bench_message(chunks=5, interval=0.01))
    turns = await asyncio.gather(*(turn(pool, f"live-{number}", bench_message(**wanted)) for number in range(LIVE)))
    ours = [(now - int(stamp)) / 1e9 for tokens, _, _ in turns for now, text in tokens for stamp in text.split()]
    rows = []
    for share, name, limit in ((0.5, "p50", None), (0.99, "p99", 25.0)):
        base, value = percentile(plain, share) * 1e3, percentile(ours, share) * 1e3
        rows.append(
            Result(
                f"added delay of a committed token, {name}, {LIVE} agents",
                value - base,
                "ms",
                limit,
                f"direct {base:.2f}, through {value:.2f}",
            )
        )
    return rows


async def crowd(server: Running, *, quick: bool) -> list[Result]:
    """`MANY` agents that stream 10 tokens a second each, and whether all of it arrived and was kept."""
    pool = HttpPool(TcpAddress("127.0.0.1", server.port))
    chunks = 50 if quick else 200
    message = bench_message(chunks=chunks, interval=0.1)
    before, began = server.cpu_seconds(), time.perf_counter()
    turns = await asyncio.gather(*(turn(pool, f"crowd-{number}", message) for number in range(MANY)))
    took, used = time.perf_counter() - began, server.cpu_seconds() - before
    expected = "".join(f"{number} " for number in range(chunks))
    lost = sum(
        "".join(text for _, text in tokens) != expected
        or offsets != list(range(len(offsets)))
        or last.get("state") != "completed"
        for tokens, offsets, last in turns
    )
    stored = await asyncio.gather(*(_stored(pool, f"crowd-{number}") for number in range(MANY)))
    lost += sum(text != expected for text in stored)
    pace = [(tokens[-1][0] - tokens[0][0]) / 1e9 for tokens, _, _ in turns]
    begun = f"all begun and ended in {took:.1f} s"
    return [
        Result(f"turns with anything lost, of {MANY} at 10 tokens/s", lost, "turns", 0),
        Result(f"time for {chunks / 10:.0f} s of tokens, slowest of {MANY} agents", max(pace), "s", chunks / 8, begun),
        Result(f"processor of the server, {MANY} agents", used / took * 100, "% of a core", 200),
    ]


async def _stored(pool: HttpPool, user: str) -> str:
    listed = msgspec.json.decode(await _get(pool, f"/api/agents?userId={user}"))
    agent = listed["agents"][0]["id"]
    page = msgspec.json.decode(await _get(pool, f"/api/agents/{agent}/messages?userId={user}"))
    return str(page["messages"][-1]["content"])


async def _get(pool: HttpPool, path: str) -> bytes:
    return await (await pool.request(b"GET", path.encode())).read()


async def measure(port: int, server: Running, *, quick: bool) -> list[Result]:
    """All figures of durable turns."""
    return [*await latency(port, server, quick=quick), *await crowd(server, quick=quick)]


def run(*, quick: bool) -> list[Result]:
    """Starts both programs and measures."""
    with upstream() as port, corral(port) as server:
        return uvloop.run(measure(port, server, quick=quick))
