"""Takes in what became of requests, and answers for what was used. Fills `Recorder`."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import count, islice
from typing import Any

from corral.inference.money import NANOS
from corral.inference.types import Record
from corral.inference.usage import repository
from corral.inference.usage.events import Event, event_of
from corral.inference.usage.totals import Totals
from corral.kit.clock import Clock, iso, moment
from corral.kit.errors import CorralError, InvalidRequest
from corral.kit.ids import new_id
from corral.kit.tasks import Tasks
from corral.store import Database
from corral.telemetry import get_logger

_log = get_logger("corral.usage")
_BATCH = 500
_PRUNE_EVERY = 3600.0
_PRUNED = 5000
_LONGEST = timedelta(days=400)
_YEARS = (1971, 9000)


@dataclass(frozen=True, slots=True)
class UsageOptions:
    """days: how long events are kept. waiting: events that may wait to be written; beyond, the oldest are lost and counted.
    every: seconds between two writes."""

    days: int = 90
    waiting: int = 20_000
    every: float = 1.0


class UsageLog:
    """The recorder. A request leaves its event in memory; one task writes them in batches, and no request waits for it."""

    def __init__(self, database: Database, clock: Clock, options: UsageOptions | None = None) -> None:
        self._database = database
        self._clock = clock
        self._options = options or UsageOptions()
        self._waiting: deque[Event] = deque()
        # An event's id is that of this log and its number in it.
        self._log_id = new_id("use")
        self._numbers = count()
        self._tasks = Tasks("usage")
        self._failing = False
        self._zero = 0.0
        """When the monotonic clock was 0, in milliseconds since 1970. Looked at now and then, since the system's clock is set."""
        self._look()
        self.totals = Totals()
        self._left = 0
        """How many have left the front of those that wait, written or lost."""
        self.lost = 0
        """Events that could not be written."""

    @property
    def waiting(self) -> int:
        """Events that are not written yet."""
        return len(self._waiting)

    def start(self) -> None:
        """Begins to write and to remove what is too old."""
        self._tasks.start("write", self._keep_writing())
        self._tasks.start("prune", self._keep_pruned())

    async def stop(self) -> None:
        """Writes what is left and ends."""
        await self._tasks.stop()
        await self._write_all()

    def record(self, record: Record) -> None:
        """See `Recorder.record`."""
        by = record.answered_by
        self.totals.add(record, by)
        self._waiting.append(event_of(record, by, f"{self._log_id}{next(self._numbers):08x}", self._zero))
        if len(self._waiting) > self._options.waiting:
            self._waiting.popleft()
            self._left += 1
            self.lost += 1

    async def sums(
        self,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        group: str = "model",
        step: str | None = None,
        user_id: str | None = None,
    ) -> dict[str, Any]:
        """What was used between two moments (the last day without them), what waits to be written included.

        group: model, provider, route, user, key or none. step: hour, day or None. Raises InvalidRequest, StorageUnavailable.
        """
        end = end or self._clock.now() + timedelta(seconds=1)
        start = start or end - timedelta(days=1)
        if not (_YEARS[0] <= start.year and end.year <= _YEARS[1] and timedelta(0) < end - start <= _LONGEST):
            raise InvalidRequest("The end lies after the start and at most 400 days away.", param="from")
        columns = () if group == "none" else repository.GROUPS.get(group)
        if columns is None:
            raise InvalidRequest(f"Sums are by {', '.join(repository.GROUPS)} or none.", param="by")
        if step is not None and step not in repository.STEPS:
            raise InvalidRequest(f"Steps are {' or '.join(repository.STEPS)}.", param="step")
        size = repository.STEPS[step] if step is not None else None
        await self._write_all()
        first, last = int(start.timestamp() * 1000), int(end.timestamp() * 1000)
        query = partial(repository.sums, start=first, end=last, group=columns, step=size, user_id=user_id)
        rows = await self._database.read(query)
        return {
            "from": iso(start), "to": iso(end), "by": group, "step": step, "rows": [_told(row) for row in rows],
            "more": len(rows) >= repository.MAX_ROWS,
        }  # fmt: skip

    async def _keep_writing(self) -> None:
        while True:
            await self._clock.sleep(self._options.every)
            self._look()
            await self._write_all()

    def _look(self) -> None:
        self._zero = (self._clock.now().timestamp() - self._clock.monotonic()) * 1000

    async def _write_all(self) -> None:
        # What comes meanwhile waits for the next time: written as it comes, every few events would be flushed to disk by themselves.
        left = len(self._waiting)
        while left > 0 and await self._write(min(left, _BATCH)):
            left -= _BATCH

    async def _write(self, count: int) -> bool:
        first, rows = self._left, list(islice(self._waiting, count))
        if not rows:
            return True
        try:
            await asyncio.shield(self._database.write(lambda connection: repository.add(connection, rows)))
        except CorralError as error:
            if not self._failing:
                _log.warning("usage_not_written", reason=error.message)
            self._failing = True
            return False
        self._failing = False
        # Some may have left meanwhile: what came too much, and what another wrote as well.
        for _ in range(first + len(rows) - self._left):
            self._waiting.popleft()
            self._left += 1
        return True

    async def _keep_pruned(self) -> None:
        while True:
            oldest = self._clock.now() - timedelta(days=self._options.days)
            prune = partial(repository.prune, before=int(oldest.timestamp() * 1000), most=_PRUNED)
            try:
                while await self._database.write(prune) >= _PRUNED:
                    await self._clock.sleep(0.05)
            except CorralError as error:
                _log.warning("usage_not_pruned", reason=error.message)
            await self._clock.sleep(_PRUNE_EVERY)


_NAMES = {
    "provider": "provider", "model": "model", "route": "route", "user_id": "userId", "key_id": "keyId",
    "requests": "requests", "failed": "failed", "cancelled": "cancelled", "saved": "fromCache",
    "prompt_tokens": "promptTokens", "completion_tokens": "completionTokens", "cached_tokens": "cachedTokens",
    "reasoning_tokens": "reasoningTokens", "unpriced": "unpriced",
}  # fmt: skip


def _told(row: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if "step" in row:
        told["at"] = iso(moment(int(row["step"])))
    for column, name in _NAMES.items():
        if column in row:
            value = row[column]
            told[name] = value if isinstance(value, str) or value is None else int(value)
    told["cost"] = float(row["cost"] or 0) / NANOS
    for column, name in (("first_content_ms", "firstContentMs"), ("duration_ms", "durationMs")):
        told[name] = None if row[column] is None else round(float(row[column]), 1)
    return told
