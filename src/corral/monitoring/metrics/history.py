"""The samples' history: the last minutes in memory, and everything in the table, rolled up and bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from corral.kit.clock import Clock
from corral.kit.errors import CorralError
from corral.monitoring.metrics import repository
from corral.monitoring.metrics.policy import (
    FINEST,
    MAX_ENGINES,
    SHOWN_ENGINES,
    SPANS,
    VALUES,
    Row,
    bucket,
    busiest,
    points,
    span,
)
from corral.monitoring.metrics.types import EngineFigures, Snapshot
from corral.store import Database
from corral.telemetry import get_logger

_log = get_logger("corral.monitoring")
_PRUNE_EVERY = 300
_ENGINE = "engine:"
_HOST = {
    "cpu": "cpu", "memory": "memory", "disk": "disk", "gpu": "gpu", "gpuMemory": "gpu_memory",
    "tokensPerSecond": "tokens_per_second", "promptTokensPerSecond": "prompt_tokens_per_second",
    "slotsBusy": "slots_busy", "queue": "queue",
}  # fmt: skip
_SERVER = {"cpu": "cpu", "rss": "memory"}
_ENGINES = {
    "cpu": "cpu", "rss": "memory", "tokensPerSecond": "tokens_per_second",
    "promptTokensPerSecond": "prompt_tokens_per_second", "slotsBusy": "slots_busy", "kvUse": "kv_use", "queue": "queue",
}  # fmt: skip
_QUIET_STATES = ("stopped", "failed")


class History:
    """Keeps samples and answers for ranges of time."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._recent: deque[list[Row]] = deque(maxlen=SPANS["10m"][0] // FINEST + 1)
        self._rolled = -1
        self._pruned = -1
        self._failing = False

    async def keep(self, snapshot: Snapshot) -> None:
        """Keeps a sample. A storage that is full or away costs the sample on disk, not the one in memory."""
        rows = rows_of(snapshot)
        self._recent.append(rows)
        now = snapshot.millis
        rolled, pruned = bucket(now, 60), bucket(now, _PRUNE_EVERY)

        def work(connection: Connection) -> None:
            repository.add(connection, rows)
            if rolled != self._rolled:
                repository.roll_up(connection, now)
            if pruned != self._pruned:
                repository.prune(connection, now)

        try:
            await self._database.write(work)
        except CorralError as error:
            if not self._failing:
                _log.warning("metrics_not_kept", reason=error.message)
            self._failing = True
        else:
            self._rolled, self._pruned, self._failing = rolled, pruned, False

    async def query(self, range_: str, engine: str | None = None) -> dict[str, Any]:
        """The points of a range in the wire form. Raises InvalidRequest for another range."""
        seconds, step = span(range_)
        now = int(self._clock.now().timestamp() * 1000)
        start = now - seconds * 1000 if step == FINEST else bucket(now - seconds * 1000, step)
        recent = [row for sample in self._recent for row in sample if row.at >= start]

        def work(connection: Connection) -> dict[str, Any]:
            totals = {} if engine is not None else repository.busiest_engines(connection, start, step)
            chosen = choose(totals, recent, engine)
            return _shaped(repository.read(connection, start, step, chosen.subjects), recent, step, chosen)

        # A storage that is away must not hide what is in memory. A month of many engines takes a while, off the loop.
        try:
            told = await self._database.read(work)
        except CorralError as error:
            _log.warning("metrics_not_read", reason=error.message)
            told = await asyncio.to_thread(_shaped, [], recent, step, choose({}, recent, engine))
        return {"range": range_, "step": step, "from": start, "to": now, **told}


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whose points are told, and how many engines are left out."""

    subjects: list[str]
    more: int


def choose(totals: Mapping[str, tuple[float, float]], recent: list[Row], engine: str | None) -> Chosen:
    """Host, server, and the engine that is asked for, else the busiest ones of the table and of memory."""
    if engine is not None:
        return Chosen(["host", "server", _ENGINE + engine], 0)
    new = {row.subject: (0.0, 0.0) for row in recent if row.subject.startswith(_ENGINE)}
    shown, more = busiest({**new, **totals}, SHOWN_ENGINES)
    return Chosen(["host", "server", *shown], more)


def _shaped(rows: list[Row], recent: list[Row], step: int, chosen: Chosen) -> dict[str, Any]:
    """Rows of the table, and those in memory that are not among them, as columns."""
    known = {(row.subject, row.at) for row in rows} if step <= FINEST else set()
    newest = max((row.at for row in rows), default=-1)
    # Of longer steps the rows stand for a time, which must not be counted twice.
    missing = (row for row in recent if (row.at > newest if step > FINEST else (row.subject, row.at) not in known))
    wanted = set(chosen.subjects)
    return {**columns(points([*rows, *(row for row in missing if row.subject in wanted)], step)), "more": chosen.more}


def rows_of(snapshot: Snapshot) -> list[Row]:
    """A sample as rows. Engines that do not run have none; of very many the busiest are kept."""
    at, host = snapshot.millis, snapshot.host
    gpus = host.gpus
    uses = [gpu.use for gpu in gpus or () if gpu.use is not None]
    alive = [one for one in snapshot.engines if one.state not in _QUIET_STATES]
    told = {
        "cpu": host.cpu,
        "memory": host.memory_used,
        "disk": host.disk[0] if host.disk else None,
        "gpu": sum(uses) / len(uses) if uses else None,
        "gpu_memory": sum(gpu.memory_used for gpu in gpus) if gpus else None,
        "tokens_per_second": sum(one.tokens_per_second or 0.0 for one in alive),
        "prompt_tokens_per_second": sum(one.prompt_tokens_per_second or 0.0 for one in alive),
        "slots_busy": sum(one.slots_busy for one in alive),
        "queue": sum(one.queue for one in snapshot.engines),
    }
    rows = [_row("host", at, told), _row("server", at, {"cpu": snapshot.server.cpu, "memory": snapshot.server.rss})]
    weights = {one.name: (one.tokens_per_second or 0.0, float(one.rss or 0)) for one in alive}
    kept, _ = busiest(weights, MAX_ENGINES)
    return rows + [_row(_ENGINE + one.name, at, _engine(one)) for one in alive if one.name in set(kept)]


def _engine(one: EngineFigures) -> dict[str, float | None]:
    return {
        "cpu": one.cpu,
        "memory": one.rss,
        "tokens_per_second": one.tokens_per_second,
        "prompt_tokens_per_second": one.prompt_tokens_per_second,
        "slots_busy": one.slots_busy,
        "kv_use": one.kv_use,
        "queue": one.queue,
    }


def _row(subject: str, at: int, values: dict[str, Any]) -> Row:
    told = (values.get(name) for name in VALUES)
    return Row(FINEST, subject, at, tuple(None if value is None else float(value) for value in told))


Points = dict[int, tuple[float | None, ...]]


def columns(found: dict[str, Points]) -> dict[str, Any]:
    """Points by subject as columns over one list of moments."""
    at = sorted({moment for by_time in found.values() for moment in by_time})
    engines = sorted(subject for subject in found if subject.startswith(_ENGINE))
    return {
        "at": at,
        "host": _series(found.get("host", {}), at, _HOST),
        "server": _series(found.get("server", {}), at, _SERVER),
        "engines": {subject.removeprefix(_ENGINE): _series(found[subject], at, _ENGINES) for subject in engines},
    }


def _series(by_time: Points, at: list[int], names: dict[str, str]) -> dict[str, list[float | None]]:
    rows = [by_time.get(moment) for moment in at]
    places = {wire: VALUES.index(name) for wire, name in names.items()}
    return {wire: [None if row is None else _rounded(row[place]) for row in rows] for wire, place in places.items()}


def _rounded(value: float | None) -> float | None:
    if value is None:
        return None
    return round(value, 4) if value < 1000 else round(value)
