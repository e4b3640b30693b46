"""Runs one turn: the agent's single writer while it lasts.

Tokens go from the model into a small buffer; the committer writes what is there, then shows it. While one commit is on
its way the next batch gathers, so the log keeps up with any model and nothing is shown before it is on disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from sqlalchemy import Connection

from corral.agents import repository
from corral.agents.commits import Commits
from corral.agents.fitting import shortened
from corral.agents.live import LiveLog
from corral.agents.log_writer import LogWriter
from corral.agents.ports import ModelSource
from corral.agents.sampling import sampled
from corral.agents.types import Event, Turn, TurnState
from corral.dialects.form import ChatEvent, ChatRequest, Finished, ReasoningDelta, Role, TextDelta, Usage, text_message
from corral.kit.clock import Clock
from corral.kit.context import request_id
from corral.kit.errors import (
    ContextExceeded,
    CorralError,
    Interrupted,
    StorageFull,
    StorageUnavailable,
    TooManyRequests,
)
from corral.kit.faultpoints import reach
from corral.store import Database
from corral.telemetry import get_logger
from corral.telemetry.failures import Failure
from corral.telemetry.tracing import Tracing

MAX_ATTEMPTS = 4
BUFFER_EVENTS = 512
STORAGE_PAUSE = 1.0
BUSY_PAUSE, BUSY_LIMIT = 1.0, 600.0
"""Seconds between two tries while the model's queue is full, and in all."""
MAX_CUTS = 4
"""How often the history is cut within one answer."""
MOST_TOKENS = 1 << 20
_ROLES: Mapping[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}
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
    tracing: Tracing


