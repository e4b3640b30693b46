"""The engines of one model: requests go to one of them, and a changed configuration takes their place."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from corral.engines.balancing import Read, chain, choose
from corral.engines.engine import Engine
from corral.engines.lease import Lease
from corral.engines.owner import Owner
from corral.engines.starting import Host
from corral.engines.types import Door, EngineSpec, EngineState, EngineStatus
from corral.kit.errors import CorralError, EngineFailed
from corral.kit.tasks import Tasks
from corral.telemetry import get_logger

_log = get_logger("corral.engines")
_ORDER = (
    EngineState.BUSY, EngineState.READY, EngineState.LOADING, EngineState.STARTING, EngineState.STOPPING,
    EngineState.FAILED, EngineState.STOPPED,
)  # fmt: skip
"""The state of the first of these that one of the engines has is the state of the model."""


class Team:
    """One engine or several behind one name. `latest` tells how they are to run and raises CorralError when they cannot;
    `changed` is told the status of all of them together."""

    def __init__(self, latest: Callable[[], EngineSpec], host: Host, changed: Callable[[EngineStatus], None]) -> None:
        self._latest = latest
        self._spec = spec = latest()
        self._host = host
        self._changed = changed
        self._tasks = Tasks(f"engines of {spec.model}")
        self._engines = [Engine(spec, host, self)]
        self._read = [Read()]
        self._queue: deque[asyncio.Future[None]] = deque()
        self._retiring: set[Engine] = set()
        self._applying = asyncio.Lock()
        self._resize()

    # what the engines tell

    def told(self, engine: Owner) -> None:
        """An engine's status has changed."""
        if engine in self._engines:
            if engine.status.state is EngineState.STOPPED and not self._applying.locked():
                # It may start again at once, for those who wait: then with what holds by now.
                with contextlib.suppress(CorralError):
                    self.use(self._latest())
            self._wake()
            self._changed(self.status)

    def turned(self, engine: Owner) -> None:
        """A lease was given or came back."""
        if self._queue:
            self._wake()

    # what is asked of it

    @property
    def spec(self) -> EngineSpec:
        """How its engines run."""
        return self._spec

    @property
    def capacity(self) -> int:
        """Requests that all of them answer at once."""
        return sum(engine.status.slots for engine in self._engines)

    @property
    def status(self) -> EngineStatus:
        """All engines together."""
        return together(self.statuses())

    def statuses(self) -> tuple[EngineStatus, ...]:
        """Each engine."""
        return tuple(engine.status for engine in self._engines)

    def doors(self) -> tuple[Door, ...]:
        """The way to each."""
        return tuple(engine.door for engine in self._engines)

    def logs(self) -> list[str]:
        """Their last lines."""
        return [line for engine in self._engines for line in engine.log.tail()]

    def stale(self, spec: EngineSpec) -> bool:
        """Whether one that runs would run otherwise with `spec`."""
        return any(not engine.resting and not engine.spec.runs_like(spec) for engine in self._engines)

    def use(self, spec: EngineSpec) -> None:
        """Runs them so from their next start on; what needs no new start holds at once."""
        self._spec = spec
        for engine in self._engines:
            if engine.resting or engine.spec.runs_like(spec):
                engine.use(spec)
        self._resize()

    def try_lease(self, body: bytes = b"") -> Lease | None:
        """A lease when an engine is ready and nobody waits before; `body` is the request, to find who has read it."""
        if len(self._engines) == 1:
            return self._engines[0].try_lease()
        return None if self._queue else self._best(body)

    async def lease(self, body: bytes = b"") -> Lease:
        """A lease, starting engines when needed. Raises EngineFailed or ShuttingDown."""
        while True:
            lease = self._engines[0].try_lease() if len(self._engines) == 1 else self._best(body)
            if lease is not None:
                return lease
            if any(engine.open for engine in self._engines):
                self._want_another()
                await self._turn()
            else:
                lease = await self._nearest().wanted()
                if lease is not None:
                    return lease

    async def start(self) -> EngineStatus:
        """Starts one, and the others where there is memory. Raises EngineFailed with its last lines."""
        first, *others = self._engines
        await first.start()
        for engine in others:
            if engine.resting and self._host.steward.has_room(self._spec):
                engine.nudge()
        return self.status

    async def stop(self) -> EngineStatus:
        """Stops all."""
        await asyncio.gather(*(engine.stop() for engine in self._engines))
        return self.status

    async def apply(self, spec: EngineSpec) -> None:
        """Runs them as `spec` from now on; see docs/rooms/engines-residency.md. Raises EngineFailed, and then nothing has changed."""
        async with self._applying:
            before = self._spec
            running = [engine for engine in self._engines if not engine.resting and not engine.spec.runs_like(spec)]
            for number, engine in enumerate(running):
                try:
                    await self._replace(engine, spec)
                except EngineFailed:
                    if number == 0:
                        self._spec = before
                        raise
                    # One has come up with it, so it is not the configuration's fault.
                    _log.warning("engine_not_replaced", model=spec.model, replica=engine.replica)
                    engine.use(spec)
            self.use(spec)
            self._changed(self.status)

    async def close(self) -> None:
        """Stops all for good."""
        await asyncio.gather(*(engine.close() for engine in (*self._engines, *self._retiring)))
        await self._tasks.stop()

    async def _replace(self, engine: Engine, spec: EngineSpec) -> None:
        serving = engine.status.state in (EngineState.READY, EngineState.BUSY)
        if not serving or not self._host.steward.has_room(spec):
            await engine.change(spec)
            return
        beside = Engine(spec, self._host, self, engine.replica, gentle=True)
        self._retiring.add(beside)
        try:
            await beside.start()
        except BaseException as error:
            problem = beside.status.error
            await beside.close()
            if isinstance(error, EngineFailed) and problem is not None and problem.code == "no_room":
                # Somebody else was given the room meanwhile.
                await engine.change(spec)
                return
            raise
        finally:
            self._retiring.discard(beside)
        beside.gentle = False
        index = self._engines.index(engine)
        self._engines[index], self._read[index] = beside, Read()
        self._changed(self.status)
        self._wake()
        self._retire(engine)

    def _retire(self, engine: Engine) -> None:
        """Ends it after its last answer; nobody waits for that."""
        self._retiring.add(engine)
        task = self._tasks.start(f"retire {engine.name}", engine.retire())
        task.add_done_callback(lambda _: self._retiring.discard(engine))

    def _best(self, body: bytes) -> Lease | None:
        ready = [index for index, engine in enumerate(self._engines) if engine.open]
        numbers = chain(body)
        loads = [self._engines[index].running for index in ready]
        known = [self._read[index].known(numbers) for index in ready]
        chosen = choose(loads, known, self._spec.slots) if ready else None
        if chosen is None:
            return None
        index = ready[chosen]
        self._read[index].add(numbers)
        return self._engines[index].try_lease()

    def _want_another(self) -> None:
        """Every slot is taken: one engine more, if there is memory for it beside all others."""
        coming = any(one.state in (EngineState.STARTING, EngineState.LOADING) for one in self.statuses())
        if not coming and self._host.steward.has_room(self._spec):
            for engine in self._engines:
                if engine.resting:
                    engine.nudge()
                    return

    def _nearest(self) -> Engine:
        """The engine that will be ready first."""
        return min(self._engines, key=lambda engine: (_ORDER.index(engine.status.state), engine.replica))

    async def _turn(self) -> None:
        place = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._wake()
            elif place in self._queue:
                self._queue.remove(place)
            raise

    def _wake(self) -> None:
        """Lets as many look again as there is room for; all when no engine is ready."""
        ready = [engine for engine in self._engines if engine.open]
        free = sum(max(0, self._spec.slots - engine.running) for engine in ready) if ready else len(self._queue)
        while self._queue and free > 0:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                free -= 1

    def _resize(self) -> None:
        """As many engines as the configuration says; those that are too many end after their last answers."""
        count = 1 if self._spec.attached else max(1, self._spec.stay.replicas)
        while len(self._engines) < count:
            self._engines.append(Engine(self._spec, self._host, self, len(self._engines)))
            self._read.append(Read())
        while len(self._engines) > count:
            engine = self._engines.pop()
            self._read.pop()
            self._retire(engine)


def together(statuses: tuple[EngineStatus, ...]) -> EngineStatus:
    """The status of a model whose engines have these; that of the one, when there is but one."""
    if len(statuses) == 1:
        return statuses[0]
    first = min(statuses, key=lambda one: _ORDER.index(one.state))
    memory = [one.memory for one in statuses if one.memory is not None]
    used = [one.last_used for one in statuses if one.last_used is not None]
    return replace(
        first,
        slots=sum(one.slots for one in statuses),
        busy=sum(one.busy for one in statuses),
        restarts=sum(one.restarts for one in statuses),
        waiting=sum(one.waiting for one in statuses),
        memory=sum(memory) if memory else None,
        waits_for_memory=all(one.waits_for_memory for one in statuses),
        last_used=max(used) if used else None,
        replica=0,
        replicas=statuses,
    )
