"""What watching costs: a server with 50 engines at work and 5 browsers that show the dashboard and the log."""

from __future__ import annotations

import asyncio
import contextlib
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import socketio

from bench.frame import Result, Running, start, upstream

ENGINES, BROWSERS = 50, 5
INTERVAL = 10.0
PATH = "llamaproxws"


@dataclass(slots=True)
class Heard:
    """What a browser got."""

    metrics: list[dict[str, Any]] = field(default_factory=list)
    others: int = 0


@contextlib.contextmanager
def corral_with(engines: int, port: int) -> Iterator[Running]:
    """A server with engines that are attached to the synthetic upstream, all of them ready."""
    with TemporaryDirectory(prefix="corral-bench-") as folder:
        data = Path(folder)
        lines = [f'[engines.e{number:02}]\nurl = "http://127.0.0.1:{port}"\nslots = 8' for number in range(engines)]
        (data / "corral.toml").write_text("\n".join(lines) + "\n")
        process, url = start(data)
        try:
            for number in range(engines):
                asked = urllib.request.Request(f"{url}/api/models/e{number:02}/start", b"", method="POST")
                urllib.request.urlopen(asked, timeout=60).close()
            yield Running(url, process.pid, data)
        finally:
            process.terminate()
            process.wait(30)


async def browser(url: str, heard: Heard) -> socketio.AsyncClient:
    """A client that does what the web app does when the dashboard and the log are open."""
    client = socketio.AsyncClient(reconnection=False)

    async def hear(event: str, body: dict[str, Any]) -> None:
        if event == "metrics:update":
            heard.metrics.append(body["data"])
        else:
            heard.others += 1

    client.on("*", hear)
    await client.connect(url, socketio_path=PATH, transports=["websocket"], wait_timeout=30)
    for intent, data in (
        ("models:list", {}),
        ("status:get", {}),
        ("metrics:latest", {}),
        ("metrics:history", {"range": "10m"}),
        ("logs:subscribe", {"level": "info"}),
    ):
        await client.emit(intent, {"requestId": intent, "data": data})
    return client


async def watched(running: Running, seconds: float) -> tuple[float, list[Heard]]:
    """The share of one core that the server used while the browsers watched, and what they got."""
    heard = [Heard() for _ in range(BROWSERS)]
    clients = [await browser(running.url, one) for one in heard]
    await asyncio.sleep(2 * INTERVAL)
    for one in heard:
        one.metrics.clear()
    began, used = time.monotonic(), running.cpu_seconds()
    await asyncio.sleep(seconds)
    share = (running.cpu_seconds() - used) / (time.monotonic() - began)
    for client in clients:
        await client.disconnect()
    return share, heard


def alone(running: Running, seconds: float) -> float:
    """The share of one core without anybody watching."""
    began, used = time.monotonic(), running.cpu_seconds()
    time.sleep(seconds)
    return (running.cpu_seconds() - used) / (time.monotonic() - began)


def run(*, quick: bool) -> list[Result]:
    """All figures."""
    seconds = 30.0 if quick else 120.0
    with upstream() as port, corral_with(ENGINES, port) as running:
        share, heard = asyncio.run(watched(running, seconds))
        unwatched = alone(running, seconds / 2)
    expected = int(seconds / INTERVAL) - 1
    samples = min(len(one.metrics) for one in heard)
    whole = [
        sum(one["tokensPerSecond"] is not None and one["slotsBusy"] > 0 for one in told["engines"])
        for each in heard
        for told in each.metrics
    ]
    return [
        Result("50 engines at work, 5 browsers: processor of the server", share * 100, "% of a core", 3.0),
        Result("the same with nobody watching", unwatched * 100, "% of a core"),
        Result("samples that a browser missed", max(0, expected - samples), "", 0),
        Result("engines without figures in a sample", ENGINES - min(whole, default=0), "", 0),
    ]
