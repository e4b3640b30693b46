"""The durable agents: what the surfaces call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from corral.agents import repository
from corral.agents.device.service import DeviceTurns
from corral.agents.live import LiveLogs
from corral.agents.log_writer import LogWriter
from corral.agents.ports import ModelSource
from corral.agents.runner import Bench
from corral.agents.runners import Runners
from corral.agents.sampling import Sampling
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
from corral.telemetry.tracing import Tracing

MAX_QUEUED = 32
MAX_MESSAGE = 200_000
MAX_KEY = 200
TITLE_LENGTH = 60
PAGE = 500


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """How new agents begin and how turns are run; `grace` are seconds that turns may finish at a stop."""

    system_prompt: str
    max_answer_tokens: int
    grace: float = 10.0


class Agents:
    """All agents of this server. `start` it before use."""

    def __init__(
        self,
        database: Database,
        source: ModelSource,
        *,
        clock: Clock,
        bus: Bus,
        options: AgentOptions,
        tracing: Tracing | None = None,
    ) -> None:
        self._database = database
        self._source = source
        self._clock = clock
        self._bus = bus
        self._options = options
        self._tracing = tracing or Tracing()
        self._tasks = Tasks("agents")
        self._logs = LiveLogs()
        self._fence = 0
        self._running: Runners | None = None
        self._closing = False
        self._closed = False
        self.device = DeviceTurns(database, clock, self._logs, self._tell, options.system_prompt)

    async def start(self) -> None:
        """Takes the fence and goes on with every turn that has not ended."""
        self._fence = await self._database.write(repository.next_generation, urgent=True)
        log = LogWriter(self._database, self._fence)
        self._tasks.start("log writer", log.work())
        most = self._options.max_answer_tokens
        bench = Bench(self._database, log, self._source, self._clock, self._fence, most, self._tracing)
        self._running = Runners(bench, self._tasks, self._logs, self._tell)
        await self.device.start(self._fence, self._running)
        self._tasks.start("device leases", self.device.work())
        for agent_id in await self._database.read(repository.agents_with_work):
            self._running.wake(agent_id)

    async def stop(self) -> None:
        """Takes no new turns, lets running ones finish for a while; the rest goes on after the next start."""
        self._closing = True
        if self._running is not None:
            await self._running.close(self._options.grace)
        await self._tasks.stop()
        self._closed = True
        self._logs.wake_all()

    # agents

    async def list_agents(self, user_id: str, *, limit: int = 100, before: str | None = None) -> list[Agent]:
        """A user's agents, the latest first; those behind the agent `before` when it is given. Raises NotFound."""
        return await self._database.read(lambda connection: repository.list_agents(connection, user_id, limit, before))

    async def get(self, user_id: str, agent_id: str) -> Agent:
        """One agent. Raises NotFound."""
        return await self._database.read(lambda connection: repository.find_agent(connection, user_id, agent_id))

    async def create(
        self, user_id: str, *, title: str | None = None, model: str | None = None, sampling: Sampling | None = None
    ) -> Agent:
        """A new agent."""
        refuse_nul("title", title)
        refuse_nul("model", model)
        now, system = self._now(), self._options.system_prompt
        column = sampling.column() if sampling is not None else None

        def work(connection: Connection) -> Agent:
            return repository.create_agent(
                connection, user_id, now, title=title, model=model, system=system, sampling=column
            )

        agent = await self._database.write(work, urgent=True)
        self._tell(user_id, agent.id)
        return agent

    async def change(
        self,
        user_id: str,
        agent_id: str,
        *,
        title: str | None = None,
        model: str | None = None,
        sampling: Sampling | None = None,
    ) -> Agent:
        """Renames an agent, gives it another model, or has its next turns sampled otherwise. Raises NotFound."""
        refuse_nul("title", title)
        refuse_nul("model", model)
        values: dict[str, Any] = {}
        if title is not None:
            values |= {"title": title, "titled": True}
        if model is not None:
            values["model"] = model
        if sampling is not None:
            values["sampling"] = sampling.column()

        def work(connection: Connection) -> Agent:
            repository.find_agent(connection, user_id, agent_id)
            if values:
                repository.update_agent(connection, agent_id, values)
            return repository.find_agent(connection, user_id, agent_id)

        agent = await self._database.write(work, urgent=True)
        self._tell(user_id, agent_id)
        return agent

    async def delete(self, user_id: str, agent_id: str) -> None:
        """Hides an agent and ends its turns as cancelled; `restore` brings it back. Raises NotFound."""
        runners, now = self._runners, self._now()

        def work(connection: Connection) -> tuple[str, list[Event]] | None:
            repository.find_agent(connection, user_id, agent_id)
            repository.update_agent(connection, agent_id, {"deleted_at": now})
            ended = self.device.cancel_of(connection, agent_id, now)
            reach("agents.delete")
            return ended

        ended = await self._database.write(work, urgent=True)
        if ended is not None:
            self.device.show(*ended)
            runners.wake(agent_id)
        runners.stop_agent(agent_id)
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
        runners = self._runners
        if self._closing:
            raise ShuttingDown("The server is stopping; send it again in a moment.", retry_after=5)
        reach("agents.accept.parsed")
        now = self._now()
        with self._tracing.measured("commit the message", room="storage") as span:
            accepted, left = await self._database.write(
                lambda connection: self._accept(connection, user_id, message, now), urgent=True
            )
            span.note(turn=accepted.turn.id, agent=accepted.agent.id, repeated=accepted.repeated)
        reach("agents.accept.committed_before_ack")
        if left is not None:
            self.device.show(*left)
        if not accepted.turn.state.final:
            if not accepted.repeated:
                runners.asked(accepted.turn.id)
            runners.wake(accepted.agent.id)
        self._tell(user_id, accepted.agent.id)
        return accepted

    def _accept(
        self, connection: Connection, user_id: str, message: NewMessage, now: int
    ) -> tuple[Accepted, tuple[str, list[Event]] | None]:
        agent = self._agent_for(connection, user_id, message, now)
        digest = hashlib.sha256(json.dumps([message.model, message.text]).encode()).hexdigest()
        if message.key is not None:
            known = repository.turn_by_key(connection, agent.id, message.key)
            if known is not None:
                if known[1] != digest:
                    raise IdempotencyConflict(
                        "This idempotency key was used for another message.", param="idempotencyKey"
                    )
                return Accepted(agent, known[0], repeated=True), None
        waiting = repository.waiting_turns(connection, agent.id)
        if waiting >= MAX_QUEUED:
            raise TooManyRequests(f"{waiting} messages wait in this conversation already.", retry_after=5)
        reach("agents.accept.before_insert")
        left = self.device.close_left(connection, agent, now)
        turn = repository.add_turn(
            connection, agent, message.text, message.key, digest, message.model or agent.model, now
        )
        title = " ".join(message.text.split())[:TITLE_LENGTH] if agent.last_seq == 1 else None
        moved = repository.move_agent(connection, agent, title, now)
        reach("agents.accept.inserted_before_commit")
        return Accepted(moved, turn, repeated=False), left

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
        runners = self._runners
        turn = await self.turn(user_id, agent_id, turn_id)
        reach("agents.cancel")
        if turn.state.final:
            return turn
        if not runners.stop_turn(turn_id):
            await self._cancel_queued(turn)
            runners.wake(agent_id)
        async with aclosing(self.events(user_id, agent_id, turn_id, turn.next_offset)) as events:
            async for _ in events:
                pass
        runners.forget(turn_id)
        return await self.turn(user_id, agent_id, turn_id)

    async def _cancel_queued(self, turn: Turn) -> None:
        """Ends a turn before its time comes, or a device's; one that has begun is left to its runner, which knows by now."""
        live, now = self._logs.of(turn.id), self._now()
        state = TurnState.CANCELLED

        def work(connection: Connection) -> list[Event]:
            current = repository.get_turn(connection, turn.agent_id, turn.id)
            if current.state is not TurnState.QUEUED:
                return self.device.cancel(connection, current, now)
            claimed, _ = repository.claim_turn(connection, current, self._fence)
            end = Event(claimed.offset + 1, "end", {"state": state.value, "messageCount": turn.user_seq + 1})
            repository.append_many(connection, self._fence, [(turn.id, [end])])
            repository.end_turn(connection, turn.id, state, "", now, None)
            return [claimed, end]

        events = await self._database.write(work, urgent=True)
        if events:
            live.extend(events)

    async def events(self, user_id: str, agent_id: str, turn_id: str, start: int = 0) -> AsyncGenerator[Event, None]:
        """The log of a turn from an offset on, as it grows, until its end.

        Ends early when the server stops; go on from the next offset then. Raises NotFound, and RangeNotSatisfiable for
        an offset beyond the end of a finished turn.
        """
        self.check_offset(await self.turn(user_id, agent_id, turn_id), start)
        place, live = start, self._logs.of(turn_id)
        while not self._closed:
            ticket, ended = live.ticket, live.ended
            events = live.after(place)
            if events is None:
                events, ended = await self._from_disk(turn_id, place)
            for event in events:
                yield event
                if event.type == "end":
                    return
                place = event.offset + 1
            if not events:
                if ended:
                    return
                await ticket.wait()

    @staticmethod
    def check_offset(turn: Turn, start: int) -> None:
        """Raises RangeNotSatisfiable for an offset beyond the end of a finished turn."""
        if turn.state.final and start >= turn.next_offset:
            raise RangeNotSatisfiable(f"The turn has ended; its last offset is {turn.next_offset - 1}.", param="from")

    # within

    async def _from_disk(self, turn_id: str, start: int) -> tuple[list[Event], bool]:
        return await self._database.read(lambda connection: repository.read_events(connection, turn_id, start, PAGE))

    @property
    def _runners(self) -> Runners:
        if self._running is None:
            raise ShuttingDown("The server is starting.", retry_after=1)
        return self._running

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
    refuse_nul("message", message.text)
    refuse_nul("model", message.model)
    refuse_nul("idempotencyKey", message.key)
    if message.key is not None and not 1 <= len(message.key) <= MAX_KEY:
        raise InvalidRequest(f"idempotencyKey takes 1 to {MAX_KEY} characters.", param="idempotencyKey")


def refuse_nul(field: str, text: str | None) -> None:
    """Raises InvalidRequest, naming the field, for a character that no database keeps."""
    if text is not None and "\x00" in text:
        raise InvalidRequest(f"{field} holds a NUL character.", param=field)
