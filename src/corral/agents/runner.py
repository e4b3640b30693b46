"""Runs the turns of one agent, one after another: the agent's single writer.

Tokens go from the model into a small buffer; the committer writes what is there, then shows it. While one commit is on
its way the next batch gathers, so the log keeps up with any model and nothing is shown before it is on disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from corral.agents import repository
from corral.agents.live import LiveLog
from corral.agents.log_writer import LogWriter
from corral.agents.ports import ModelSource
from corral.agents.repository import Fenced
from corral.agents.types import Event, Turn, TurnState
from corral.kit.clock import Clock
from corral.kit.errors import CorralError, StorageFull, StorageUnavailable
from corral.kit.faultpoints import reach
from corral.providers.types import ChatEvent, ChatMessage, ChatRequest, Finished, ReasoningDelta, TextDelta, Usage
from corral.store import Database
from corral.telemetry import get_logger

MAX_ATTEMPTS = 4
BUFFER_EVENTS = 512
STORAGE_PAUSE = 1.0
_log = get_logger("corral.agents")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bench:
    """What a runner works with."""

    database: Database
    log: LogWriter
    source: ModelSource
    clock: Clock
    fence: int
    max_tokens: int


class TurnRun:
    """One turn being worked on by this server."""

    def __init__(self, turn: Turn, user_id: str, bench: Bench, live: LiveLog) -> None:
        self.turn = turn
        self._stopped = False
        self._user_id = user_id
        self._bench = bench
        self._live = live
        self._offset = turn.next_offset
        self._text: list[str] = []
        self._buffer: list[ChatEvent] = []
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def stop(self) -> None:
        """Ends the answer where it is; what was committed stays."""
        self._stopped = True
        self._arrived.set()

    async def run(self) -> None:
        """Works until the turn has ended. Raises Fenced when another owner has it, CancelledError when told to leave."""
        bench, turn = self._bench, self.turn
        if turn.attempts >= MAX_ATTEMPTS:
            self._text = [await bench.database.read(lambda connection: repository.text_so_far(connection, turn.id))]
            claimed = await self._write(lambda connection: repository.claim_turn(connection, turn, bench.fence))
            self._shown([claimed])
            text = f"The answer was interrupted {turn.attempts} times and is given up."
            await self._end(TurnState.FAILED, ("interrupted", text))
            return
        claimed = await self._write(lambda connection: repository.claim_turn(connection, turn, bench.fence))
        self._shown([claimed])
        request, prefix = await bench.database.read(self._request)
        self._text = [prefix] if prefix else []
        reach("agents.run.before_connect")
        await self._answer(request)

    def _request(self, connection: Connection) -> tuple[ChatRequest, str]:
        prefix = repository.text_so_far(connection, self.turn.id)
        past = repository.history(connection, self.turn.agent_id, self.turn.user_seq)
        chat = tuple(ChatMessage(role, content) for role, content in past)
        return ChatRequest(self.turn.model or "", chat, prefix, self._bench.max_tokens), prefix

    async def _answer(self, request: ChatRequest) -> None:
        pump = asyncio.create_task(self._pump(request), name=f"model of {self.turn.id}")
        pump.add_done_callback(lambda _: self._arrived.set())
        finished = False
        try:
            while not finished:
                await self._arrived.wait()
                self._arrived.clear()
                if self._stopped:
                    break
                if self._buffer:
                    await self._commit_batch()
                if pump.done() and not self._buffer:
                    # An error of the model is raised here; all its text is on disk by now.
                    await pump
                    finished = True
        except CorralError as error:
            if isinstance(error, StorageFull | StorageUnavailable):
                raise
            await self._end(TurnState.FAILED, (error.code, error.message))
            return
        finally:
            pump.cancel()
            await asyncio.wait({pump})
            if not pump.cancelled():
                pump.exception()
        await self._end(TurnState.COMPLETED if finished else TurnState.CANCELLED, None)

    async def _pump(self, request: ChatRequest) -> None:
        first = True
        async with aclosing(self._bench.source.stream(self._user_id, request)) as events:
            async for event in events:
                if first and isinstance(event, TextDelta):
                    first = False
                    reach("agents.run.first_token")
                await self._room.wait()
                self._buffer.append(event)
                if len(self._buffer) >= BUFFER_EVENTS:
                    self._room.clear()
                self._arrived.set()

    async def _commit_batch(self) -> None:
        batch, self._buffer = self._buffer, []
        self._room.set()
        events = number(merge(batch), self._offset)
        if not events:
            return
        await self._saved(lambda: self._bench.log.append(self.turn.id, events))
        reach("agents.run.committed_not_sent")
        self._shown(events)

    async def _end(self, state: TurnState, error: tuple[str, str] | None) -> None:
        reach("agents.run.last_token_without_terminal")
        events = []
        if error is not None:
            events.append(Event(0, "error", {"code": error[0], "message": error[1], "recoverable": True}))
        events.append(Event(0, "end", {"state": state.value, "messageCount": self.turn.user_seq + 1}))
        events = number(events, self._offset)
        turn_id, fence, content = self.turn.id, self._bench.fence, "".join(self._text)
        now = int(self._bench.clock.now().timestamp() * 1000)

        def work(connection: Connection) -> None:
            repository.append_many(connection, fence, [(turn_id, events)])
            repository.end_turn(connection, turn_id, state, content, now, error)
            repository.update_agent(connection, self.turn.agent_id, {"updated_at": now})

        await self._write(work)
        reach("agents.run.terminal_not_sent")
        self._shown(events)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await self._saved(lambda: self._bench.database.write(work))

    async def _saved(self, save: Callable[[], Awaitable[T]]) -> T:
        """Does `save`, waiting while the storage is full or away: the turn then goes on where it was."""
        while True:
            try:
                return await save()
            except (StorageFull, StorageUnavailable) as error:
                _log.warning("turn_waits_for_storage", turn=self.turn.id, reason=error.message)
                await self._bench.clock.sleep(STORAGE_PAUSE)

    def _shown(self, events: list[Event]) -> None:
        for event in events:
            if event.type == "token":
                self._text.append(event.data["text"])
        self._offset = events[-1].offset + 1
        self._live.extend(events)


def merge(batch: list[ChatEvent]) -> list[Event]:
    """Log entries for model events that are committed together; neighbouring text becomes one entry."""
    merged: list[Event] = []
    for event in batch:
        if isinstance(event, TextDelta | ReasoningDelta):
            kind = "token" if isinstance(event, TextDelta) else "reasoning"
            if merged and merged[-1].type == kind:
                merged[-1] = Event(0, kind, {"text": merged[-1].data["text"] + event.text})
            else:
                merged.append(Event(0, kind, {"text": event.text}))
        elif isinstance(event, Usage):
            usage = {"promptTokens": event.prompt_tokens, "completionTokens": event.completion_tokens}
            merged.append(Event(0, "usage", usage))
        else:
            assert isinstance(event, Finished)
    return merged


def number(events: list[Event], first: int) -> list[Event]:
    """The events with contiguous offsets from `first`."""
    return [Event(first + index, event.type, event.data) for index, event in enumerate(events)]


__all__ = ["Bench", "Fenced", "TurnRun", "merge", "number"]
