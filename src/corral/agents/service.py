"""The durable agents: what the surfaces call."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from corral.agents import repository
from corral.agents.live import LiveLog
from corral.agents.log_writer import LogWriter
from corral.agents.ports import ModelSource
from corral.agents.repository import Fenced
from corral.agents.runner import Bench, TurnRun
from corral.agents.types import Accepted, Agent, Event, Message, NewMessage, Turn, TurnState
from corral.bus import Bus
from corral.kit.clock import Clock
from corral.kit.errors import (
    IdempotencyConflict,
    InvalidRequest,
    RangeNotSatisfiable,
    ShuttingDown,
    TooManyRequests,
)
from corral.kit.faultpoints import reach
from corral.kit.tasks import Tasks
from corral.store import Database
from corral.telemetry import get_logger

MAX_QUEUED = 32
MAX_MESSAGE = 200_000
MAX_KEY = 200
TITLE_LENGTH = 60
PAGE = 500
_log = get_logger("corral.agents")


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """How new agents begin and how turns are run; `grace` are seconds that turns may finish at a stop."""

    system_prompt: str
    max_answer_tokens: int
    grace: float = 10.0


class Agents:
    """All agents of this server. `start` it before use."""

    def __init__(
        self, database: Database, source: ModelSource, *, clock: Clock, bus: Bus, options: AgentOptions
    ) -> None:
        self._database = database
        self._source = source
        self._clock = clock
        self._bus = bus
        self._options = options
        self._tasks = Tasks("agents")
        self._runners: dict[str, asyncio.Task[None]] = {}
        self._wakes: dict[str, asyncio.Event] = {}
        self._runs: dict[str, TurnRun] = {}
        self._live: dict[str, LiveLog] = {}
        self._bench: Bench | None = None
        self._closing = False

    async def start(self) -> None:
        """Takes the fence and goes on with every turn that has not ended."""
        fence = await self._database.write(repository.next_generation, urgent=True)
        options = self._options
        log = LogWriter(self._database, fence)
        self._tasks.start("log writer", log.work())
        self._bench = Bench(self._database, log, self._source, self._clock, fence, options.max_answer_tokens)
        for agent_id in await self._database.read(repository.agents_with_work):
            self._wake(agent_id)

    async def stop(self) -> None:
        """Takes no new turns, lets running ones finish for a while; the rest goes on after the next start."""
        self._closing = True
        tasks = [task for task in self._runners.values() if not task.done()]
        if tasks:
            await asyncio.wait(tasks, timeout=self._options.grace)
        await self._tasks.stop()
        for live in self._live.values():
            live.close()

    # agents

    async def list_agents(self, user_id: str, *, limit: int = 100, before: int | None = None) -> list[Agent]:
        """A user's agents, the latest first."""
        return await self._database.read(lambda connection: repository.list_agents(connection, user_id, limit, before))

    async def get(self, user_id: str, agent_id: str) -> Agent:
        """One agent. Raises NotFound."""
        return await self._database.read(lambda connection: repository.find_agent(connection, user_id, agent_id))

    async def create(self, user_id: str, *, title: str | None = None, model: str | None = None) -> Agent:
        """A new agent."""
        now, system = self._now(), self._options.system_prompt

        def work(connection: Connection) -> Agent:
            return repository.create_agent(connection, user_id, now, title=title, model=model, system=system)

        agent = await self._database.write(work, urgent=True)
        self._tell(user_id, agent.id)
        return agent

    async def change(self, user_id: str, agent_id: str, *, title: str | None = None, model: str | None = None) -> Agent:
        """Renames an agent or gives it another model. Raises NotFound."""
        values: dict[str, Any] = {}
        if title is not None:
            values |= {"title": title, "titled": True}
        if model is not None:
            values["model"] = model

        def work(connection: Connection) -> Agent:
            repository.find_agent(connection, user_id, agent_id)
            if values:
                repository.update_agent(connection, agent_id, values)
            return repository.find_agent(connection, user_id, agent_id)

        agent = await self._database.write(work, urgent=True)
        self._tell(user_id, agent_id)
        return agent

    async def delete(self, user_id: str, agent_id: str) -> None:
        """Hides an agent and stops its turns; `restore` brings it back. Raises NotFound."""
        now = self._now()

        def work(connection: Connection) -> None:
            repository.find_agent(connection, user_id, agent_id)
            repository.update_agent(connection, agent_id, {"deleted_at": now})
            reach("agents.delete")

        await self._database.write(work, urgent=True)
        for run in list(self._runs.values()):
            if run.turn.agent_id == agent_id:
                run.stop()
        self._tell(user_id, agent_id)

    async def restore(self, user_id: str, agent_id: str) -> Agent:
        """Undoes `delete`. Raises NotFound when there is nothing to undo."""

        def work(connection: Connection) -> Agent:
            repository.find_agent(connection, user_id, agent_id, deleted=True)
            repository.update_agent(connection, agent_id, {"deleted_at": None})
            return repository.find_agent(connection, user_id, agent_id)

        agent = await self._database.write(work, urgent=True)
        self._tell(user_id, agent_id)
        return agent

    async def messages(self, user_id: str, agent_id: str, *, after: int = 0, limit: int = 100) -> list[Message]:
        """Messages with a seq beyond `after`. Raises NotFound."""

        def work(connection: Connection) -> list[Message]:
            repository.find_agent(connection, user_id, agent_id)
            return repository.read_messages(connection, agent_id, after, limit)

        return await self._database.read(work)

    # turns

    async def accept(self, user_id: str, message: NewMessage) -> Accepted:
        """Puts a message on disk and its turn into the agent's queue; returns after the flush.

        Raises InvalidRequest, NotFound, IdempotencyConflict, TooManyRequests, ShuttingDown, StorageFull.
        """
        check(message)
        if self._closing:
            raise ShuttingDown("The server is stopping; send it again in a moment.", retry_after=5)
        reach("agents.accept.parsed")
        now = self._now()
        accepted = await self._database.write(
            lambda connection: self._accept(connection, user_id, message, now), urgent=True
        )
        reach("agents.accept.committed_before_ack")
        if not accepted.turn.state.final:
            self._wake(accepted.agent.id)
        self._tell(user_id, accepted.agent.id)
        return accepted

    def _accept(self, connection: Connection, user_id: str, message: NewMessage, now: int) -> Accepted:
        agent = self._agent_for(connection, user_id, message, now)
        digest = hashlib.sha256(f"{message.model or ''}\n{message.text}".encode()).hexdigest()
        if message.key is not None:
            known = repository.turn_by_key(connection, agent.id, message.key)
            if known is not None:
                if known[1] != digest:
                    raise IdempotencyConflict(
                        "This idempotency key was used for another message.", param="idempotencyKey"
                    )
                return Accepted(agent, known[0], repeated=True)
        waiting = repository.waiting_turns(connection, agent.id)
        if waiting >= MAX_QUEUED:
            raise TooManyRequests(f"{waiting} messages wait in this conversation already.", retry_after=5)
        reach("agents.accept.before_insert")
        turn = repository.add_turn(
            connection, agent, message.text, message.key, digest, message.model or agent.model, now
        )
        if agent.last_seq == 1:
            row_title = " ".join(message.text.split())[:TITLE_LENGTH] or agent.title
            if agent.title == "New chat":
                repository.update_agent(connection, agent.id, {"title": row_title})
        reach("agents.accept.inserted_before_commit")
        return Accepted(repository.find_agent(connection, user_id, agent.id), turn, repeated=False)

    def _agent_for(self, connection: Connection, user_id: str, message: NewMessage, now: int) -> Agent:
        if message.agent_id is not None:
            return repository.find_agent(connection, user_id, message.agent_id)
        agent_id = repository.default_agent(connection, user_id)
        if agent_id is not None:
            return repository.find_agent(connection, user_id, agent_id)
        agent = repository.create_agent(
            connection, user_id, now, title=None, model=None, system=self._options.system_prompt
        )
        repository.set_default_agent(connection, user_id, agent.id)
        return agent

    async def turn(self, user_id: str, agent_id: str, turn_id: str) -> Turn:
        """One turn. Raises NotFound."""

        def work(connection: Connection) -> Turn:
            repository.find_agent(connection, user_id, agent_id)
            return repository.get_turn(connection, agent_id, turn_id)

        return await self._database.read(work)

    async def cancel(self, user_id: str, agent_id: str, turn_id: str) -> Turn:
        """Stops a turn; returns after its end is on disk. One that has ended stays as it is. Raises NotFound."""
        turn = await self.turn(user_id, agent_id, turn_id)
        reach("agents.cancel")
        if turn.state is TurnState.QUEUED:
            self._wake(agent_id)
        run = self._runs.get(turn_id)
        if run is not None:
            run.stop()
        elif not turn.state.final:
            await self._cancel_queued(turn)
        if not turn.state.final:
            async for event in self.events(user_id, agent_id, turn_id, turn.next_offset):
                if event.type == "end":
                    break
        return await self.turn(user_id, agent_id, turn_id)

    async def _cancel_queued(self, turn: Turn) -> None:
        bench = self._ready()
        live = self._live_log(turn.id)
        now = self._now()

        def work(connection: Connection) -> list[Event]:
            current = repository.get_turn(connection, turn.agent_id, turn.id)
            if current.state is not TurnState.QUEUED:
                return []
            claimed = repository.claim_turn(connection, current, bench.fence)
            end = Event(
                claimed.offset + 1, "end", {"state": TurnState.CANCELLED.value, "messageCount": turn.user_seq + 1}
            )
            repository.append_many(connection, bench.fence, [(turn.id, [end])])
            repository.end_turn(connection, turn.id, TurnState.CANCELLED, "", now, None)
            return [claimed, end]

        events = await self._database.write(work, urgent=True)
        if events:
            live.extend(events)
        elif turn.id in self._runs:
            self._runs[turn.id].stop()

    async def events(self, user_id: str, agent_id: str, turn_id: str, start: int = 0) -> AsyncGenerator[Event, None]:
        """The log of a turn from an offset on, as it grows, until its end.

        Ends early when the server stops; go on from the next offset then. Raises NotFound, and RangeNotSatisfiable for
        an offset beyond the end of a finished turn.
        """
        turn = await self.turn(user_id, agent_id, turn_id)
        self.check_offset(turn, start)
        place = start
        while True:
            live = self._live_log(turn_id)
            ticket = live.ticket
            events = live.after(place)
            if events is None:
                first = live.first
                events = await self._from_disk(turn_id, place)
                if first is not None:
                    events = [event for event in events if event.offset < first] or live.after(max(place, first)) or []
            for event in events:
                place = event.offset + 1
                yield event
                if event.type == "end":
                    return
            if not events:
                if live.closed:
                    return
                await ticket.wait()

    @staticmethod
    def check_offset(turn: Turn, start: int) -> None:
        """Raises RangeNotSatisfiable for an offset beyond the end of a finished turn."""
        if turn.state.final and start >= turn.next_offset:
            raise RangeNotSatisfiable(f"The turn has ended; its last offset is {turn.next_offset - 1}.", param="from")

    # within

    async def _from_disk(self, turn_id: str, start: int) -> list[Event]:
        return await self._database.read(lambda connection: repository.read_events(connection, turn_id, start, PAGE))

    def _live_log(self, turn_id: str) -> LiveLog:
        live = self._live.get(turn_id)
        if live is None:
            live = self._live[turn_id] = LiveLog()
            if len(self._live) > 4 * PAGE:
                self._forget_idle_logs()
        return live

    def _forget_idle_logs(self) -> None:
        for turn_id in [key for key in self._live if key not in self._runs][: 2 * PAGE]:
            self._live.pop(turn_id).close()

    def _wake(self, agent_id: str) -> None:
        task = self._runners.get(agent_id)
        if task is not None and not task.done():
            self._wakes[agent_id].set()
            return
        self._wakes[agent_id] = asyncio.Event()
        self._runners[agent_id] = self._tasks.start(f"runner {agent_id}", self._run_agent(agent_id))

    async def _run_agent(self, agent_id: str) -> None:
        wake = self._wakes[agent_id]
        try:
            while not self._closing:
                wake.clear()
                found = await self._database.read(lambda connection: repository.next_turn(connection, agent_id))
                if found is None:
                    if not wake.is_set():
                        return
                    continue
                await self._run_turn(*found)
        finally:
            if self._wakes.get(agent_id) is wake:
                del self._wakes[agent_id], self._runners[agent_id]

    async def _run_turn(self, turn: Turn, user_id: str) -> None:
        live = self._live_log(turn.id)
        run = self._runs[turn.id] = TurnRun(turn, user_id, self._ready(), live)
        try:
            await run.run()
        except Fenced:
            # Either somebody stopped the turn while it was queued, or another server owns it now.
            _log.info("turn_not_ours", turn=turn.id)
            await self._clock.sleep(0.05)
        finally:
            self._runs.pop(turn.id, None)
            self._tell(user_id, turn.agent_id)
        live.close()
        self._live.pop(turn.id, None)

    def _ready(self) -> Bench:
        if self._bench is None:
            raise ShuttingDown("The server is starting.", retry_after=1)
        return self._bench

    def _tell(self, user_id: str, agent_id: str) -> None:
        self._bus.publish(f"agents:{user_id}", {"event": "agents:changed", "agentId": agent_id})

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


def check(message: NewMessage) -> None:
    """Raises InvalidRequest, naming the field, for a message that cannot be taken."""
    if not message.text.strip():
        raise InvalidRequest("message is empty.", param="message")
    if len(message.text) > MAX_MESSAGE:
        raise InvalidRequest(f"message has {len(message.text)} characters; {MAX_MESSAGE} are allowed.", param="message")
    if "\x00" in message.text:
        raise InvalidRequest("message holds a NUL character.", param="message")
    if message.key is not None and not 1 <= len(message.key) <= MAX_KEY:
        raise InvalidRequest(f"idempotencyKey takes 1 to {MAX_KEY} characters.", param="idempotencyKey")