class TurnRun:
    """One turn being worked on by this server."""

    def __init__(self, turn: Turn, user_id: str, bench: Bench, live: LiveLog) -> None:
        self.turn = turn
        self._stopped = False
        self._pumping: asyncio.Task[None] | None = None
        self._user_id = user_id
        self._bench = bench
        self._live = live
        self._offset = turn.next_offset
        self._text: list[str] = []
        self._buffer: list[ChatEvent] = []
        self._usage: Usage | None = None
        self._finished: Finished | None = None
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._commits = Commits(bench.tracing)
        self.state = ""
        """The final state, once there is one."""
        self.failure = ""
        """Why it failed, when it did."""

    def stop(self) -> None:
        """Ends the answer where it is; what was committed stays."""
        self._stopped = True
        if self._pumping is not None:
            self._pumping.cancel()
        self._arrived.set()

    async def run(self) -> None:
        """Works until the turn has ended. Raises Fenced when another owner has it, CancelledError when told to leave."""
        bench, turn, tracing = self._bench, self.turn, self._bench.tracing
        with tracing.measured("claim the turn", room="storage"):
            claimed, deleted = await self._write(
                lambda connection: repository.claim_turn(connection, turn, bench.fence)
            )
        self._shown([claimed])
        _log.info("turn_begins", turn=turn.id, agent=turn.agent_id, model=turn.model)
        with tracing.measured("read the history", room="storage"):
            request, said, answered = await bench.database.read(self._request)
        self._text = [said]
        if self._stopped or deleted:
            await self._end(TurnState.CANCELLED)
        elif answered:
            # All of the answer was on disk before the server ended.
            await self._end(TurnState.COMPLETED)
        elif turn.attempts >= MAX_ATTEMPTS:
            text = f"The answer was interrupted {turn.attempts} times and is given up."
            await self._end(TurnState.FAILED, Interrupted(text))
        else:
            reach("agents.run.before_connect")
            await self._answer(request)

    def _request(self, connection: Connection) -> tuple[ChatRequest, str, bool]:
        """The request, what of its answer is there already, and whether that is all."""
        turn = self.turn
        prefix = repository.text_so_far(connection, turn.id)
        past = repository.history(connection, turn.agent_id, turn.user_seq)
        chat = tuple(text_message(_ROLES.get(role, "user"), content) for role, content in past)
        if prefix:
            # What exists of the answer is gone on with.
            chat = (*chat, text_message("assistant", prefix))
        request = ChatRequest(
            turn.model or "",
            chat,
            continues=bool(prefix),
            stream=True,
            include_usage=True,
            max_tokens=min(self._bench.max_tokens, self._bench.source.longest_answer(turn.model or "") or MOST_TOKENS),
        )
        return sampled(request, turn.sampling), prefix, repository.is_answered(connection, turn.id)

    async def _answer(self, request: ChatRequest) -> None:
        clock, whole, cuts = self._bench.clock, len(request.messages), 0
        give_up, first = clock.monotonic() + BUSY_LIMIT, self._offset
        while True:
            try:
                await self._stream(request)
                facts = None if self._stopped or cuts >= MAX_CUTS else self._full(request)
                if facts is None:
                    await self._end(TurnState.CANCELLED if self._stopped else TurnState.COMPLETED)
                    return
                request, left_out = shortened(self._so_far(request), facts)
                if not left_out:
                    await self._end(TurnState.COMPLETED)
                    return
            except TooManyRequests as error:
                # The message was accepted: it waits for its model as it waited for its turn.
                if not self._stopped and self._offset == first and clock.monotonic() < give_up:
                    await self._pause(error.retry_after or BUSY_PAUSE)
                    continue
                await self._end(TurnState.FAILED, error)
                return
            except ContextExceeded as error:
                request, left_out = shortened(request, error.details)
                if not left_out or cuts >= MAX_CUTS:
                    await self._end(TurnState.FAILED, error)
                    return
            except CorralError as error:
                await self._end(TurnState.FAILED, error)
                return
            cuts += 1
            first = await self._tell_left_out(whole + request.continues - len(request.messages))

    def _full(self, request: ChatRequest) -> dict[str, int] | None:
        """The tokens of prompt and answer, when the answer ended because the context was full."""
        usage, finished = self._usage, self._finished
        if usage is None or finished is None or finished.reason != "length":
            return None
        if request.max_tokens is not None and usage.completion_tokens >= request.max_tokens:
            return None
        tokens = usage.prompt_tokens + usage.completion_tokens
        return {"n_prompt_tokens": tokens, "n_ctx": tokens}

    def _so_far(self, request: ChatRequest) -> ChatRequest:
        """The request, going on from what is said."""
        messages = request.messages[:-1] if request.continues else request.messages
        said = text_message("assistant", "".join(self._text))
        return msgspec.structs.replace(request, messages=(*messages, said), continues=True)

    async def _tell_left_out(self, count: int) -> int:
        """Logs that the model is not shown the first `count` messages any more; the next offset."""
        events = number([Event(0, "status", {"state": TurnState.RUNNING.value, "leftOut": count})], self._offset)
        await self._saved(lambda: self._bench.log.append(self.turn.id, events))
        self._shown(events)
        _log.info("history_cut", turn=self.turn.id, agent=self.turn.agent_id, left_out=count)
        return self._offset

    async def _stream(self, request: ChatRequest) -> None:
        """Commits and shows what the model says, until it has finished or is stopped. Raises the model's CorralError."""
        if self._stopped:
            return
        pump = self._pumping = asyncio.create_task(self._pump(request), name=f"model of {self.turn.id}")
        pump.add_done_callback(lambda _: self._arrived.set())
        try:
            while not self._stopped and (self._buffer or not pump.done()):
                await self._arrived.wait()
                self._arrived.clear()
                if self._buffer and not self._stopped:
                    await self._commit_batch()
        finally:
            pump.cancel()
            await asyncio.wait({pump})
            error = None if pump.cancelled() else pump.exception()
        if error is not None and not self._stopped:
            # All text that came before the error is on disk by now.
            raise error

    async def _pause(self, seconds: float) -> None:
        """Waits, but not longer than until the turn is stopped."""
        self._arrived.clear()
        if self._stopped:
            return
        pause = asyncio.ensure_future(self._bench.clock.sleep(seconds))
        pause.add_done_callback(lambda _: self._arrived.set())
        await self._arrived.wait()
        self._arrived.clear()
        pause.cancel()

    async def _pump(self, request: ChatRequest) -> None:
        first = True
        async with aclosing(self._bench.source.stream(self._user_id, request)) as events:
            async for event in events:
                if first and isinstance(event, TextDelta):
                    first = False
                    reach("agents.run.first_token")
                if isinstance(event, Usage):
                    self._usage = event
                elif isinstance(event, Finished):
                    self._finished = event
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
        with self._commits.one(events):
            await self._saved(lambda: self._bench.log.append(self.turn.id, events))
        reach("agents.run.committed_not_sent")
        self._shown(events)

    async def _end(self, state: TurnState, error: CorralError | None = None) -> None:
        reach("agents.run.last_token_without_terminal")
        events = []
        if error is not None:
            told = {"code": error.code, "message": error.message, "recoverable": error.retryable}
            events.append(Event(0, "error", told))
        events.append(Event(0, "end", {"state": state.value, "messageCount": self.turn.user_seq + 1}))
        events = number(events, self._offset)
        turn_id, fence, content = self.turn.id, self._bench.fence, "".join(self._text)
        now = int(self._bench.clock.now().timestamp() * 1000)
        reason = (error.code, error.message) if error is not None else None

        def work(connection: Connection) -> None:
            repository.append_many(connection, fence, [(turn_id, events)])
            repository.end_turn(connection, turn_id, state, content, now, reason)
            repository.update_agent(connection, self.turn.agent_id, {"updated_at": now})

        self._commits.put()
        with self._bench.tracing.measured("commit the end", room="storage"):
            await self._write(work)
        self.state = state.value
        if error is not None:
            self._failed(error)
        reach("agents.run.terminal_not_sent")
        self._shown(events)

    def _failed(self, error: CorralError) -> None:
        self.failure = error.code
        failures, turn = self._bench.tracing.failures, self.turn
        if failures is not None:
            about = {"turn": turn.id, "agent": turn.agent_id, "model": turn.model or ""}
            at = self._bench.clock.now().timestamp()
            failures.add(Failure(error.code, error.message, "turn", request_id.get(), at, about))

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await self._saved(lambda: self._bench.database.write(work))

    async def _saved(self, save: Callable[[], Awaitable[T]]) -> T:
        """Does `save`, waiting while the storage is full, busy or away: the turn then goes on where it was."""
        while True:
            try:
                return await save()
            except (StorageFull, StorageUnavailable, TooManyRequests) as error:
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
    return merged


def number(events: list[Event], first: int) -> list[Event]:
    """The events with contiguous offsets from `first`."""
    return [Event(first + index, event.type, event.data) for index, event in enumerate(events)]
