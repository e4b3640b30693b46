"""Sends new lines of the log to the sockets that watch it: a few batches a second, each bounded, each filtered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from corral.accounts.types import Permission
from corral.kit.clock import Clock
from corral.kit.errors import CorralError
from corral.kit.tasks import Tasks
from corral.monitoring.logs.search import of_source
from corral.realtime import envelope
from corral.realtime.connection import Connection
from corral.telemetry import LogHub, LogLine, level_number

EVERY = 0.25
"""Seconds between two batches to a socket."""
MAX_LINES = 500
RECENT = 200
MAX_WAITING = 64
"""Messages that may wait for a socket before it gets no lines for a while."""


@dataclass(slots=True, eq=False)
class Watching:
    """What one socket watches, and the number of the next line for it."""

    connection: Connection
    level: str
    sources: tuple[str, ...]
    following: int
    dropped: int = 0

    def wants(self, line: LogLine) -> bool:
        """Whether a line passes its filter."""
        if level_number(line.level) < level_number(self.level):
            return False
        return not self.sources or any(of_source(line.source, source) for source in self.sources)


class LogFollowers:
    """The sockets that watch the log. `start` before the first one, `stop` after the last."""

    def __init__(self, hub: LogHub, clock: Clock) -> None:
        self._hub = hub
        self._clock = clock
        self._tasks = Tasks("log followers")
        self._watching: dict[str, Watching] = {}
        self._wake = asyncio.Event()

    def start(self) -> None:
        """Begins to send."""
        self._tasks.start("batches", self._run())

    async def stop(self) -> None:
        """Sends no more."""
        await self._tasks.stop()

    def watch(self, connection: Connection, level: str, sources: Sequence[str]) -> dict[str, Any]:
        """Sends lines from now on; a second time changes the filter. Gives the last lines that pass it."""
        first = connection.sid not in self._watching
        lines, following, _ = self._hub.since(0)
        watching = Watching(connection, level, tuple(sources), following)
        self._watching[connection.sid] = watching
        if first:
            connection.endings.append(lambda: self._watching.pop(connection.sid, None))
        self._wake.set()
        recent = [line for line in lines if watching.wants(line)][-RECENT:]
        return {"level": level, "sources": list(sources), "recent": [line.as_dict() for line in recent]}

    def leave(self, connection: Connection) -> bool:
        """Sends a socket no more; whether it watched."""
        return self._watching.pop(connection.sid, None) is not None

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            while self._watching:
                await self._batches()
                await self._clock.sleep(EVERY)
            self._wake.clear()

    async def _batches(self) -> None:
        shared: dict[int, tuple[list[LogLine], int, int]] = {}
        told: dict[str, dict[str, Any]] = {}
        for watching in list(self._watching.values()):
            if watching.connection.waiting() > MAX_WAITING:
                # It is behind: what it misses meanwhile is counted when it can take lines again.
                continue
            start = watching.following
            if start not in shared:
                shared[start] = self._hub.since(start)
            lines, watching.following, lost = shared[start]
            wanted = [line for line in lines if watching.wants(line)]
            dropped = lost + max(0, len(wanted) - MAX_LINES)
            if wanted or dropped:
                for line in wanted[-MAX_LINES:]:
                    if line.id not in told:
                        told[line.id] = line.as_dict()
                await self._send(watching, [told[line.id] for line in wanted[-MAX_LINES:]], dropped)

    async def _send(self, watching: Watching, lines: list[dict[str, Any]], dropped: int) -> None:
        connection = watching.connection
        try:
            connection.principal().require(Permission.LOGS_READ)
        except CorralError:
            self._watching.pop(connection.sid, None)
            return
        body = {"lines": lines, "dropped": dropped}
        await connection.send("logs:batch", envelope.push("logs:batch", body, self._clock.now()))
