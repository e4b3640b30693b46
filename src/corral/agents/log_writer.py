"""Appends to the logs of all live turns together: one statement for the offsets, one for the events, one flush.

A turn appends at most one batch at a time. What arrives within `GATHER` of the first shares its commit, and while a
commit is on its way the next one gathers, so the cost of a flush is shared by all who stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from corral.agents import repository
from corral.agents.repository import Fenced
from corral.agents.types import Event
from corral.kit.faultpoints import reach
from corral.store import Database

GATHER = 0.003
"""Seconds that the first batch waits for others; with the flush it stays far below the 20 ms of the output gate."""


@dataclass(frozen=True, slots=True)
class _Batch:
    turn_id: str
    events: Sequence[Event]
    done: asyncio.Future[None]


class LogWriter:
    """Owned by the agents, which run its `work` as a task. `fence` is this server's."""

    def __init__(self, database: Database, fence: int) -> None:
        self._database = database
        self._fence = fence
        self._waiting: list[_Batch] = []
        self._arrived = asyncio.Event()

    async def append(self, turn_id: str, events: Sequence[Event]) -> None:
        """Adds events with contiguous offsets to a turn's log; returns after the flush.

        Raises Fenced when the turn is not ours any more, and what `Database.write` raises.
        """
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(_Batch(turn_id, events, done))
        self._arrived.set()
        await done

    async def work(self) -> None:
        """Commits until it is cancelled; those who wait then are told by cancellation."""
        try:
            while True:
                await self._arrived.wait()
                await asyncio.sleep(GATHER)
                group, self._waiting = self._waiting, []
                self._arrived.clear()
                await self._commit(group)
        finally:
            for batch in self._waiting:
                batch.done.cancel()

    async def _commit(self, group: list[_Batch]) -> None:
        if await self._written(group, last=len(group) == 1):
            return
        # Somebody among them has lost the turn: each in a write of its own shows who.
        await asyncio.gather(*(self._written([batch], last=True) for batch in group))

    async def _written(self, group: list[_Batch], *, last: bool) -> bool:
        """Commits `group` as one write and tells those who wait; False when it is worth trying them one by one."""
        write = asyncio.ensure_future(
            self._database.write(lambda connection: self._append(connection, group), urgent=True)
        )
        try:
            await asyncio.wait({write})
        finally:
            if not write.done():
                write.cancel()
                for batch in group:
                    batch.done.cancel()
        error = write.exception()
        if isinstance(error, Fenced) and not last:
            return False
        for batch in group:
            if batch.done.done():
                continue
            if error is None:
                batch.done.set_result(None)
            else:
                # It is raised again where the turn waits.
                batch.done.set_exception(error)
        return True

    def _append(self, connection: Connection, group: list[_Batch]) -> None:
        repository.append_many(connection, self._fence, [(batch.turn_id, batch.events) for batch in group])
        reach("agents.run.in_transaction")
