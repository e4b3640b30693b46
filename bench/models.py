"""What a list of thousands of models costs: `models:list` of 5,000 over Socket.IO and over HTTP."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import socketio
from tests.support.gguf_files import KEYS, TENSORS, header, weight_bytes

from bench.frame import Result, Running, percentile, start
from corral.realtime import PATH

MODELS = 5_000
LIMIT_MS = 50.0


def fill(folder: Path, count: int) -> None:
    """Writes `count` small model files."""
    folder.mkdir(parents=True)
    head = header(KEYS)
    body = head + bytes(-len(head) % 32) + bytes(weight_bytes(TENSORS))
    for number in range(count):
        (folder / f"model-{number:05d}.gguf").write_bytes(body)


async def asked(server: Running, rounds: int) -> tuple[float, list[float]]:
    """Processor milliseconds of the server for one list, and the time until each had come and was read."""
    client = socketio.AsyncClient()
    answers: asyncio.Queue[Any] = asyncio.Queue()
    client.on("models:list:result", answers.put_nowait)
    await client.connect(server.url, socketio_path=PATH.strip("/"), transports=["websocket"])

    async def ask() -> float:
        began = time.perf_counter()
        await client.emit("models:list", {})
        answer = await answers.get()
        assert len(answer["data"]["models"]) == MODELS + 1
        return (time.perf_counter() - began) * 1000

    await ask()
    spent = server.cpu_seconds()
    took = [await ask() for _ in range(rounds)]
    spent = server.cpu_seconds() - spent
    await client.disconnect()
    return spent * 1000 / rounds, took


def fetched(server: Running, rounds: int) -> tuple[float, list[float]]:
    """The same over HTTP; the answer is read and not looked at."""
    took = []
    spent = server.cpu_seconds()
    for _ in range(rounds):
        began = time.perf_counter()
        with urllib.request.urlopen(f"{server.url}/api/models", timeout=60) as answer:
            answer.read()
        took.append((time.perf_counter() - began) * 1000)
    return (server.cpu_seconds() - spent) * 1000 / rounds, took


def run(*, quick: bool) -> list[Result]:
    """All figures."""
    rounds = 10 if quick else 40
    with TemporaryDirectory() as folder:
        data = Path(folder)
        fill(data / "models", MODELS)
        process, url = start(data)
        server = Running(url, process.pid, data)
        try:
            socket_cpu, socket_took = asyncio.run(asked(server, rounds))
            http_cpu, http_took = fetched(server, rounds)
        finally:
            process.terminate()
            process.wait(30)
    note = f"{MODELS} models"
    return [
        Result("models:list, processor time of the server", socket_cpu, "ms", LIMIT_MS, note),
        Result("models:list until read by the client, p50", percentile(socket_took, 0.5), "ms", None, note),
        Result("GET /api/models, processor time of the server", http_cpu, "ms", LIMIT_MS, note),
        Result("GET /api/models until the last byte, p50", percentile(http_took, 0.5), "ms", None, note),
    ]
