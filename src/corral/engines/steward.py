"""The owner of all places in memory: takes the picture of the moment, has it decided, and carries the orders out.

An engine makes a `Claim` before it loads anything and keeps it until its process has ended and its memory is measured
to be free. docs/rooms/engines-residency.md has the rules.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace

from corral.engines.claims import Claim, NoRoom, Tenant
from corral.engines.memory import Machine, budget
from corral.engines.residency import Memory, Place, Rules, Stage
from corral.engines.scheduling import Orders, decide
from corral.engines.types import EngineOptions, EngineSpec
from corral.kit.clock import Clock
from corral.kit.tasks import Tasks
from corral.telemetry import get_logger

MEASURE_EVERY = 10.0
LOOK_EVERY = 1.0
"""Seconds between two looks at what idles."""
FREE_STEP, FREE_PATIENCE = 0.01, 20.0
"""How often memory is measured that should become free, and how long that is waited for, in seconds."""
REMEMBERED = 500
RUNTIME = 64 << 20
"""What an engine needs beside its model, when nobody has said or measured anything better."""
_log = get_logger("corral.engines")


class Steward:
    """Gives engines their places.

    Args:
        demand: tells how many requests for a model are on their way to its engines; set by whoever queues them.
    """

    def __init__(self, options: EngineOptions, clock: Clock) -> None:
        self.clock = clock
        self.demand: Callable[[str], int] = lambda model: 0
        self._options = options
        self._gauge = options.gauge
        self._rules = Rules(options.min_residency, options.max_wait)
        self._tasks = Tasks("steward")
        self._claims: dict[str, Claim] = {}
        self._of: dict[Tenant, Claim] = {}
        self._count = 0
        self._learned: OrderedDict[str, int] = OrderedDict()
        self._poked, self._unmeasured = asyncio.Event(), asyncio.Event()
        self._machine: Machine | None = None

    def start(self) -> None:
        """Begins to look after places."""
        self._tasks.start("places", self._always(self._look_after))
        self._tasks.start("measuring", self._always(self._measure))

    async def stop(self) -> None:
        """Gives no more places."""
        await self._tasks.stop()

    def claim(self, tenant: Tenant) -> Claim:
        """The wish for a place."""
        if tenant in self._of:
            raise RuntimeError(f"{tenant.name} has a place already")
        self._count += 1
        claim = Claim(self, tenant, f"{tenant.name} {self._count}", self._expected(tenant.spec))
        self._claims[claim.key] = self._of[tenant] = claim
        self.poke()
        return claim

    def used(self, tenant: Tenant) -> int | None:
        """Bytes that an engine was measured to use last; None when it was not."""
        claim = self._of.get(tenant)
        return claim.used or None if claim is not None else None

    def waits(self, tenant: Tenant) -> bool:
        """Whether an engine waits for its place."""
        claim = self._of.get(tenant)
        return claim is not None and claim.stage is Stage.WAITING

    def limit(self) -> int:
        """The budget of all engines, in bytes."""
        return budget(self._options.memory_budget, self._seen())

    def taken(self) -> int:
        """Bytes of the budget that are in use or promised."""
        return sum(claim.need for claim in self._claims.values() if claim.stage is not Stage.WAITING)

    def has_room(self, spec: EngineSpec) -> bool:
        """Whether an engine would fit beside all others now."""
        if any(claim.stage is Stage.WAITING for claim in self._claims.values()):
            return False
        need, machine = self._expected(spec), self._gauge.machine()
        return self.taken() + need <= self.limit() and need <= machine.available

    def poke(self) -> None:
        """Something has changed."""
        self._poked.set()

    def turned(self) -> None:
        """An engine became busy or free."""
        if any(claim.stage is Stage.WAITING or claim.closed for claim in self._claims.values()):
            self.poke()

    def settled(self, claim: Claim) -> None:
        """An engine has become ready."""
        self._unmeasured.set()
        self.poke()

    async def freed(self, claim: Claim) -> None:
        """See `Claim.free`."""
        if claim.key not in self._claims:
            return
        claim.leaving()
        if claim.pid is not None:
            await self._until_free(claim.pid)
        if self._claims.pop(claim.key, None) is not None:
            del self._of[claim.tenant]
        self.poke()

    async def _until_free(self, pid: int) -> None:
        deadline = self.clock.monotonic() + FREE_PATIENCE
        while left := self._gauge.used([pid]).get(pid, 0):
            if self.clock.monotonic() > deadline:
                _log.warning("engine_memory_not_free", pid=pid, bytes=left)
                return
            await self.clock.sleep(FREE_STEP)

    async def _always(self, work: Callable[[], Awaitable[None]]) -> None:
        """Does `work` again when it fails: without it no engine would ever start."""
        while True:
            try:
                await work()
            except Exception:  # noqa: BLE001 - a supervisor
                _log.exception("steward_failed")
                await self.clock.sleep(1.0)

    async def _look_after(self) -> None:
        while True:
            self._poked.clear()
            orders = self._decide()
            self._carry_out(orders)
            wait = orders.look_again - self.clock.monotonic()
            if math.isfinite(orders.look_again) or self._idlers():
                wait = min(LOOK_EVERY, max(0.0, wait)) if self._idlers() else max(0.0, wait)
                await self._poked_within(wait)
            else:
                await self._poked.wait()

    def _idlers(self) -> bool:
        """Whether somebody may have to end for being idle; nobody says when it begins to be."""
        return any(
            claim.stage is Stage.TAKEN and claim.tenant.spec.stay.idle_stop is not None
            for claim in self._claims.values()
        )

    async def _poked_within(self, seconds: float) -> None:
        sleeping = asyncio.ensure_future(self.clock.sleep(seconds))
        poked = asyncio.ensure_future(self._poked.wait())
        try:
            await asyncio.wait({sleeping, poked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sleeping, poked):
                task.cancel()

    def _decide(self) -> Orders:
        available = None
        if any(claim.stage is Stage.WAITING for claim in self._claims.values()):
            self._machine = None
            available = self._seen().available
        memory = Memory(self.limit(), available)
        places = [self._picture(claim) for claim in self._claims.values()]
        return decide(self.clock.monotonic(), places, memory, self._rules)

    def _picture(self, claim: Claim) -> Place:
        tenant, stay = claim.tenant, claim.tenant.spec.stay
        waiting = tenant.waiting
        if claim.stage is Stage.TAKEN:
            waiting += self.demand(tenant.spec.model)
        return Place(
            claim.key,
            tenant.spec.model,
            claim.need,
            claim.stage,
            claim.moment,
            used=claim.used,
            waiting=waiting,
            running=tenant.running,
            closed=claim.closed,
            pinned=stay.pinned,
            gentle=tenant.gentle,
            group=stay.group,
            last_used=tenant.last_used,
            load_seconds=claim.load_seconds,
            idle_stop=math.inf if stay.idle_stop is None else stay.idle_stop,
        )

    def _carry_out(self, orders: Orders) -> None:
        claims, now = self._claims, self.clock.monotonic()
        for key in orders.prepare:
            claims[key].prepare()
        for key in orders.grant:
            claims[key].grant(now)
        for key, reason in orders.refuse.items():
            text = f"There is no memory for the engine of {claims[key].tenant.spec.model!r}. {reason}"
            claims[key].refuse(NoRoom(text, retry_after=5))
        for key in orders.withdraw:
            claims[key].dismiss()
            claims[key].tenant.withdraw()
        for key in orders.close:
            claims[key].closed = True
            claims[key].tenant.close_door()
        for key in orders.reopen:
            claims[key].closed = False
            claims[key].tenant.open_door()
        for key in orders.leave:
            claims[key].leaving()
            claims[key].tenant.leave()
        for claim in list(claims.values()):
            if claim.delayed is not (claim.stage is Stage.WAITING):
                claim.delayed = not claim.delayed
                claim.tenant.delayed()

    async def _measure(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(MEASURE_EVERY):
                    await self._unmeasured.wait()
            self._unmeasured.clear()
            claims = [claim for claim in self._claims.values() if claim.stage is Stage.TAKEN and claim.pid is not None]
            if claims:
                used = await asyncio.to_thread(self._gauge.used, [claim.pid for claim in claims if claim.pid])
                for claim in claims:
                    self._learn(claim, used.get(claim.pid or 0, 0))

    def _learn(self, claim: Claim, used: int) -> None:
        if not used or claim.stage is not Stage.TAKEN:
            return
        spec, before = claim.tenant.spec, claim.need
        claim.used, claim.peak = used, max(claim.peak, used)
        claim.need = max(claim.peak, spec.memory_bytes)
        self._learned[_key(spec)] = claim.need
        self._learned.move_to_end(_key(spec))
        while len(self._learned) > REMEMBERED:
            self._learned.popitem(last=False)
        if claim.need < before:
            self.poke()

    def _expected(self, spec: EngineSpec) -> int:
        return self._learned.get(_key(spec)) or guess(spec)

    def _seen(self) -> Machine:
        if self._machine is None:
            self._machine = self._gauge.machine()
        return self._machine


def _key(spec: EngineSpec) -> str:
    """The same for specs that need the same memory."""
    return repr(replace(spec, stay=type(spec.stay)(), memory_bytes=0))


def guess(spec: EngineSpec) -> int:
    """What an engine will use when nothing better is known: its file, and some more."""
    return spec.memory_bytes or (spec.size_bytes + RUNTIME if spec.path is not None else RUNTIME)
