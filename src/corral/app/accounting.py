"""Limits, kept answers, idempotency keys and usage: made from the settings, wired and run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from corral.bus import Bus, Lagged
from corral.inference import Hooks
from corral.inference.cache import AnswerCache, AnswerStore, CacheOptions
from corral.inference.cache.memory import MemoryAnswers
from corral.inference.cache.sql import SqlAnswers
from corral.inference.idempotency import Idempotency, Records
from corral.inference.limits import Ledger, Limits
from corral.inference.limits.book import BudgetBook
from corral.inference.limits.configured import TOPIC as LIMITS
from corral.inference.limits.memory import MemoryLedger
from corral.inference.ports import Directory
from corral.inference.routes.types import CacheRule, Candidate
from corral.inference.usage import UsageLog, UsageOptions
from corral.inference.usage.metrics import Sample, gathered
from corral.kit.clock import Clock
from corral.kit.errors import CorralError
from corral.kit.tasks import Tasks
from corral.providers.types import Prices
from corral.settings import Settings
from corral.settings.gateway import LimitEntry
from corral.store import Database


@dataclass(frozen=True, slots=True)
class Around:
    """What it asks of others.

    directory: where candidates have their prices. entries: the limits that are switched on; they are read again whenever the bus
    says that they changed. version: what the answers of an own model depend on beside the question.
    """

    directory: Directory
    entries: Callable[[], Iterable[LimitEntry]]
    version: Callable[[str], str]


class Accounting:
    """What stands around requests. `start` before the first one, `stop` after the last."""

    def __init__(self, settings: Settings, database: Database, around: Around, *, clock: Clock, bus: Bus) -> None:
        self._directory = around.directory
        self._entries = around.entries
        self._bus = bus
        self._tasks = Tasks("accounting")
        self.limits = Limits(_ledger(settings, clock), clock, self._price, BudgetBook(database, clock))
        rule = CacheRule(ttl=settings.cache_ttl, off=settings.cache_bytes == 0)
        options = CacheOptions(rule, version=around.version)
        self.cache = AnswerCache(_store(settings, database, clock), clock, options)
        self.idempotency = Idempotency(Records(database, clock), clock)
        self.usage = UsageLog(database, clock, UsageOptions(days=settings.usage_days))

    async def start(self) -> None:
        """Reads what is spent and begins what runs beside requests. Raises StorageUnavailable."""
        self.limits.use(self._entries())
        await self.limits.start()
        await self.cache.start()
        await self.idempotency.start()
        self.usage.start()
        self._tasks.start("follow the limits", self._follow())

    async def stop(self) -> None:
        """Writes what is left and ends."""
        await self._tasks.stop()
        await self.idempotency.stop()
        await self.cache.stop()
        await self.limits.stop()
        await self.usage.stop()

    @property
    def hooks(self) -> Hooks:
        """What inference calls around a request."""
        return Hooks(self.idempotency, self.limits, self.cache, self.usage)

    def metrics(self) -> list[tuple[str, str, str, Iterable[Sample]]]:
        """What was used, for `/metrics`."""
        return gathered(self.usage.totals, self.usage.lost, self.usage.waiting)

    def _price(self, candidate: Candidate) -> Prices | None:
        try:
            return self._directory.provider(candidate.provider).prices(candidate.model)
        except CorralError:
            return None

    async def _follow(self) -> None:
        while True:
            try:
                with self._bus.subscribe(LIMITS) as changes:
                    self.limits.use(self._entries())
                    async for _ in changes:
                        self.limits.use(self._entries())
            except Lagged:
                continue


def _ledger(settings: Settings, clock: Clock) -> Ledger:
    if settings.redis_url is None:
        return MemoryLedger(clock)
    from corral.inference.limits.redis import RedisLedger

    return RedisLedger(settings.redis_url, clock)


def _store(settings: Settings, database: Database, clock: Clock) -> AnswerStore:
    kind = settings.cache_store or ("redis" if settings.redis_url is not None else "memory")
    if kind == "redis" and settings.redis_url is not None:
        from corral.inference.cache.redis import RedisAnswers

        return RedisAnswers(settings.redis_url, clock, settings.cache_bytes)
    if kind == "sql":
        return SqlAnswers(database, clock, settings.cache_bytes)
    return MemoryAnswers(clock, settings.cache_bytes)
