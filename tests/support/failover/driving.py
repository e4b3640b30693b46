"""One running Corral in front of scripted providers, in which every cell really happens, many at a time."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.failover.cells import KINDS, Cell, Company
from tests.support.failover.clients import PATHS, Heard, body, read, refusal
from tests.support.failover.faults import BY_NAME, good
from tests.support.providers import FakeProvider, fake_provider
from tests.support.server import Server

SILENCE = 1.5
"""Seconds of silence until a provider counts as dead, where a cell is about that."""
AT_ONCE = 48
"""Cells under way at a time that work; those that wait for a deadline do not count."""
ROUTES, PROVIDERS = 950, 150
"""Cells in one configuration, and those of them with a provider of their own."""
ATTEMPTS: dict[Company, int] = {"alone": 1, "again": 2, "second": 3}
_KEY = "a-key-of-tests"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a cell: what the client heard, and which way the second question took, if there was one."""

    heard: Heard
    asked: tuple[str, ...]
    """Of each request that the well candidate got, what it ended with: user (as it was asked), asking or prefill."""


async def drive(cells: Sequence[Cell], folder: Path) -> dict[Cell, Outcome]:
    """Lets all of them happen; as many at a time as one configuration has room for."""
    batches = max(1, -(-len(cells) // ROUTES), -(-sum(cell.company == "again" for cell in cells) // PROVIDERS))
    found: dict[Cell, Outcome] = {}
    for number in range(batches):
        found |= await Table(cells[number::batches]).outcomes(folder / str(number))
    return found


class Table:
    """All that is needed to let `cells` happen."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.cells = cells
        self._names = {cell: f"c{number}" for number, cell in enumerate(cells)}

    async def outcomes(self, folder: Path) -> dict[Cell, Outcome]:
        """Lets all of them happen."""
        with self._running(folder) as (server, fakes):
            heard = await self._heard(server.url)
            asked = {kind: _asked(fake) for kind, fake in fakes.items()}
        return {cell: Outcome(one, self._who_was_asked(cell, asked)) for cell, one in heard.items()}

    # what is there

    @contextmanager
    def _running(self, folder: Path) -> Iterator[tuple[Server, dict[str, FakeProvider]]]:
        with ExitStack() as stack:
            fakes = {kind: stack.enter_context(fake_provider(kind)) for kind in KINDS}
            for kind, fake in fakes.items():
                fake.script(good("text"), models=dict(self._acts(kind)))
            # A port that is taken, but at which nobody listens.
            closed = stack.enter_context(socket.socket())
            closed.bind(("127.0.0.1", 0))
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "corral.toml").write_text("\n".join(self._configuration(fakes, closed.getsockname()[1])))
            server = Server(folder)
            server.start(TEST_KEY=_KEY)
            stack.callback(server.stop)
            yield server, fakes

    def _acts(self, kind: str) -> Iterator[tuple[str, Any]]:
        for cell, name in self._names.items():
            fails, well = BY_NAME[cell.fault].act(cell.phase, kind), good(cell.phase)
            if cell.first == kind:
                yield _model(name, "a", kind), [fails, well] if cell.company == "again" else fails
            if cell.second == kind:
                yield _model(name, "b", kind), well

    def _configuration(self, fakes: dict[str, FakeProvider], closed: int) -> Iterator[str]:
        yield "stop_grace = 0"
        for kind, fake in fakes.items():
            yield _provider(kind, kind, fake.base_url)
            yield _provider(f"{kind}-hasty", kind, fake.base_url, SILENCE)
            yield _provider(f"{kind}-gone", kind, fake.base_url.replace(str(fake.port), str(closed)))
        for cell, name in self._names.items():
            if cell.company == "again":
                # Retries come out of a budget that each provider has, so there is one for each.
                hasty = BY_NAME[cell.fault].deadline == "silence"
                yield _provider(name, cell.first, fakes[cell.first].base_url, SILENCE if hasty else None)
            yield from self._route(cell, name)

    def _first(self, cell: Cell) -> str:
        """The name of the provider that fails."""
        if cell.company == "again":
            return self._names[cell]
        fault = BY_NAME[cell.fault]
        return cell.first + ("-gone" if fault.gone else "-hasty" if fault.deadline == "silence" else "")

    def _route(self, cell: Cell, name: str) -> Iterator[str]:
        candidates = [f"{self._first(cell)}/{_model(name, 'a', cell.first)}"]
        if cell.second:
            candidates.append(f"{cell.second}/{_model(name, 'b', cell.second)}")
        yield f"[routes.{name}]\ncandidates = {json.dumps(candidates)}"
        yield f"attempts = {ATTEMPTS[cell.company]}"
        deadline = BY_NAME[cell.fault].deadline
        if deadline and cell.phase in ("connection", "start"):
            yield f"first_content_timeout = {SILENCE}"
        if deadline == "whole" and cell.phase != "start":
            yield f"total_timeout = {SILENCE}"

    # what happens

    async def _heard(self, url: str) -> dict[Cell, Heard]:
        works = asyncio.Semaphore(AT_ONCE)
        timeout = aiohttp.ClientTimeout(total=120)
        async with aiohttp.ClientSession(url, timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
            waiting = [cell for cell in self.cells if BY_NAME[cell.fault].deadline]
            others = [cell for cell in self.cells if not BY_NAME[cell.fault].deadline]
            waits = asyncio.Semaphore(2 * AT_ONCE)
            tasks = {cell: asyncio.create_task(self._one(session, cell, waits)) for cell in waiting}
            tasks |= {cell: asyncio.create_task(self._one(session, cell, works)) for cell in others}
            return {cell: await task for cell, task in tasks.items()}

    async def _one(self, session: aiohttp.ClientSession, cell: Cell, turn: asyncio.Semaphore) -> Heard:
        heard = Heard()
        async with turn, session.post(PATHS[cell.dialect], json=body(cell, self._names[cell])) as answer:
            heard.status = answer.status
            heard.retry_after = answer.headers.get("retry-after", "")
            heard.attempts = int(answer.headers.get("x-corral-attempts", 0))
            told = await answer.read()
        if answer.status != 200:
            heard.end, heard.message = "refused", refusal(told)
            return heard
        try:
            read(cell.dialect, told, heard, stream=cell.streaming)
        except (ValueError, KeyError, TypeError, AssertionError) as error:
            heard.flaws.append(f"{error!r} in {told[-2000:]!r}")
        return heard

    def _who_was_asked(self, cell: Cell, asked: dict[str, dict[str, list[str]]]) -> tuple[str, ...]:
        name = self._names[cell]
        if cell.second:
            return tuple(asked[cell.second].get(_model(name, "b", cell.second), ()))
        return tuple(asked[cell.first].get(_model(name, "a", cell.first), ()))[1:]


def _model(name: str, place: str, kind: str) -> str:
    """The name of a cell's model: of Anthropic's one that thinks by a budget and goes on with a prefill."""
    return f"claude-sonnet-4-5-{name}{place}" if kind == "anthropic" else f"{name}-{place}"


def _provider(name: str, kind: str, url: str, silence: float | None = None) -> str:
    entry = f'[providers.{name}]\nkind = "{kind}"\nbase_url = "{url}"\napi_key_env = "TEST_KEY"\ndiscover = false\n'
    return entry if silence is None else f"{entry}timeouts = {{ first_byte = {silence}, idle = {silence} }}\n"


def _asked(fake: FakeProvider) -> dict[str, list[str]]:
    """By model, how each question ended."""
    found: dict[str, list[str]] = {}
    for one in fake.seen():
        model = one["body"].get("model") or one["path"].rpartition("/models/")[2].partition(":")[0]
        found.setdefault(model, []).append(_manner(one["body"]))
    return found


def _manner(asked: dict[str, Any]) -> str:
    messages = asked.get("messages") or asked.get("contents") or asked.get("input") or []
    if isinstance(messages, str) or not messages:
        return "user"
    if messages[-1].get("role") in ("assistant", "model"):
        return "prefill"
    return "asking" if len(messages) > 1 else "user"
