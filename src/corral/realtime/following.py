"""Sends the events of turns to the sockets that follow them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from corral.accounts.types import Permission
from corral.kit.clock import Clock
from corral.kit.errors import CorralError, TooManyRequests
from corral.kit.tasks import Tasks
from corral.realtime import envelope
from corral.realtime.connection import Connection, Following
from corral.realtime.ports import AgentsPort
from corral.telemetry.spans import Kind, Span, Value
from corral.telemetry.tracing import Tracing

POLL = 0.05


class _Sent:
    """What was sent to one socket, and when."""

    __slots__ = ("began", "count", "ended", "marks")

    def __init__(self) -> None:
        self.began = self.ended = self.count = 0
        self.marks: list[tuple[int, str]] = []

    def note(self, kind: str) -> None:
        """An event was handed to the socket."""
        self.ended = time.time_ns()
        self.began = self.began or self.ended
        self.count += 1
        if kind == "token" and not self.marks:
            self.marks.append((self.ended, "first token sent"))


class Followers:
    """The pumps of all sockets; each reads the durable log, so a slow one holds up nobody and loses nothing."""

    def __init__(
        self, agents: AgentsPort, clock: Clock, tasks: Tasks, *, limits: tuple[int, int, float], tracing: Tracing
    ) -> None:
        """`limits`: turns a socket may follow, messages that may wait for it, seconds it may stay full."""
        self._tracing = tracing
        self._agents = agents
        self._clock = clock
        self._tasks = tasks
        self._max_turns, self._max_waiting, self._patience = limits

    async def follow(self, connection: Connection, wanted: Following) -> dict[str, Any]:
        """Begins to send a turn's events. Raises NotFound, RangeNotSatisfiable, TooManyRequests."""
        user = connection.principal().user_id
        turn = await self._agents.turn(user, wanted.agent_id, wanted.turn_id)
        self._agents.check_offset(turn, wanted.start)
        if wanted.turn_id not in connection.following and len(connection.following) >= self._max_turns:
            raise TooManyRequests(f"A socket follows at most {self._max_turns} turns; unsubscribe from some.")
        self.leave(connection, wanted.turn_id)
        connection.following[wanted.turn_id] = wanted
        name = f"turn {wanted.turn_id} to {connection.sid}"
        connection.pumps[wanted.turn_id] = self._tasks.start(name, self._pump(connection, wanted, user))
        return {**turn.as_dict(), "from": wanted.start}

    def leave(self, connection: Connection, turn_id: str) -> bool:
        """Ends the sending of a turn; whether there was one."""
        connection.following.pop(turn_id, None)
        pump = connection.pumps.pop(turn_id, None)
        if pump is not None:
            pump.cancel()
        return pump is not None

    def leave_all(self, connection: Connection) -> None:
        """Ends all pumps of a socket."""
        for turn_id in list(connection.pumps):
            self.leave(connection, turn_id)

    async def _pump(self, connection: Connection, wanted: Following, user: str) -> None:
        events = self._agents.events(user, wanted.agent_id, wanted.turn_id, wanted.start)
        sent = _Sent()
        try:
            async with contextlib.aclosing(events):
                async for event in events:
                    if not await self._room(connection):
                        connection.abort()
                        return
                    connection.principal().require(Permission.AGENTS_READ)
                    body = {**event.as_dict(wanted.turn_id), "agentId": wanted.agent_id}
                    await connection.send("turn:event", envelope.push("turn:event", body, self._clock.now()))
                    sent.note(event.type)
        except CorralError as error:
            body = {"agentId": wanted.agent_id, "turnId": wanted.turn_id, "code": error.code, "message": error.message}
            await connection.send("turn:closed", envelope.push("turn:closed", body, self._clock.now()))
        self._told(wanted.turn_id, sent)
        if connection.pumps.get(wanted.turn_id) is asyncio.current_task():
            del connection.pumps[wanted.turn_id]
            connection.following.pop(wanted.turn_id, None)

    def _told(self, turn_id: str, sent: _Sent) -> None:
        """A span of the sending, in the trace of the turn, where that is still known."""
        known = self._tracing.recall(turn_id)
        if known is None or not sent.count:
            return
        facts: dict[str, Value] = {"room": "realtime", "events": sent.count}
        trace, times = known.trace.child(), (sent.began, sent.ended)
        self._tracing.take(Span(trace, "send to the page", Kind.INTERNAL, *times, facts, "", known.request, sent.marks))

    async def _room(self, connection: Connection) -> bool:
        """Waits until the socket can take more; False when it stayed full for too long."""
        deadline = self._clock.monotonic() + self._patience
        while connection.waiting() >= self._max_waiting // 2:
            if self._clock.monotonic() > deadline:
                return False
            await self._clock.sleep(POLL)
        return True
