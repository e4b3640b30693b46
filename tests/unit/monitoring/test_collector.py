"""Sampling: engines are asked only when they have something to tell, never for long, and never woken."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from corral.bus import MemoryBus
from corral.kit.clock import SystemClock
from corral.kit.http import HttpPool, TcpAddress
from corral.monitoring.metrics.asking import Asking
from corral.monitoring.metrics.collector import TOPIC, Collector
from corral.monitoring.metrics.host import Readings
from corral.monitoring.metrics.processes import Use
from corral.monitoring.metrics.types import EngineView, HostFigures, Snapshot
from tests.support.clock import ManualClock
from tests.support.waiting import eventually

HOST = HostFigures(0.5, 2, 1000, 2000, None, None, None, 60)


class Peer:
    """A small HTTP server that tells figures and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.tokens, self.running, self.sleeping = 0, 0, False
        self.statuses: dict[str, int] = {}
        self.stall = asyncio.Event()
        self.stall.set()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ")[1].decode()
                self.asked.append(path)
                await self.stall.wait()
                body = self.answer(path)
                status = self.statuses.get(path, 200)
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer(self, path: str) -> bytes:
        if path == "/metrics":
            return (
                f"llamacpp:tokens_predicted_total {self.tokens}\nllamacpp:requests_processing {self.running}\n".encode()
            )
        if path == "/props":
            return json.dumps({"is_sleeping": self.sleeping}).encode()
        slot = {
            "n_ctx": 100,
            "is_processing": bool(self.running),
            "n_prompt_tokens": 25,
            "next_token": [{"n_decoded": 5}],
        }
        return json.dumps([slot]).encode()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    made = Peer()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    made.stall.set()
    server.close()


def view(peer: Peer, **changes: object) -> EngineView:
    base = EngineView("m", "ready", 77, 4, 0, 0, 0, HttpPool(TcpAddress("127.0.0.1", peer.port)))
    return replace(base, **changes)  # type: ignore[arg-type]


async def test_an_engine_of_ours_that_did_nothing_is_not_asked_again(peer: Peer) -> None:
    asking, one = Asking(SystemClock()), view(peer, requests=1)
    await asking.ask([one])
    assert sorted(peer.asked) == ["/metrics", "/props", "/slots"]
    peer.asked.clear()
    for _ in range(5):
        [known] = await asking.ask([one])
    assert peer.asked == []
    assert known is not None
    assert known.rates == (0.0, 0.0)
    assert known.slots is not None
    assert known.slots.kv_use == 0.25
    await asking.ask([replace(one, requests=2, busy=1)])
    assert sorted(peer.asked) == ["/metrics", "/slots"]


async def test_an_engine_that_sleeps_is_never_woken(peer: Peer) -> None:
    asking, peer.sleeping = Asking(SystemClock()), True
    await asking.ask([view(peer, requests=1)])
    assert "/slots" not in peer.asked
    assert "/metrics" in peer.asked


async def test_a_server_of_somebody_else_is_always_asked_and_its_slots_only_at_work(peer: Peer) -> None:
    asking, one = Asking(SystemClock()), view(peer, pid=None)
    await asking.ask([one])
    assert peer.asked == ["/metrics"]
    peer.running = 1
    await asking.ask([one])
    await asking.ask([one])
    assert peer.asked.count("/slots") == 1
    assert peer.asked.count("/metrics") == 3


async def test_one_that_has_no_figures_is_left_in_peace(peer: Peer) -> None:
    asking, one = Asking(SystemClock()), view(peer, pid=None, busy=1)
    peer.statuses = {"/metrics": 404, "/slots": 501}
    for _ in range(3):
        [known] = await asking.ask([one])
    assert sorted(peer.asked) == ["/metrics", "/slots"]
    assert known is not None
    assert known.rates is None
    # A new run of it is asked again.
    await asking.ask([view(peer, pid=None)])
    assert peer.asked.count("/metrics") == 2


async def test_rates_are_of_one_run_and_begin_at_nothing(peer: Peer) -> None:
    clock = ManualClock()
    asking, one = Asking(clock), view(peer, requests=1)
    await asking.ask([])
    await clock.advance(10)
    peer.tokens = 100
    [known] = await asking.ask([one])
    assert known is not None
    assert known.rates == (10.0, 0.0)
    await clock.advance(10)
    peer.tokens = 130
    [known] = await asking.ask([replace(one, requests=2)])
    assert known is not None
    assert known.rates == (3.0, 0.0)


async def test_a_silent_engine_keeps_what_it_said_and_holds_up_nobody(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from corral.kit.http import Timeouts

    monkeypatch.setattr("corral.monitoring.metrics.asking._TIMEOUTS", Timeouts(1.0, 0.2, 0.2))
    asking, one = Asking(SystemClock()), view(peer, busy=1, requests=1)
    peer.tokens = 7
    await asking.ask([one])
    peer.stall.clear()
    [known] = await asking.ask([replace(one, requests=2)])
    assert known is not None
    assert known.counters is not None
    assert known.counters.tokens == 7


class Reader:
    def __init__(self) -> None:
        self.number = 0
        self.fail = False

    def read(self, pids: set[int]) -> Readings:
        if self.fail:
            raise OSError("no /proc")
        self.number += 1
        return Readings(self.number * 10.0, HOST, Use(5, self.number), {pid: Use(9, self.number * 2.0) for pid in pids})


class Kept:
    def __init__(self) -> None:
        self.samples: list[Snapshot] = []

    async def keep(self, snapshot: Snapshot) -> None:
        self.samples.append(snapshot)


async def test_samples_come_at_their_time_are_told_and_survive_a_failure() -> None:
    clock, bus, reader, kept = ManualClock(), MemoryBus(), Reader(), Kept()
    views = [EngineView("m", "loading", 5, 4, 1, 2, 3)]
    collector = Collector(reader, lambda: views, lambda: (4, 5), clock=clock, bus=bus)
    with bus.subscribe(TOPIC) as heard:
        collector.start(kept)
        for number in (1, 2):
            await eventually(lambda number=number: len(kept.samples) == number)  # type: ignore[misc]
            await eventually(lambda: clock.sleepers == 1)
            await clock.advance(10)
        await eventually(lambda: len(kept.samples) == 3)
        await eventually(lambda: clock.sleepers == 1)
        reader.fail = True
        await clock.advance(10)
        await eventually(lambda: clock.sleepers == 1)
        reader.fail = False
        await clock.advance(10)
        await eventually(lambda: len(kept.samples) == 4)
        events = []
        async for _, event in heard:
            events.append(event)
            if len(events) == 4:
                break
    await collector.stop()
    assert events[0]["event"] == "metrics:update"
    first, second = kept.samples[0].as_dict(), kept.samples[1].as_dict()
    assert first["server"] == {"rss": 5, "cpu": None, "uptime": 0, "sockets": 4, "logsDropped": 5}
    assert second["server"]["cpu"] == 0.1
    assert second["engines"] == [
        {"name": "m", "state": "loading", "rss": 9, "cpu": 0.2, "tokensPerSecond": None, "promptTokensPerSecond": None,
         "slotsBusy": 1, "slots": 4, "kvUse": None, "queue": 2, "requests": 3, "sleeping": False}
    ]  # fmt: skip
    assert events[1]["at"] == second["at"]
