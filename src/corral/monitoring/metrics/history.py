"""The samples' history: the last minutes in memory, and everything in the table, rolled up and bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
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
        subjects = None if engine is None else ["host", "server", _ENGINE + engine]
        # A storage that is away must not hide what is in memory.
        try:
            rows = await self._database.read(lambda connection: repository.read(connection, start, step, subjects))
        except CorralError as error:
            _log.warning("metrics_not_read", reason=error.message)
            rows = []
        rows += self._missing(rows, start, step, subjects)
        return {"range": range_, "step": step, "from": start, "to": now, **columns(points(rows, step))}

    def _missing(self, rows: list[Row], start: int, step: int, subjects: list[str] | None) -> list[Row]:
        """What is in memory and not among the rows that the table gave."""
        known = {(row.subject, row.at) for row in rows}
        newest = max((row.at for row in rows), default=-1)
        return [
            row
            for sample in self._recent
            for row in sample
            # Of longer steps the rows stand for a time, which must not be counted twice.
            if (row.at > newest if step > FINEST else (row.subject, row.at) not in known)
            and row.at >= start
            and (subjects is None or row.subject in subjects)
        ]


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
    """Points by subject as columns over one list of moments; of many engines the busiest."""
    at = sorted({moment for by_time in found.values() for moment in by_time})
    tokens, memory = VALUES.index("tokens_per_second"), VALUES.index("memory")
    weights = {
        subject.removeprefix(_ENGINE): (_sum(by_time, tokens), _sum(by_time, memory))
        for subject, by_time in found.items()
        if subject.startswith(_ENGINE)
    }
    shown, more = busiest(weights, SHOWN_ENGINES)
    return {
        "at": at,
        "host": _series(found.get("host", {}), at, _HOST),
        "server": _series(found.get("server", {}), at, _SERVER),
        "engines": {name: _series(found[_ENGINE + name], at, _ENGINES) for name in shown},
        "more": more,
    }


def _series(by_time: Points, at: Iterable[int], names: dict[str, str]) -> dict[str, list[float | None]]:
    places = {wire: VALUES.index(name) for wire, name in names.items()}
    moments = list(at)
    return {
        wire: [_rounded(by_time[moment][place]) if moment in by_time else None for moment in moments]
        for wire, place in places.items()
    }


def _rounded(value: float | None) -> float | None:
    if value is None:
        return None
    return round(value, 4) if value < 1000 else round(value)


def _sum(by_time: Points, place: int) -> float:
    return sum(values[place] or 0.0 for values in by_time.values())
