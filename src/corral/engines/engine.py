"""One engine and the one task that owns its state.

Everything that happens to an engine is a message in its mailbox: a wish from outside, or news of a task that the owner
started. News carries the thing it is about, so what comes too late is known and dropped. Only the owner changes the
state, so there is nothing to lock. docs/rooms/engines.md draws the states.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from corral.engines.health import Answer, probe
from corral.engines.lines import EngineLog
from corral.engines.policy import diagnose, restart_delay
from corral.engines.process import EngineProcess
from corral.engines.starting import Host, Starting, Up, clean_up, unreachable
from corral.engines.types import Door, EngineProblem, EngineSpec, EngineState, EngineStatus
from corral.kit.context import request_id
from corral.kit.errors import EngineFailed, ShuttingDown
from corral.kit.tasks import Tasks
from corral.telemetry import get_logger

_log = get_logger("corral.engines")
_DRAIN_STEP = 0.02
_TELL_AFTER = 0.25
"""Seconds until it is told that an engine became busy or free."""
_REMEMBERED = 50


@dataclass(frozen=True, slots=True, eq=False)
class _Start:
    """Wanted: a ready engine. `by_user` also ends a rest after failures."""

    done: asyncio.Future[None]
    by_user: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Stop:
    done: asyncio.Future[None]


@dataclass(frozen=True, slots=True, eq=False)
class _Brought:
    """A try to start has ended."""

    task: asyncio.Task[Up | EngineProblem]


@dataclass(frozen=True, slots=True, eq=False)
class _Lost:
    """A ready engine is no more."""

    up: Up
    problem: EngineProblem


@dataclass(frozen=True, slots=True, eq=False)
class _Rested:
    """The pause before a restart is over."""

    task: asyncio.Task[None]


_Message = _Start | _Stop | _Brought | _Lost | _Rested


class Lease:
    """The right to one request at a ready engine. Release it when the answer has ended."""

    __slots__ = (
        "_log", "_released", "_request", "_turned", "_up", "context_length", "headers", "model", "native", "pool", "slots",
        "upstream_model",
    )  # fmt: skip

    def __init__(self, up: Up, spec: EngineSpec, turned: Callable[[], None], log: EngineLog) -> None:
        """`turned` is called when the engine becomes busy or free; `log` learns which request it is for."""
        self._log = log
        self._request = request_id.get()
        log.leased(self._request)
        up.leases += 1
        if up.leases == 1:
            turned()
        self._turned = turned
        self._up = up
        self._released = False
        self.model = spec.model
        self.pool = up.pool
        self.headers = up.plan.headers
        self.native = up.plan.native
        self.context_length = up.loaded.context_length
        self.slots = up.loaded.slots
        self.upstream_model = spec.entry.upstream_model if spec.entry else None

    def release(self) -> None:
        """Gives it back; a second time does nothing."""
        if not self._released:
            self._released = True
            self._log.released(self._request)
            self._up.leases -= 1
            if self._up.leases == 0:
                self._turned()


class Engine:
    """The engine of one model."""

    def __init__(self, spec: EngineSpec, host: Host) -> None:
        self.log = EngineLog(spec.model, host.options.log_lines)
        self.requests = 0
        self._spec = spec
        self._host = host
        self._status = EngineStatus(
            spec.model, EngineState.STOPPED, slots=spec.slots, context_length=spec.context_length
        )
        self._mailbox: asyncio.Queue[_Message] = asyncio.Queue()
        self._waiting: list[asyncio.Future[None]] = []
        self._tasks = Tasks(f"engine {spec.model}")
        self._bringing: asyncio.Task[Up | EngineProblem] | None = None
        self._again = False
        self._restart: asyncio.Task[None] | None = None
        self._up: Up | None = None
        self._failures: list[float] = []
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._telling: asyncio.TimerHandle | None = None
        self._owner = self._tasks.start("owner", self._own())

    # from outside

    @property
    def status(self) -> EngineStatus:
        """The state now; `busy` while a request runs."""
        status, leases = self._status, self._up.leases if self._up is not None else 0
        state = EngineState.BUSY if leases and status.state is EngineState.READY else status.state
        return replace(status, state=state, busy=leases)

    @property
    def door(self) -> Door:
        """Where it can be asked for its figures."""
        up = self._up if self._status.state is EngineState.READY else None
        if up is None:
            return Door(self.status, self.requests, None, b"")
        return Door(self.status, self.requests, up.pool, up.plan.headers)

    def use(self, spec: EngineSpec) -> None:
        """Runs it so from the next start on. A changed model has not failed yet."""
        if spec != self._spec:
            self._spec = spec
            if self._status.state is EngineState.FAILED:
                self._failures.clear()

    def try_lease(self) -> Lease | None:
        """A lease when the engine is ready, at once."""
        if self._up is None or self._status.state is not EngineState.READY:
            return None
        self.requests += 1
        return Lease(self._up, self._spec, self._turned, self.log)

    async def lease(self) -> Lease:
        """A lease, starting the engine first when needed. Raises EngineFailed or ShuttingDown."""
        while True:
            lease = self.try_lease()
            if lease is not None:
                return lease
            await self._wish_start(by_user=False)

    async def start(self) -> EngineStatus:
        """Starts it, whatever was before, and waits until it is ready. Raises EngineFailed with its last lines."""
        await self._wish_start(by_user=True)
        return self.status

    async def stop(self) -> EngineStatus:
        """Stops it, also while it starts, and waits until it is gone. It does not start again by itself."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._post(_Stop(done))
        await done
        return self.status

    async def close(self) -> None:
        """Stops it for good."""
        self._closing = True
        if self._telling is not None:
            self._telling.cancel()
        if not self._owner.done():
            await self.stop()
        await self._tasks.stop()

    async def _wish_start(self, *, by_user: bool) -> None:
        if self._closing:
            raise ShuttingDown("The server is stopping.")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._post(_Start(done, by_user))
        await done

    def _post(self, message: _Message) -> None:
        if self._owner.done():
            raise ShuttingDown("The server is stopping.")
        self._mailbox.put_nowait(message)

    # the owner

    async def _own(self) -> None:
        try:
            while True:
                await self._handle(await self._mailbox.get())
        finally:
            # Nobody may wait for an owner that is gone.
            while not self._mailbox.empty():
                message = self._mailbox.get_nowait()
                if isinstance(message, _Start | _Stop):
                    self._waiting.append(message.done)
            self._refuse(ShuttingDown("The engine was given up."))

    async def _handle(self, message: _Message) -> None:
        match message:
            case _Start():
                self._start(message)
            case _Stop():
                await self._stop()
                if not message.done.done():
                    message.done.set_result(None)
            case _Brought() if message.task is self._bringing:
                self._brought(message.task)
            case _Lost() if message.up is self._up:
                await self._take_down(drain=0.0)
                self._failed(message.problem, again=True)
            case _Rested() if message.task is self._restart:
                self._restart = None
                self._begin(again=True)
            case _:
                """News of something that was ended meanwhile."""

    def _start(self, wish: _Start) -> None:
        self._waiting.append(wish.done)
        state = self._status.state
        if state is EngineState.READY:
            self._serve()
        elif state is EngineState.STOPPED:
            self._begin(again=False)
        elif state is EngineState.FAILED:
            if wish.by_user:
                self._failures.clear()
            resting = self._cancel_restart() if wish.by_user or self._attached else False
            if self._restart is None:
                if self._rest() > 0.0 and not self._attached:
                    self._refuse(self._failure())
                else:
                    self._begin(again=resting and self._attached)

    async def _stop(self) -> None:
        self._cancel_restart()
        task, self._bringing = self._bringing, None
        if task is not None:
            self._show(state=EngineState.STOPPING)
            task.cancel()
            await asyncio.wait([task])
            # It may have been up already, with the news of it still in the mailbox.
            if not task.cancelled() and task.exception() is None and isinstance(up := task.result(), Up):
                self._up = up
        if self._up is not None:
            await self._take_down(drain=self._host.options.drain)
        self._failures.clear()
        self._show(state=EngineState.STOPPED, progress=None, pid=None, started_at=None, error=None)
        self._refuse(EngineFailed(f"The engine of {self._spec.model!r} was stopped while it started.", retry_after=1))

    def _begin(self, *, again: bool) -> None:
        self._show(state=EngineState.STARTING, progress=None, error=None, pid=None, started_at=None)
        starting = Starting(self._spec, self._host, self.log, self._show)
        self._again = again
        self._bringing = self._tasks.start("bring up", starting.run())
        self._bringing.add_done_callback(lambda task: self._mailbox.put_nowait(_Brought(task)))

    def _brought(self, task: asyncio.Task[Up | EngineProblem]) -> None:
        self._bringing = None
        result: Up | EngineProblem
        if task.cancelled() or task.exception() is not None:
            text = f"The engine of {self._spec.model!r} could not be started."
            result = EngineProblem("internal", text, "This is a fault of Corral; its log has more.")
        else:
            result = task.result()
        if isinstance(result, EngineProblem):
            self._failed(result, again=self._again)
            return
        self._up = up = result
        if up.process is not None:
            up.watchers.append(self._tasks.start("exit", self._watch_exit(up, up.process)))
        up.watchers.append(self._tasks.start("health", self._watch_health(up)))
        self._show(
            state=EngineState.READY,
            progress=None,
            pid=up.process.pid if up.process else None,
            started_at=self._host.clock.now(),
            slots=up.loaded.slots,
            context_length=up.loaded.context_length,
        )
        _log.info("engine_ready", model=self._spec.model, pid=self._status.pid)
        self._serve()

    def _failed(self, problem: EngineProblem, *, again: bool) -> None:
        """Shows the failure, and starts again after a pause when that may help."""
        now = self._host.clock.monotonic()
        self._failures = [*self._failures[-_REMEMBERED:], now]
        rest = self._rest()
        if math.isinf(rest):
            problem = replace(problem, hint=f"It failed too often and stays down until it is started. {problem.hint}")
        elif again:
            self._restart = self._tasks.start("restart", self._host.clock.sleep(rest))
            self._restart.add_done_callback(lambda task: self._mailbox.put_nowait(_Rested(task)))
        restarts = self._status.restarts + (self._restart is not None)
        self._show(state=EngineState.FAILED, progress=None, pid=None, started_at=None, error=problem, restarts=restarts)
        _log.warning("engine_failed", model=self._spec.model, code=problem.code, again=self._restart is not None)
        # For a restart of ours it is worth waiting; nobody knows when a server of somebody else comes back.
        if self._restart is None or self._attached:
            self._refuse(self._failure())

    def _rest(self) -> float:
        """Seconds until it may be tried again after its failures; infinite when it failed too often."""
        if not self._failures:
            return 0.0
        options, now = self._host.options, self._host.clock.monotonic()
        # A server of somebody else is asked again for ever: asking costs nothing.
        limit = _REMEMBERED + 1 if self._attached else options.crash_limit
        delay = restart_delay(self._failures, now, limit=limit, window=options.crash_window)
        return math.inf if delay is None else max(0.0, self._failures[-1] + delay - now)

    @property
    def _attached(self) -> bool:
        return self._spec.entry is not None and self._spec.entry.url is not None

    def _failure(self) -> EngineFailed:
        problem, rest = self._status.error, self._rest()
        retry = 60 if math.isinf(rest) else max(1, math.ceil(rest))
        return EngineFailed(problem.text() if problem else "The engine failed.", retry_after=retry)

    def _serve(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()

    def _refuse(self, error: EngineFailed | ShuttingDown) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_exception(error)
        self._waiting.clear()

    def _cancel_restart(self) -> bool:
        """Gives up the restart that was to come; whether there was one."""
        restart, self._restart = self._restart, None
        return restart is not None and restart.cancel()

    async def _take_down(self, drain: float) -> None:
        self._show(state=EngineState.STOPPING)
        up = self._up
        assert up is not None
        clock = self._host.clock
        deadline = clock.monotonic() + drain
        while up.leases and clock.monotonic() < deadline:
            await clock.sleep(_DRAIN_STEP)
        for watcher in up.watchers:
            watcher.cancel()
        up.pool.close()
        await clean_up(self._host, up.plan, up.process)
        self._up = None

    async def _watch_exit(self, up: Up, process: EngineProcess) -> None:
        code = await process.wait()
        self._mailbox.put_nowait(_Lost(up, diagnose(self._spec.model, code, self.log.tail())))

    async def _watch_health(self, up: Up) -> None:
        """Gives it up when nobody listens any more, or when it is silent though it has nothing to do."""
        options, misses = self._host.options, 0
        while True:
            await self._host.clock.sleep(options.health_every)
            health = await probe(up.plan)
            missed = health.answer is Answer.GONE or (health.answer is Answer.SILENT and not up.leases)
            misses = misses + 1 if missed else 0
            if misses >= options.health_misses:
                break
        text = f"The engine of {self._spec.model!r} does not answer any more: {health.detail}"
        hung = EngineProblem("unresponsive", text, "It is started again by itself.", tuple(self.log.tail()[-12:]))
        problem = hung if up.process is not None else unreachable(self._spec, health)
        self._mailbox.put_nowait(_Lost(up, problem))

    def _turned(self) -> None:
        # Told a moment later and once, so that many short requests do not flood those who watch.
        if self._telling is None and not self._closing:
            self._telling = self._loop.call_later(_TELL_AFTER, self._tell)

    def _tell(self) -> None:
        self._telling = None
        self._host.changed(self.status)

    def _show(self, **changes: object) -> None:
        status = replace(self._status, **changes)  # type: ignore[arg-type]
        if status != self._status:
            self._status = status
            self._host.changed(self.status)
