"""Real engines without a server around them."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from corral.bus import MemoryBus
from corral.engines import EngineOptions, Engines, EngineSpec, Stay
from corral.kit.clock import SystemClock
from corral.kit.errors import ModelNotFound
from corral.settings import AttachedEngine, environment
from tests.support.waiting import within

FAKE = Path(__file__).parent.parent / "fakes" / "fake_engine.py"
MIB = 1 << 20


class Table:
    """Specs by name."""

    def __init__(self, **specs: EngineSpec) -> None:
        self.specs = specs

    def spec(self, model: str) -> EngineSpec:
        if model not in self.specs:
            raise ModelNotFound(f"There is no model called {model!r}.")
        return self.specs[model]


def newcomers() -> Callable[[], list[psutil.Process]]:
    """Tells which processes this one has begun since, with all that those began; a database of other tests is not among them."""
    process = psutil.Process()
    before = {child.pid for child in process.children()}

    def now() -> list[psutil.Process]:
        found = []
        for child in process.children():
            if child.pid not in before:
                with suppress(psutil.NoSuchProcess):
                    found += [child, *child.children(recursive=True)]
        return found

    return now


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def takes(made: Engines, name: str) -> bool:
    """Whether an engine takes a request at once."""
    lease = made.try_lease(name)
    if lease is not None:
        lease.release()
    return lease is not None


def embedded(path: Path, slots: int = 2) -> EngineSpec:
    return EngineSpec("real", path, path.stat().st_size, 512, slots)


def fake(*arguments: str, key: str = "{key}") -> EngineSpec:
    """The scripted engine behind a command template."""
    command = (sys.executable, str(FAKE), "--port", "{port}", "--key", key, *arguments)
    return EngineSpec("fake", None, entry=AttachedEngine(command=command, slots=4))


def sized(name: str, *arguments: str, need: int = 100, **stay: Any) -> EngineSpec:
    """A scripted engine that is expected to need `need` MiB."""
    return replace(fake(*arguments), model=name, memory_bytes=need * MIB, stay=Stay(**stay))


def real(
    path: Path, name: str = "real", *, need: int = 100, slots: int = 2, context: int = 2048, **stay: Any
) -> EngineSpec:
    """The same of a real one."""
    return replace(
        embedded(path, slots), model=name, context_length=context, memory_bytes=need * MIB, stay=Stay(**stay)
    )


def attached(url: str, key: str | None = None) -> EngineSpec:
    """A server of somebody else."""
    return EngineSpec("other", None, entry=AttachedEngine(url=url, api_key=key))


@asynccontextmanager
async def engines(
    folder: Path, specs: Table, *, environ: Mapping[str, str] | None = None, **options: Any
) -> AsyncIterator[tuple[Engines, MemoryBus]]:
    bus = MemoryBus()
    chosen = EngineOptions(**{"start_stall": 30.0, "stop_grace": 5.0, "drain": 5.0, **options})
    made = Engines(
        specs, folder / "run", clock=SystemClock(), bus=bus, options=chosen, environ=environ or environment()
    )
    await made.start_up()
    try:
        yield made, bus
    finally:
        await made.shut_down()


async def chat(made: Engines, name: str, text: str, **fields: Any) -> dict[str, Any]:
    """The whole answer of an engine."""
    lease = await within(made.lease(name))
    try:
        body = json.dumps({"messages": [{"role": "user", "content": text}], "temperature": 0, **fields}).encode()
        headers = lease.headers + b"content-type: application/json\r\n"
        answer = await lease.pool.request(b"POST", b"/v1/chat/completions", headers=headers, body=body)
        found: dict[str, Any] = json.loads(await answer.read(1 << 22))
        assert answer.status == 200, found
        return found
    finally:
        lease.release()
