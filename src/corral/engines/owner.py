"""The one task that owns the state of an engine.

Everything that happens to an engine is a message in its mailbox: a wish from outside, or news of a task that the owner
started. News carries the thing it is about, so what comes too late is known and dropped. Only the owner changes the
state, so there is nothing to lock. docs/rooms/engines.md draws the states.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

from corral.engines.failures import Failures
from corral.engines.lease import Lease
from corral.engines.lines import EngineLog
from corral.engines.listening import Listener
from corral.engines.messages import (
    WISHES,
    Brought,
    Change,
    Leave,
    Lost,
    Message,
    News,
    Nudge,
    Opened,
    Rested,
    Start,
    Stop,
    Wish,
    Withdraw,
)
from corral.engines.napping import Nap
from corral.engines.pending import PendingChange
from corral.engines.showing import Showing
from corral.engines.starting import Host, Starting, Up, outcome
from corral.engines.types import EngineProblem, EngineSpec, EngineState, EngineStatus
from corral.engines.upkeep import Upkeep
from corral.engines.waiters import Waiters
from corral.kit.errors import EngineFailed, ShuttingDown
from corral.kit.tasks import Tasks
from corral.telemetry import get_logger

_log = get_logger("corral.engines")
_DOWN: dict[str, Any] = {"progress": None, "pid": None, "started_at": None, "sleeping": False}
"""What the status of an engine without a process says."""
_RESTING = (EngineState.STOPPED, EngineState.FAILED)


class Owner:
    """The state of one engine and the task that changes it; `Engine` is how others see it.

    `replica` is its number among the engines of its model. A gentle one makes nobody leave for it.
    """

    def __init__(
        self, spec: EngineSpec, host: Host, listener: Listener, replica: int = 0, *, gentle: bool = False
    ) -> None:
        self._listener = listener
        self.name = f"{spec.model}#{replica + 1}" if replica else spec.model
        self.replica = replica
        self.gentle = gentle
        self.log = EngineLog(spec.model, host.options.log_lines)
        self.requests = 0
        self._nap = Nap(host, replica)
        self._made, self._made_at = self._nap.last_used, host.clock.now()
        self._spec = spec
        self._host = host
        down = EngineStatus(
            spec.model, EngineState.STOPPED, slots=spec.slots, context_length=spec.context_length, replica=replica
        )
        self._showing = Showing(self, listener, down)
        self._mailbox: asyncio.Queue[Message] = asyncio.Queue()
        self._upkeep = Upkeep(host, self._nap, self.log, self._mailbox.put_nowait, self._slept)
        self._waiters = Waiters()
        self._closed, self._held = False, False
        self._tasks = Tasks(f"engine {self.name}")
        self._bringing: asyncio.Task[Up | EngineProblem] | None = None
        self._again = False
        self._change = PendingChange()
        self._restart: asyncio.Task[None] | None = None
        self._up: Up | None = None
        self._failures = Failures(host.options, host.clock)
        self._closing = False
        self._owner = self._tasks.start("owner", self._own())

    @property
    def spec(self) -> EngineSpec:
        """How it runs, or will."""
        return self._spec

    @property
    def waiting(self) -> int:
        """How many wait for it to be ready; whoever changed its settings is one of them."""
        return len(self._waiters) + bool(self._change)

    @property
    def last_used(self) -> float:
        """When its last answer ended."""
        return self._nap.last_used

    @property
    def running(self) -> int:
        """Leases out."""
        return self._up.leases if self._up is not None else 0

    def close_door(self) -> None:
        """Requests wait from now on."""
        self._closed = True

    def open_door(self) -> None:
        """Requests are served again."""
        self._closed = False
        self._mailbox.put_nowait(Opened())

    def leave(self) -> None:
        """Closed and empty, it ends; whoever waits for it begins to wait for a place."""
        if self._up is not None:
            self._mailbox.put_nowait(Leave(self._up))

    def delayed(self) -> None:
        """Those who watch see whether it waits for memory."""
        self._showing.tell()

    def withdraw(self) -> None:
        """Its start is given up."""
        if self._bringing is not None:
            self._mailbox.put_nowait(Withdraw(self._bringing))

    @property
    def status(self) -> EngineStatus:
        """The state now; `busy` while a request runs."""
        status, leases, steward = self._showing.status, self.running, self._host.steward
        state = EngineState.BUSY if leases and status.state is EngineState.READY else status.state
        return replace(
            status,
            state=state,
            busy=leases,
            waiting=self.waiting,
            memory=steward.used(self),
            waits_for_memory=steward.waits(self),
            pinned=self._spec.stay.pinned,
            last_used=self._made_at + timedelta(seconds=self.last_used - self._made) if self.requests else None,
        )

    @property
    def resting(self) -> bool:
        """Whether it neither runs nor is about to."""
        return self._showing.state in _RESTING and self._restart is None

    def _post(self, message: Message) -> None:
        if self._owner.done():
            raise ShuttingDown("The server is stopping.")
        self._mailbox.put_nowait(message)

    async def _own(self) -> None:
        try:
            while True:
                message = await self._mailbox.get()
                if isinstance(message, WISHES):
                    await self._heed(message)
                else:
                    await self._learn(message)
        finally:
            # Nobody may wait for an owner that is gone.
            self._waiters.close(self._mailbox, ShuttingDown("The engine was given up."))

    async def _heed(self, wish: Wish) -> None:
        match wish:
            case Start():
                self._start(wish)
                await self._admit()
            case Opened():
                await self._admit()
            case Stop():
                await self._stop()
                if not wish.done.done():
                    wish.done.set_result(None)
            case Nudge():
                if self.resting and self._rest() == 0.0:
                    self._begin(again=False)
            case Change():
                await self._changed(wish)

    async def _learn(self, message: News) -> None:
        match message:
            case Leave() if message.up is self._up:
                await self._take_down(drain=0.0, carry=True)
                self._rest_or_return()
            case Withdraw() if message.task is self._bringing:
                await self._give_up_start()
                self._rest_or_return()
            case Brought() if message.task is self._bringing:
                self._brought(message.task)
                await self._admit()
            case Lost() if message.up is self._up:
                await self._take_down(drain=0.0)
                self._failed(message.problem, again=True)
            case Rested() if message.task is self._restart:
                self._restart = None
                self._begin(again=True)
            case _:
                """News of something that was ended meanwhile."""

    def _start(self, wish: Start) -> None:
        self._waiters.add(wish)
        self._host.steward.poke()
        state = self._showing.state
        if state is EngineState.STOPPED:
            self._begin(again=False)
        elif state is EngineState.FAILED:
            if wish.by_user:
                self._failures.clear()
            resting = self._cancel_restart() if wish.by_user or self._spec.attached else False
            if self._restart is None:
                if self._rest() > 0.0 and not self._spec.attached:
                    self._waiters.refuse(self._failure())
                else:
                    self._begin(again=resting and self._spec.attached)

    async def _stop(self) -> None:
        self._cancel_restart()
        await self._give_up_start()
        if self._up is not None:
            await self._take_down(drain=self._host.options.drain, carry=True)
        self._failures.clear()
        self._showing.show(state=EngineState.STOPPED, error=None, **_DOWN)
        stopped = EngineFailed(f"The engine of {self._spec.model!r} was stopped while it started.", retry_after=1)
        self._answer_change(stopped)
        self._waiters.refuse(stopped)

    async def _give_up_start(self) -> None:
        task, self._bringing = self._bringing, None
        if task is None:
            return
        self._showing.show(state=EngineState.STOPPING)
        task.cancel()
        await asyncio.wait([task])
        # It may have been up already, with the news of it still in the mailbox.
        if isinstance(up := outcome(task, self._spec.model), Up):
            self._up = up
            await self._take_down(drain=0.0)

    def _rest_or_return(self) -> None:
        """What follows when it had to leave: it waits for its next turn if anybody waits for it."""
        self._showing.show(state=EngineState.STOPPED, error=None, **_DOWN)
        if self.waiting:
            self._begin(again=False)

    async def _changed(self, change: Change) -> None:
        """Starts with other settings; see `change`."""
        self._cancel_restart()
        await self._give_up_start()
        if self._up is not None:
            await self._take_down(drain=0.0, carry=True)
        if self._change:
            self._held = False
        self._change.begin(self._spec, change.done)
        self._spec = change.spec
        self._failures.clear()
        self._begin(again=False)

    def _answer_change(self, error: EngineFailed | None) -> bool:
        """Tells whoever changed its settings how that went; whether there was anybody. An error brings the old ones back."""
        proven = self._change.answer(error)
        if proven is None:
            return False
        self._held = False
        if error is not None:
            self._spec = proven
        return True

    def _begin(self, *, again: bool) -> None:
        self._showing.show(state=EngineState.STARTING, error=None, **_DOWN)
        starting = Starting(self, self._host, self.log, self._showing.show)
        self._again = again
        self._bringing = self._tasks.start("bring up", starting.run())
        self._bringing.add_done_callback(lambda task: self._mailbox.put_nowait(Brought(task)))

    def _brought(self, task: asyncio.Task[Up | EngineProblem]) -> None:
        self._bringing = None
        result = outcome(task, self._spec.model)
        if isinstance(result, EngineProblem):
            self._failed(result, again=self._again)
            return
        self._up = up = result
        self._closed = False
        self._nap.used()
        self._answer_change(None)
        if up.claim is not None:
            up.claim.taken(up.process.pid if up.process else None)
        self._upkeep.watch(up, self._spec, self._tasks)
        self._showing.show(
            state=EngineState.READY,
            progress=None,
            pid=up.process.pid if up.process else None,
            started_at=self._host.clock.now(),
            slots=up.loaded.slots,
            context_length=up.loaded.context_length,
        )
        _log.info("engine_ready", model=self._spec.model, pid=self._showing.status.pid)

    def _failed(self, problem: EngineProblem, *, again: bool) -> None:
        """Shows the failure, and starts again after a pause when that may help."""
        if self._answer_change(problem.error()):
            self._begin(again=True)
            return
        if problem.code != "no_room":
            # Without room it never ran; the next request may find some.
            self._failures.add()
        rest = self._rest()
        if math.isinf(rest):
            problem = replace(problem, hint=f"It failed too often and stays down until it is started. {problem.hint}")
        elif again:
            self._restart = self._tasks.start("restart", self._host.clock.sleep(rest))
            self._restart.add_done_callback(lambda task: self._mailbox.put_nowait(Rested(task)))
        restarts = self._showing.status.restarts + (self._restart is not None)
        self._showing.show(state=EngineState.FAILED, error=problem, restarts=restarts, **_DOWN)
        _log.warning("engine_failed", model=self._spec.model, code=problem.code, again=self._restart is not None)
        # For a restart of ours it is worth waiting; nobody knows when a server of somebody else comes back.
        if self._restart is None or self._spec.attached:
            self._waiters.refuse(self._failure())

    def _rest(self) -> float:
        """Seconds until it may be tried again after its failures; infinite when it failed too often."""
        return self._failures.rest(endless=self._spec.attached)

    def _failure(self) -> EngineFailed:
        problem, rest = self._showing.status.error, self._rest()
        retry = 60 if math.isinf(rest) else max(1, math.ceil(rest))
        return problem.error(retry) if problem else EngineFailed("The engine failed.", retry_after=retry)

    @property
    def _admitting(self) -> bool:
        return not self._closed and not self._held and self._showing.state is EngineState.READY

    async def _admit(self) -> None:
        """Serves those who wait when it is ready. One that sleeps gets back what it knew first, which wakes it."""
        if not self._admitting or not self.waiting:
            return
        up = self._up
        if up is not None and self._nap.due(self._spec, up):
            await self._nap.wake(self._spec, up)
            self._showing.show(sleeping=False)
        self._nap.used()
        if self._admitting:
            self._serve()

    def try_lease(self, request: str | None = None) -> Lease | None:
        """A lease when the engine is ready, at once; for `request`, None for the one being served."""
        up = self._up
        if up is None or not self.open:
            return None
        self._showing.awake()
        self.requests += 1
        return Lease(up, self._spec, self._turned, self.log, request)

    @property
    def open(self) -> bool:
        """Whether it takes a request now."""
        return self._admitting and not self._nap.due(self._spec, self._up)

    def _serve(self) -> None:
        """Answers those who wait. As many as it has slots get their leases with it: between being told and coming back
        it would seem that nobody wants it."""
        self._waiters.serve(
            lambda wish: (
                self.try_lease(wish.request) if wish.wants and self.running < self._showing.status.slots else None
            )
        )

    def _cancel_restart(self) -> bool:
        """Gives up the restart that was to come; whether there was one."""
        restart, self._restart = self._restart, None
        return restart is not None and restart.cancel()

    async def _take_down(self, drain: float, *, carry: bool = False) -> None:
        self._showing.show(state=EngineState.STOPPING)
        up = self._up
        assert up is not None
        await self._upkeep.take_down(up, self._spec, drain=drain, carry=carry)
        self._up, self._closed = None, False

    def _slept(self, up: Up, sleeping: bool) -> None:
        if up is self._up and self._showing.state is EngineState.READY:
            self._showing.show(sleeping=sleeping)

    def _turned(self, leases: int) -> None:
        if leases == 0:
            self._nap.used()
        self._listener.turned(self)
        if leases > 1:
            return
        self._host.steward.turned()
        self._showing.tell_soon()
