"""The runners: one task for each agent that has turns to run, and none for the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from corral.agents import repository
from corral.agents.live import LiveLogs
from corral.agents.repository import Fenced
from corral.agents.runner import Bench, TurnRun
from corral.agents.types import Turn
from corral.kit.context import request_id
from corral.kit.tasks import Tasks
from corral.kit.trace import Trace, current_trace
from corral.telemetry import get_logger
from corral.telemetry.spans import Kind

PAUSE = 0.5
"""Seconds before a turn that failed for a reason of ours is tried again."""
_ASKED_KEPT = 10_000
_log = get_logger("corral.agents")


class Asked(NamedTuple):
    """Who asked for a turn: the request's id, its place in a trace, and when, in nanoseconds since 1970."""

    request: str
    trace: Trace | None
    at: int


class Runners:
    """Runs the turns of each agent one after another.

    `changed` is told (user, agent) after a turn has ended. A turn that fails for a reason of ours is tried again; its
    attempts are counted on disk and bounded, so no turn stays "running" for ever.
    """

    def __init__(self, bench: Bench, tasks: Tasks, logs: LiveLogs, changed: Callable[[str, str], None]) -> None:
        self._bench = bench
        self._tasks = tasks
        self._logs = logs
        self._changed = changed
        self._running: dict[str, tuple[asyncio.Task[None], asyncio.Event]] = {}
        self._runs: dict[str, TurnRun] = {}
        self._unwanted: set[str] = set()
        self._asked: dict[str, Asked] = {}
        self._closing = False

    def asked(self, turn_id: str) -> None:
        """Keeps the id of the request that asked for a turn, under which the turn's work is logged, and its place in a trace."""
        if len(self._asked) >= _ASKED_KEPT:
            del self._asked[next(iter(self._asked))]
        self._asked[turn_id] = Asked(request_id.get(), current_trace.get(), time.time_ns())

    def wake(self, agent_id: str) -> None:
        """Says that an agent may have something to run."""
        if self._closing:
            return
        if agent_id in self._running:
            self._running[agent_id][1].set()
            return
        wake = asyncio.Event()
        self._running[agent_id] = (self._tasks.start(f"runner {agent_id}", self._run(agent_id, wake)), wake)

    def stop_turn(self, turn_id: str) -> bool:
        """Ends a turn's answer where it is, now or as soon as it runs; whether it runs now."""
        run = self._runs.get(turn_id)
        if run is None:
            self._unwanted.add(turn_id)
            return False
        run.stop()
        return True

    def forget(self, turn_id: str) -> None:
        """Takes back a `stop_turn` of a turn that has ended."""
        self._unwanted.discard(turn_id)

    def stop_agent(self, agent_id: str) -> None:
        """Ends the answer that an agent gives now."""
        for run in self._runs.values():
            if run.turn.agent_id == agent_id:
                run.stop()

    async def close(self, grace: float) -> None:
        """Begins no more turns and gives those that run `grace` seconds to finish."""
        self._closing = True
        tasks = [task for task, _ in self._running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=grace)

    async def _run(self, agent_id: str, wake: asyncio.Event) -> None:
        try:
            while not self._closing:
                wake.clear()
                [outcome] = await asyncio.gather(self._run_next(agent_id), return_exceptions=True)
                if isinstance(outcome, BaseException):
                    _log.error("turn_broke_off", agent=agent_id, exc_info=outcome)
                    await self._bench.clock.sleep(PAUSE)
                elif not outcome and not wake.is_set():
                    return
        finally:
            del self._running[agent_id]

    async def _run_next(self, agent_id: str) -> bool:
        """Runs the agent's oldest waiting turn; False when there is none."""
        found = await self._bench.database.read(lambda connection: repository.next_turn(connection, agent_id))
        if found is None:
            return False
        await self._run_turn(*found)
        return True

    async def _run_turn(self, turn: Turn, user_id: str) -> None:
        # The runner began with an earlier request. After a restart nobody knows the request any more, but the turn has an id.
        asked, tracing = self._asked.get(turn.id), self._bench.tracing
        request_id.set((asked.request if asked is not None else "") or turn.id)
        current_trace.set(asked.trace if asked is not None else None)
        run = self._runs[turn.id] = TurnRun(turn, user_id, self._bench, self._logs.of(turn.id))
        if turn.id in self._unwanted:
            run.stop()
        try:
            with tracing.measured("turn", room="agents") as span:
                span.note(turn=turn.id, agent=turn.agent_id, model=turn.model or "", attempt=turn.attempts + 1)
                tracing.remember(turn.id, span.trace, request_id.get())
                if asked is not None:
                    waited, above = (asked.at, time.time_ns()), asked.trace or span.trace
                    tracing.put(above.child(), "wait for its turn", Kind.INTERNAL, waited, {"room": "agents"})
                span.note(state=await self._ran(run))
                span.fail(run.failure)
        finally:
            del self._runs[turn.id]
            self._changed(user_id, turn.agent_id)

    async def _ran(self, run: TurnRun) -> str:
        """Runs a turn to its end; its final state, empty when it is not ours."""
        turn_id = run.turn.id
        try:
            await run.run()
            self._unwanted.discard(turn_id)
            self._asked.pop(turn_id, None)
        except Fenced:
            # It was stopped while it waited, or an owner with a higher fence has it.
            _log.info("turn_not_ours", turn=turn_id)
            await self._bench.clock.sleep(PAUSE / 10)
        return run.state
