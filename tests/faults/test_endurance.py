"""Pitfall 30: an hour at 200 requests a second leaves the server as large as it was (`make test-faults`; much less in `make test`)."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.support.gateway import gateway
from tests.support.scale import THOROUGH, scaled
from tests.support.wire_clients import PATHS, body_of, told_text

SECONDS = scaled(12, 3600)
pytestmark = [pytest.mark.alone, pytest.mark.timeout(SECONDS + 180)]
RATE = scaled(40, 200)
WARM_UP = 0.3
"""Share of the time after which nothing may grow any more."""
ALLOWED = 8 << 20
"""Bytes between the middle and the end: what an allocator does by itself."""
CURVE = Path("test-results") / "endurance-memory.txt"
"""Where the hour leaves what it saw: seconds and MiB, a line each ten seconds."""
MIXTURE = [(dialect, kind, stream) for dialect in PATHS for kind in ("openai", "anthropic") for stream in (False, True)]


class Load:
    """Requests at an even rate, of every dialect to two kinds of provider, each with words of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.done = 0
        self.wrong: list[str] = []

    async def one(self, session: aiohttp.ClientSession, number: int) -> None:
        """One request; its answer must be what was asked for."""
        dialect, kind, stream = MIXTURE[number % len(MIXTURE)]
        text = f"number {number} " + "x" * (number % 500)
        body = body_of(dialect, f"{kind}/model-{number % 50}", text, stream=stream)
        try:
            async with session.post(self.url + PATHS[dialect], json=body) as answer:
                said = await answer.read()
            if answer.status != 200 or told_text(dialect, said, stream=stream) != text:
                self.wrong.append(f"{dialect} to {kind}: {answer.status} {said[:300]!r}")
        except (aiohttp.ClientError, TimeoutError) as error:
            self.wrong.append(f"{dialect} to {kind}: {error!r}")
        self.done += 1

    async def run(self, server: psutil.Process) -> list[tuple[float, int]]:
        """All of it; the memory of the server over time."""
        sizes: list[tuple[float, int]] = []
        began = time.monotonic()
        connector = aiohttp.TCPConnector(limit=256)
        patience = aiohttp.ClientTimeout(60)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=patience) as session,
            asyncio.TaskGroup() as group,
        ):
            for number in range(SECONDS * RATE):
                due = began + number / RATE
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                group.create_task(self.one(session, number))
                if number % RATE == 0:
                    sizes.append((time.monotonic() - began, server.memory_info().rss))
        return sizes


async def test_pitfall_30_memory_stays_flat(tmp_path: Path) -> None:
    with gateway(tmp_path, kinds=("openai", "anthropic")) as made:
        for kind in ("openai", "anthropic"):
            made.providers[kind].script({"echo": True})
        assert made.server.process is not None
        load = Load(made.server.url)
        sizes = await load.run(psutil.Process(made.server.process.pid))
    if THOROUGH:
        CURVE.parent.mkdir(exist_ok=True)
        CURVE.write_text("".join(f"{when:6.0f} {size / 2**20:7.1f}\n" for when, size in sizes[::10]))
    assert not load.wrong, load.wrong[:5]
    assert load.done == SECONDS * RATE
    later = [size for when, size in sizes if when > WARM_UP * SECONDS]
    half = len(later) // 2
    grown = statistics.median(later[half:]) - statistics.median(later[:half])
    assert grown < ALLOWED * (1 if THOROUGH else 4), [size >> 20 for _, size in sizes]
