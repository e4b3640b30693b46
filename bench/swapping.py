"""Two models in the place of one: what a switch costs, and alternating requests against a swapper without a schedule.

All three ways use the same engines and the same supervision: Corral's turns; a swapper that takes requests in their order
and swaps for each that is for the other model, after what runs has ended; and both models in memory, without any swap.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog

from bench.frame import ROOT, Result, percentile
from corral.accounts.types import Permission, Principal
from corral.bus import MemoryBus
from corral.engines import EngineOptions, Engines, EngineSpec, Lease
from corral.inference import Inference, Route
from corral.kit.clock import SystemClock
from corral.settings import environment

MODEL = ROOT / "build" / "corral-demo.gguf"
NEED = 100 << 20
CLIENTS, SLOTS = 20, 4
_SOMEBODY = Principal("local", frozenset({Permission.INFERENCE}))
_BODY = b'{"stream": true, "max_tokens": 32, "messages": [{"role": "user", "content": "Who are you?"}]}'


class Two:
    """Two names for the same file, each as large as it is said to be."""

    def spec(self, model: str) -> EngineSpec:
        """See `engines.types.Specs`."""
        return EngineSpec(model, MODEL, MODEL.stat().st_size, 2048, SLOTS, memory_bytes=NEED)

    def resolve(self, name: str | None) -> Route:
        """See `inference.Routes`."""
        return Route(str(name), SLOTS)


@contextlib.asynccontextmanager
async def engines(places: int) -> AsyncIterator[tuple[Engines, MemoryBus]]:
    """Engines with memory for so many models."""
    with TemporaryDirectory(prefix="corral-bench-") as folder:
        bus = MemoryBus()
        options = EngineOptions(memory_budget=places * NEED + NEED // 2)
        made = Engines(
            Two(), Path(folder) / "run", clock=SystemClock(), bus=bus, options=options, environ=environment()
        )
        await made.start_up()
        try:
            yield made, bus
        finally:
            await made.shut_down()


async def answer(lease: Lease) -> float:
    """Reads an answer; the moment of its first piece."""
    headers = lease.headers + b"content-type: application/json\r\n"
    response = await lease.pool.request(b"POST", b"/v1/chat/completions", headers=headers, body=_BODY)
    first = 0.0
    async for _ in response.chunks():
        first = first or time.perf_counter()
    return first


async def switching(rounds: int) -> tuple[list[float], list[float]]:
    """Seconds from a request to its first token: when nothing runs, and when the other model has to leave."""
    alone: list[float] = []
    switched: list[float] = []
    async with engines(1) as (made, _):
        for _ in range(rounds):
            await made.stop("a")
            await made.stop("b")
            for name, times in (("a", alone), ("b", switched)):
                began = time.perf_counter()
                lease = await made.lease(name)
                times.append(await answer(lease) - began)
                lease.release()
                # Longer than the least stay of a model.
                await asyncio.sleep(1.1)
    return alone, switched


class Naive:
    """Takes requests in their order, and swaps whenever the next one is for the other model."""

    def __init__(self, made: Engines) -> None:
        self._engines = made
        self._queue: deque[tuple[str, asyncio.Future[Lease]]] = deque()
        self._running = 0
        self._current = ""
        self._changed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def visit(self, name: str) -> AsyncIterator[Lease]:
        """A lease when all requests before have theirs."""
        place: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
        self._queue.append((name, place))
        self._changed.set()
        lease = await place
        try:
            yield lease
        finally:
            lease.release()
            self._running -= 1
            self._changed.set()

    async def run(self) -> None:
        """Works until it is cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._queue and self._running < SLOTS and (not self._running or self._queue[0][0] == self._current):
                name, place = self._queue.popleft()
                if self._current not in ("", name):
                    await self._engines.stop(self._current)
                self._current = name
                self._running += 1
                place.set_result(await self._engines.lease(name))


@dataclass(slots=True)
class Traffic:
    """What alternating requests met."""

    waits: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.waits) / self.seconds

    @property
    def swaps(self) -> float:
        """The most starts within a second after both models had been started once."""
        later = self.starts[2:]
        return max((sum(one <= other < one + 1.0 for other in later) for one in later), default=0)


Visit = Callable[[str], contextlib.AbstractAsyncContextManager[Lease]]


async def alternate(rounds: int, visit: Visit, bus: MemoryBus) -> Traffic:
    """`CLIENTS` clients, each asking for one model and then for the other."""
    traffic = Traffic()

    async def client(number: int) -> None:
        for turn in range(rounds):
            began = time.perf_counter()
            async with visit("ab"[(number + turn) % 2]) as lease:
                traffic.waits.append(await answer(lease) - began)

    async def watch(told: Any) -> None:
        async for _, event in told:
            if event["state"] == "loading" and event["progress"] == 0.0:
                traffic.starts.append(time.perf_counter())

    with bus.subscribe("engines", limit=100_000) as told:
        watching = asyncio.create_task(watch(told))
        began = time.perf_counter()
        await asyncio.gather(*(client(number) for number in range(CLIENTS)))
        traffic.seconds = time.perf_counter() - began
        watching.cancel()
    return traffic


async def with_turns(rounds: int, places: int) -> Traffic:
    """Through Corral's admission and schedule."""
    async with engines(places) as (made, bus):
        inference = Inference(Two(), made, queue=1000)

        @contextlib.asynccontextmanager
        async def visit(name: str) -> AsyncIterator[Lease]:
            entered = await inference.enter(_SOMEBODY, name)
            try:
                yield entered.lease
            finally:
                entered.close()

        return await alternate(rounds, visit, bus)


async def without_turns(rounds: int) -> Traffic:
    """In the order of the requests."""
    async with engines(1) as (made, bus):
        naive = Naive(made)
        running = asyncio.create_task(naive.run())
        try:
            return await alternate(rounds, naive.visit, bus)
        finally:
            running.cancel()


def run(*, quick: bool) -> list[Result]:
    """All figures."""
    # Without a line for each engine.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    rounds = 4 if quick else 16
    alone, switched = asyncio.run(switching(5 if quick else 15))
    turns = asyncio.run(with_turns(rounds, 1))
    naive = asyncio.run(without_turns(max(2, rounds // 4)))
    both = asyncio.run(with_turns(rounds, 2))
    own, switch = statistics.median(alone), statistics.median(switched)
    note = f"own start {own * 1000:.0f} ms, switch {switch * 1000:.0f} ms"
    results = [Result("request to first token when another model leaves, over its start", switch / own, "x", 1.1, note)]
    for name, traffic, most in (
        ("Corral", turns, 1.0),
        ("in their order", naive, None),
        ("both in memory", both, None),
    ):
        results += [
            Result(f"A/B at {CLIENTS}, {name}: most swaps in a second", traffic.swaps, "swaps", most),
            Result(f"A/B at {CLIENTS}, {name}: answers", traffic.rate, "1/s", None, f"{len(traffic.starts)} starts"),
            Result(f"A/B at {CLIENTS}, {name}: wait for the first token, p50", percentile(traffic.waits, 0.5), "s"),
            Result(f"A/B at {CLIENTS}, {name}: longest wait", max(traffic.waits), "s"),
        ]
    return results
