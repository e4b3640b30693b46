"""What an engine that is up needs: to be watched while it runs, and to be taken down when it has to end."""

from __future__ import annotations

from collections.abc import Callable, Coroutine

from corral.engines.failures import Misses, ended_process, unanswering
from corral.engines.health import probe
from corral.engines.messages import Lost
from corral.engines.napping import Nap
from corral.engines.starting import Host, Up, clean_up
from corral.engines.types import EngineProblem, EngineSpec
from corral.kit.rings import LineRing
from corral.kit.tasks import Tasks

_DRAIN_STEP = 0.02


class Upkeep:
    """The watchers of one engine, for as long as it is up.

    `lost` hears of its end and of its silence, `slept` after each look whether it sleeps.
    """

    def __init__(
        self, host: Host, nap: Nap, log: LineRing, lost: Callable[[Lost], None], slept: Callable[[Up, bool], None]
    ) -> None:
        self._host = host
        self._nap = nap
        self._log = log
        self._lost = lost
        self._slept = slept

    def watch(self, up: Up, spec: EngineSpec, tasks: Tasks) -> None:
        """Looks after it from now on, until it is lost or taken down."""
        if up.process is not None:
            ended = ended_process(spec, up.process, self._log)
            up.watchers.append(tasks.start("exit", self._lost_after(up, ended)))
        up.watchers.append(tasks.start("health", self._lost_after(up, self._look_after(up, spec))))

    async def take_down(self, up: Up, spec: EngineSpec, *, drain: float, carry: bool) -> None:
        """Lets what runs go on for `drain` seconds and ends it; with `carry` what it knows is kept."""
        if up.claim is not None:
            up.claim.leaving()
        clock = self._host.clock
        deadline = clock.monotonic() + drain
        while up.leases and clock.monotonic() < deadline:
            await clock.sleep(_DRAIN_STEP)
        for watcher in up.watchers:
            watcher.cancel()
        if carry and up.process is not None and not up.leases:
            await self._nap.keep(spec, up)
        up.pool.close()
        await clean_up(self._host, up.plan, up.process, up.claim)

    async def _lost_after(self, up: Up, watching: Coroutine[None, None, EngineProblem]) -> None:
        self._lost(Lost(up, await watching))

    async def _look_after(self, up: Up, spec: EngineSpec) -> EngineProblem:
        """Asks for its health until it is given up; why."""
        misses = Misses(self._host.options.health_misses)
        while True:
            await self._host.clock.sleep(self._host.options.health_every)
            self._slept(up, await self._nap.lie_down(spec, up))
            health = await probe(up.plan)
            if misses.given_up(health, busy=up.leases > 0):
                return unanswering(spec, health, self._log.tail(), ours=up.process is not None)
