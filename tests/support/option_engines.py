"""Engines that run with options, as Corral starts them, and can be asked anything."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corral.engines import Engines, EngineSpec
from corral.engines.types import Stay
from corral.models.options import check, check_together
from corral.models.options.launching import shape
from corral.settings import AttachedEngine
from corral.telemetry.levels import engine_logger
from tests.support.engines import Table, engines
from tests.support.waiting import eventually

LLAMA_SERVER = Path(__file__).parent.parent / "fakes" / "llama_server.py"


@dataclass
class Running:
    """A running engine."""

    engines: Engines
    pid: int
    lines: list[str]

    async def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and answer; without a body it is a GET."""
        lease = await self.engines.lease("model")
        try:
            kind = lease.headers + b"content-type: application/json\r\n"
            method, sent = (b"GET", b"") if body is None else (b"POST", json.dumps(body).encode())
            answer = await lease.pool.request(method, path.encode(), headers=kind, body=sent)
            text = await answer.read(1 << 24)
        finally:
            lease.release()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text.decode()

    async def complete(self, prompt: str | list[int] = "hi", **more: Any) -> dict[str, Any]:
        """A plain completion with all of its settings."""
        status, found = await self.ask("/completion", {"prompt": prompt, **more})
        assert status == 200, found
        return dict(found)

    async def chat(self, message: Any, **more: Any) -> dict[str, Any]:
        """The message that answers, greedy and short."""
        body = {"messages": [{"role": "user", "content": message}], "temperature": 0, "max_tokens": 24, **more}
        status, found = await self.ask("/v1/chat/completions", body)
        assert status == 200, found
        return dict(found["choices"][0]["message"])

    async def props(self) -> dict[str, Any]:
        """What it tells of itself."""
        return dict((await self.ask("/props"))[1])

    def log(self) -> str:
        """All that it has written."""
        return "\n".join(self.lines)

    async def said(self, pattern: str) -> re.Match[str]:
        """What fits the pattern in its log, once it is there: lines come a moment after what they tell of."""
        found: re.Match[str] = await eventually(lambda: re.search(pattern, self.log()), message=pattern)
        return found


class Heard(logging.Handler):
    """Keeps every line: the engine's own memory of them is short."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def specified(model: Path, options: Mapping[str, Any], kind: str, folder: Path) -> EngineSpec:
    """The engine for a model with options."""
    values = {name: value for name, value in check(options).items() if value is not None}
    check_together(values)
    context, slots = shape(values, context=512, slots=2, trained=None)
    stay = Stay(idle_sleep=values.get("sleep_idle_seconds"))
    entry = None
    if kind == "llama_server":
        binary = folder / "llama-server"
        binary.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P "{LLAMA_SERVER}" "$@"\n')
        binary.chmod(0o755)
        entry = AttachedEngine(llama_server=str(binary), model=str(model), slots=slots)
    return EngineSpec("model", model, model.stat().st_size, context, slots, entry=entry, options=values, stay=stay)


@asynccontextmanager
async def running(
    folder: Path, model: Path, options: Mapping[str, Any], kind: str = "embedded"
) -> AsyncIterator[Running]:
    """A model's engine, ready."""
    spec = specified(model, options, kind, folder)
    logger, heard = logging.getLogger(engine_logger("model")), Heard()
    before = logger.level
    logger.addHandler(heard)
    logger.setLevel(logging.DEBUG)
    try:
        async with engines(folder, Table(model=spec)) as (made, _):
            status = await made.start("model")
            assert status.pid is not None
            yield Running(made, status.pid, heard.lines)
    finally:
        logger.removeHandler(heard)
        logger.setLevel(before)
