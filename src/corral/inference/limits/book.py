"""What of each budget is spent, written down so that it outlives the server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from sqlalchemy import Connection, and_, delete, insert, select, update

from corral.inference.limits.policy import budget_of
from corral.inference.limits.tables import budgets_spent as table
from corral.inference.limits.types import Budget
from corral.kit.clock import Clock
from corral.kit.errors import CorralError
from corral.kit.tasks import Tasks
from corral.store import Database
from corral.telemetry import get_logger

_log = get_logger("corral.limits")
_EVERY = 0.2
"""Seconds between two writes: what a kill may lose of what was settled."""
_AGAIN = 2.0
_KEPT_DAYS = 400
_MOST = 100_000


class BudgetBook:
    """Adds up and writes in the background. A storage that is full or away is tried again; meanwhile memory knows."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._tasks = Tasks("budgets")
        self._unwritten: dict[Budget, int] = {}
        self._wanted = asyncio.Event()
        self._failing = False

    async def load(self) -> list[tuple[Budget, int]]:
        """What is spent of the budgets of today and this month. Raises StorageUnavailable."""
        now = self._clock.now()
        starts = {period: budget_of("", "", period, now) for period in ("day", "month")}
        current = select(table).where(table.c.start.in_([one.start for one in starts.values()]))
        rows = await self._database.read(lambda connection: connection.execute(current).all())
        found = []
        for row in rows:
            like = starts.get(row.period)
            if like is not None and like.start == row.start:
                budget = Budget(row.scope, row.subject, like.period, like.start, like.end)
                found.append((budget, row.spent + self._unwritten.get(budget, 0)))
        return found

    def start(self) -> None:
        """Begins to write."""
        self._tasks.start("write", self._run())

    def add(self, budget: Budget, amount: int) -> None:
        """So much more is spent. Never blocks."""
        unwritten = self._unwritten
        known = unwritten.get(budget)
        if known is not None:
            # So it is wanted already.
            unwritten[budget] = known + amount
        elif amount and len(unwritten) < _MOST:
            unwritten[budget] = amount
            self._wanted.set()

    async def stop(self) -> None:
        """Writes what is left and ends."""
        await self._tasks.stop()
        if self._unwritten:
            await self._write()

    async def _run(self) -> None:
        await self._prune()
        while True:
            await self._wanted.wait()
            await self._clock.sleep(_EVERY if await self._write() else _AGAIN)

    async def _write(self) -> bool:
        taken, self._unwritten = self._unwritten, {}
        self._wanted.clear()
        at = int(self._clock.now().timestamp() * 1000)
        try:
            await asyncio.shield(self._database.write(lambda connection: _add(connection, taken, at)))
        except CorralError as error:
            for budget, amount in taken.items():
                self._unwritten[budget] = self._unwritten.get(budget, 0) + amount
            self._wanted.set()
            if not self._failing:
                _log.warning("budgets_not_written", reason=error.message)
            self._failing = True
            return False
        self._failing = False
        return True

    async def _prune(self) -> None:
        oldest = int(self._clock.now().timestamp() * 1000) - _KEPT_DAYS * 86_400_000
        try:
            await self._database.write(
                lambda connection: connection.execute(delete(table).where(table.c.start < oldest)) and None
            )
        except CorralError as error:
            _log.warning("budgets_not_pruned", reason=error.message)


def _add(connection: Connection, amounts: Mapping[Budget, int], at: int) -> None:
    for budget, amount in amounts.items():
        place = and_(
            table.c.scope == budget.scope, table.c.subject == budget.subject,
            table.c.period == budget.period, table.c.start == budget.start,
        )  # fmt: skip
        changed = connection.execute(update(table).where(place).values(spent=table.c.spent + amount, updated_at=at))
        if not changed.rowcount:
            values = {"scope": budget.scope, "subject": budget.subject, "period": budget.period, "start": budget.start}
            connection.execute(insert(table).values(**values, spent=amount, updated_at=at))
