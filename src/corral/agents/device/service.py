"""Device turns: brought by their devices, left unfinished when a device is not heard of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from corral.agents import repository
from corral.agents.device import repository as rows
from corral.agents.device.bringing import Bringing, Owner, check, close, lapse
from corral.agents.device.types import Brought, Placed
from corral.agents.live import LiveLogs
from corral.agents.runners import Runners
from corral.agents.types import Agent, Event, Turn, TurnState
from corral.kit.clock import Clock
from corral.kit.errors import CorralError, InvalidRequest, ShuttingDown
from corral.kit.faultpoints import reach
from corral.store import Database
from corral.telemetry import get_logger

LEASE = 30.0
"""Seconds after which a device that was not heard of has left its turn unfinished."""
LOOK = 1.0
"""Seconds between two looks for leases that have ended, while there are any."""
_log = get_logger("corral.agents")


@dataclass(frozen=True, slots=True)
class _Lease:
    until: float
    user_id: str
    agent_id: str


class DeviceTurns:
    """The turns that devices answer. `start` it before use; the agents run its `work` as a task."""

    def __init__(
        self, database: Database, clock: Clock, logs: LiveLogs, tell: Callable[[str, str], None], system: str
    ) -> None:
        self._database = database
        self._clock = clock
        self._logs = logs
        self._tell = tell
        self._system = system
        self._fence = 0
        self._runners: Runners | None = None
        self._leases: dict[str, _Lease] = {}
        self._leased = asyncio.Event()

    async def start(self, fence: int, runners: Runners) -> None:
        """Gives every turn that a device was answering a new lease: it may not have reached us while we were away."""
        self._fence, self._runners = fence, runners
        for user_id, agent_id, turn_id in await self._database.read(rows.running):
            self._lease(user_id, agent_id, turn_id)

    async def bring(self, user_id: str, brought: Brought) -> list[Placed]:
        """Puts a device's turns on disk, those that are known by what is new of them; returns after the flush.

        Raises InvalidRequest, NotFound, Conflict, IdempotencyConflict, ShuttingDown, StorageFull, StorageUnavailable.
        """
        check(brought)
        if not brought.turns:
            raise InvalidRequest("There are no turns.", param="turns")
        runners = self._runners
        if runners is None:
            raise ShuttingDown("The server is starting.", retry_after=1)
        reach("agents.device.parsed")
        owner = self._owner(user_id)

        def work(connection: Connection) -> tuple[list[Placed], list[tuple[str, list[Event]]]]:
            bringing = Bringing(connection, owner, brought)
            placed = bringing.apply()
            reach("agents.device.inserted_before_commit")
            return placed, [(turn_id, list(events)) for turn_id, events in bringing.closed]

        placed, closed = await self._database.write(work, urgent=True)
        reach("agents.device.committed_before_ack")
        for turn_id, events in closed:
            self.show(turn_id, events)
        for one in placed:
            self._after(user_id, one, runners)
        for agent_id in {one.agent.id for one in placed}:
            self._tell(user_id, agent_id)
        return placed

    def _after(self, user_id: str, one: Placed, runners: Runners) -> None:
        if one.events:
            self.show(one.turn.id, list(one.events))
        if one.taken:
            # Its own runner finds itself fenced out; this ends the call to the model at once.
            runners.stop_turn(one.turn.id)
            runners.forget(one.turn.id)
        if one.turn.state is TurnState.RUNNING:
            self._lease(user_id, one.agent.id, one.turn.id)
            return
        self._leases.pop(one.turn.id, None)
        runners.wake(one.agent.id)

    async def work(self) -> None:
        """Ends leases until it is cancelled."""
        while True:
            if not self._leases:
                self._leased.clear()
                await self._leased.wait()
            await self._clock.sleep(LOOK)
            now = self._clock.monotonic()
            for turn_id, lease in [it for it in self._leases.items() if it[1].until <= now]:
                try:
                    await self._lapse(turn_id, lease)
                except CorralError as error:
                    _log.warning("device_turn_waits_for_storage", turn=turn_id, reason=error.message)

    async def _lapse(self, turn_id: str, lease: _Lease) -> None:
        owner = self._owner(lease.user_id)

        def work(connection: Connection) -> list[Event]:
            agent, _ = rows.any_agent(connection, lease.user_id, lease.agent_id)
            turn = repository.get_turn(connection, lease.agent_id, turn_id)
            return lapse(connection, agent, turn, owner) if turn.state is TurnState.RUNNING else []

        events = await self._database.write(work, urgent=True)
        if self._leases.get(turn_id) is lease:
            del self._leases[turn_id]
        if events:
            _log.info("device_left_turn", turn=turn_id, agent=lease.agent_id)
            self.show(turn_id, events)
            self._tell(lease.user_id, lease.agent_id)
            if self._runners is not None:
                self._runners.wake(lease.agent_id)

    # within the transactions of the agents

    def close_left(self, connection: Connection, agent: Agent, now: int) -> tuple[str, list[Event]] | None:
        """Ends the agent's last turn when its device has left it: the conversation goes on. Gives what to `show`."""
        left = rows.left_open(connection, agent)
        owner = Owner(agent.user_id, now, self._fence, self._system)
        return (left.id, close(connection, left, owner)) if left is not None else None

    def cancel(self, connection: Connection, turn: Turn, now: int) -> list[Event]:
        """Ends a turn that a device answers as cancelled; nothing when it is none, or has ended."""
        if turn.state not in (TurnState.RUNNING, TurnState.INTERRUPTED) or not rows.held(connection, turn.id):
            return []
        return close(connection, turn, Owner("", now, self._fence, self._system), TurnState.CANCELLED)

    def cancel_of(self, connection: Connection, agent_id: str, now: int) -> tuple[str, list[Event]] | None:
        """Ends what a device answers in an agent as cancelled. Gives what to `show`."""
        turn = rows.open_turn(connection, agent_id)
        return (turn.id, self.cancel(connection, turn, now)) if turn is not None else None

    def show(self, turn_id: str, events: list[Event]) -> None:
        """Shows committed events to those who watch."""
        self._logs.of(turn_id).extend(events)

    # within

    def _lease(self, user_id: str, agent_id: str, turn_id: str) -> None:
        self._leases[turn_id] = _Lease(self._clock.monotonic() + LEASE, user_id, agent_id)
        self._leased.set()

    def _owner(self, user_id: str) -> Owner:
        return Owner(user_id, int(self._clock.now().timestamp() * 1000), self._fence, self._system)
