"""One engine and the one task that owns its state.

Everything that happens to an engine is a message in its mailbox: a wish from outside, or news from the work that the
owner started. Only the owner changes the state, so there is nothing to lock. docs/rooms/engines.md draws the states.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

from corral.engines.backends import Plan, make_plan
from corral.engines.policy import diagnose, restart_delay
from corral.engines.process import EngineProcess
from corral.engines.reaper import Ledger
from corral.engines.types import EngineOptions, EngineProblem, EngineSpec, EngineState, EngineStatus
from corral.kit.clock import Clock
from corral.kit.errors import CorralError, EngineFailed, ShuttingDown, UpstreamFailed, UpstreamTimeout
from corral.kit.http import HttpPool, Timeouts
from corral.kit.rings import LineRing
from corral.kit.tasks import Tasks

_PROBE = Timeouts(connect=2.0, head=5.0, idle=5.0)


class _Wish(Enum):
    START = auto()
    STOP = auto()


@dataclass(frozen=True, slots=True)
class _Up:
    plan: Plan
    pool: HttpPool
    process: EngineProcess | None


@dataclass(frozen=True, slots=True)
class _Failed:
    problem: EngineProblem


@dataclass(frozen=True, slots=True)
class _Exited:
    process: EngineProcess
    code: int


@dataclass(frozen=True, slots=True)
class Host:
    """What an engine needs of its surroundings."""

    clock: Clock
    ledger: Ledger
    options: EngineOptions
    environ: Mapping[str, str]
    changed: Callable[[EngineStatus], None]


class Lease:
    """The right to one request at a ready engine. Release it when the answer has ended."""

    __slots__ = (
        "_engine",
        "_released",
        "context_length",
        "headers",
        "model",
        "native",
        "pool",
        "slots",
        "upstream_model",
    )

    def __init__(self, engine: Engine, up: _Up, spec: EngineSpec) -> None:
        self._engine = engine
        self._released = False
        self.model = spec.model
        self.pool = up.pool
        self.headers = up.plan.headers
        self.native = up.plan.native
        self.context_length = spec.context_length
        self.slots = spec.slots
        self.upstream_model = spec.entry.upstream_model if spec.entry else None

    def release(self) -> None:
        """Gives it back; a second time does nothing."""
        if not self._released:
            self._released = True
            self._engine.leases -= 1


class Engine:
    """The engine of one model."""

    def __init__(self, spec: EngineSpec, host: Host) -> None:
        self.spec = spec
        self.leases = 0
        self.log = LineRing(host.options.log_lines)
        self._host = host
        self._status = EngineStatus(
            spec.model, EngineState.STOPPED, slots=spec.slots, context_length=spec.context_length
        )
        self._mailbox: asyncio.Queue[_Wish | _Up | _Failed | _Exited] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._tasks = Tasks(f"engine {spec.model}")
        self._bringing: asyncio.Task[None] | None = None
        self._up: _Up | None = None
        self._crashes: list[float] = []
        self._restart: asyncio.Task[None] | None = None
        self._owner = self._tasks.start("owner", self._own())

    # from outside

    @property
    def status(self) -> EngineStatus:
        """The state now; `busy` while a request runs."""
        status = self._status
        if status.state is EngineState.READY and self.leases:
            return replace(status, state=EngineState.BUSY, busy=self.leases)
        return replace(status, busy=self.leases)

    def try_lease(self) -> Lease | None:
        """A lease when the engine is ready, at once."""
        up = self._up
        if up is None or self._status.state is not EngineState.READY:
            return None
        self.leases += 1
        return Lease(self, up, self.spec)

    async def lease(self) -> Lease:
        """A lease, starting the engine first when needed. Raises EngineFailed or ShuttingDown."""
        while True:
            lease = self.try_lease()
            if lease is not None:
                return lease
            await self.start()

    async def start(self) -> EngineStatus:
        """Starts it and waits until it is ready. Raises EngineFailed with its last lines."""
        self._post(_Wish.START)
        await self._settled(EngineState.READY)
        return self.status

    async def stop(self) -> EngineStatus:
        """Stops it, also while it starts, and waits until it is gone. It does not start again by itself."""
        self._post(_Wish.STOP)
        await self._settled(EngineState.STOPPED)
        return self.status

    async def close(self) -> None:
        """Stops it for good."""
        if not self._owner.done():
            await self.stop()
        await self._tasks.stop()

    def _post(self, message: _Wish | _Up | _Failed | _Exited) -> None:
        if self._owner.done():
            raise ShuttingDown("The server is stopping.")
        self._mailbox.put_nowait(message)

    async def _settled(self, wanted: EngineState) -> None:
        # One turn of the loop, so that the owner has seen the wish before the state is looked at.
        await self._mailbox_seen()
        while True:
            state = self._status.state
            if state is wanted:
                return
            if state is EngineState.FAILED and wanted is EngineState.READY and self._restart is None:
                problem = self._status.error
                raise EngineFailed(problem.text() if problem else "The engine failed.", retry_after=5)
            if state is EngineState.STOPPED and wanted is EngineState.READY:
                raise EngineFailed(f"The engine of {self.spec.model!r} was stopped while it started.", retry_after=1)
            changed = self._changed
            await changed.wait()

    async def _mailbox_seen(self) -> None:
        await self._mailbox.join()

    # the owner

    async def _own(self) -> None:
        while True:
            message = await self._mailbox.get()
            try:
                if isinstance(message, _Wish):
                    await (self._wish_start() if message is _Wish.START else self._wish_stop())
                elif isinstance(message, _Up):
                    self._came_up(message)
                elif isinstance(message, _Failed):
                    self._did_not_start(message.problem)
                else:
                    await self._exited(message)
            finally:
                self._mailbox.task_done()

    async def _wish_start(self) -> None:
        if self._status.state in (EngineState.STOPPED, EngineState.FAILED):
            if self._status.state is EngineState.FAILED and self._restart is not None:
                return
            self._begin()

    def _begin(self) -> None:
        self._restart = None
        self._show(state=EngineState.STARTING, progress=None, error=None, pid=None, started_at=None)
        self._bringing = self._tasks.start("bring up", self._bring_up())
        self._bringing.add_done_callback(self._bringing_ended)

    def _bringing_ended(self, task: asyncio.Task[None]) -> None:
        # A fault of ours must not leave those who wait without an answer.
        if not task.cancelled() and task.exception() is not None:
            text = f"The engine of {self.spec.model!r} could not be started: {task.exception()!r}."
            self._mailbox.put_nowait(
                _Failed(EngineProblem("internal", text, "This is a fault of Corral; its log has more."))
            )

    async def _wish_stop(self) -> None:
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None
        if self._bringing is not None:
            self._show(state=EngineState.STOPPING)
            self._bringing.cancel()
            await asyncio.wait([self._bringing])
            self._bringing = None
            self._drop_news()
        if self._up is not None:
            await self._take_down(drain=self._host.options.drain)
        self._crashes.clear()
        self._show(state=EngineState.STOPPED, progress=None, pid=None, started_at=None, error=None)

    async def _take_down(self, drain: float) -> None:
        self._show(state=EngineState.STOPPING)
        up, self._up = self._up, None
        assert up is not None
        deadline = self._host.clock.monotonic() + drain
        while self.leases and self._host.clock.monotonic() < deadline:
            await self._host.clock.sleep(0.05)
        up.pool.close()
        if up.process is not None and up.plan.launch is not None:
            await up.process.end(self._host.options.stop_grace)
            self._host.ledger.remove(up.plan.launch.token)
        up.plan.clean()

    def _drop_news(self) -> None:
        # What the ended start had still to say is about an engine that is gone.
        kept = []
        while not self._mailbox.empty():
            message = self._mailbox.get_nowait()
            self._mailbox.task_done()
            if isinstance(message, _Wish):
                kept.append(message)
            elif isinstance(message, _Up):
                self._up = message
        for message in kept:
            self._mailbox.put_nowait(message)

    def _came_up(self, up: _Up) -> None:
        self._bringing = None
        self._up = up
        if up.process is not None:
            self._tasks.start("watch", self._watch(up.process))
        self._show(
            state=EngineState.READY,
            progress=None,
            pid=up.process.pid if up.process else None,
            started_at=self._host.clock.now(),
        )

    def _did_not_start(self, problem: EngineProblem) -> None:
        self._bringing = None
        self._show(state=EngineState.FAILED, progress=None, pid=None, error=problem)

    async def _exited(self, news: _Exited) -> None:
        if self._up is None or self._up.process is not news.process:
            return
        problem = diagnose(self.spec.model, news.code, self.log.tail())
        await self._take_down(drain=0.0)
        now = self._host.clock.monotonic()
        self._crashes = [*self._crashes[-50:], now]
        options = self._host.options
        delay = restart_delay(self._crashes, now, limit=options.crash_limit, window=options.crash_window)
        if delay is None:
            problem = replace(problem, hint=f"It crashed too often and stays down until it is started. {problem.hint}")
        else:
            self._restart = self._tasks.start("restart", self._restart_later(delay))
        self._show(
            state=EngineState.FAILED,
            progress=None,
            pid=None,
            error=problem,
            restarts=self._status.restarts + (delay is not None),
        )

    async def _restart_later(self, delay: float) -> None:
        await self._host.clock.sleep(delay)
        self._restart = None
        self._post(_Wish.START)

    # the work of starting

    async def _bring_up(self) -> None:
        plan: Plan | None = None
        process: EngineProcess | None = None
        pool: HttpPool | None = None
        handed_over = False
        try:
            plan = make_plan(self.spec, self._host.environ)
            if plan.launch is not None:
                process = await EngineProcess.start(plan.launch, self.log)
                self._host.ledger.add(process.pid, plan.launch.token, str(plan.folder or ""))
            self._show(state=EngineState.LOADING, progress=0.0, pid=process.pid if process else None)
            pool = HttpPool(plan.address)
            problem = await self._until_ready(plan, pool, process)
            if problem is None:
                self._mailbox.put_nowait(_Up(plan, pool, process))
                handed_over = True
            else:
                self._mailbox.put_nowait(_Failed(problem))
        except CorralError as error:
            self._mailbox.put_nowait(_Failed(EngineProblem("bad_settings", error.message, "Check its settings.")))
        except OSError as error:
            text = f"The engine of {self.spec.model!r} could not be started: {error}."
            self._mailbox.put_nowait(_Failed(EngineProblem("not_started", text, "See `corral doctor`.")))
        finally:
            if not handed_over:
                await asyncio.shield(self._clean_up(plan, pool, process))

    async def _clean_up(self, plan: Plan | None, pool: HttpPool | None, process: EngineProcess | None) -> None:
        if pool is not None:
            pool.close()
        if process is not None:
            await process.end(self._host.options.stop_grace)
        if plan is not None:
            if plan.launch is not None:
                self._host.ledger.remove(plan.launch.token)
            plan.clean()

    async def _until_ready(self, plan: Plan, pool: HttpPool, process: EngineProcess | None) -> EngineProblem | None:
        """Asks for its health until it is well. Lines and memory are progress; without any it is given up."""
        clock, options = self._host.clock, self._host.options
        mark: tuple[int, int] = (0, 0)
        since = clock.monotonic()
        interval = options.health_interval
        while True:
            if process is not None and process.code is not None:
                return diagnose(self.spec.model, await process.wait(), self.log.tail())
            if await self._healthy(plan, pool):
                return None
            if process is not None:
                memory = process.memory()
                if (process.lines, memory) != mark:
                    mark, since = (process.lines, memory), clock.monotonic()
                if self.spec.size_bytes:
                    self._show(progress=round(min(0.99, memory / self.spec.size_bytes), 2))
            stalled = clock.monotonic() - since
            if stalled > options.start_stall:
                return diagnose(self.spec.model, None, self.log.tail(), stalled=stalled)
            await clock.sleep(interval)
            interval = min(0.5, interval * 1.3)

    async def _healthy(self, plan: Plan, pool: HttpPool) -> bool:
        path = b"/health" if plan.native else b"/v1/models"
        try:
            response = await pool.request(b"GET", path, headers=plan.headers, timeouts=_PROBE)
            await response.read(1 << 20)
        except (UpstreamFailed, UpstreamTimeout):
            return False
        return response.status == 200

    async def _watch(self, process: EngineProcess) -> None:
        self._mailbox.put_nowait(_Exited(process, await process.wait()))

    def _show(self, **changes: object) -> None:
        status = replace(self._status, **changes)  # type: ignore[arg-type]
        if status != self._status:
            self._status = status
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()
            self._host.changed(self.status)
