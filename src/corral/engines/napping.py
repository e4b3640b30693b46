"""The sleep of an idle engine: what it knows is kept before, and given back when it wakes."""

from __future__ import annotations

from corral.engines.health import sleeping
from corral.engines.starting import Host, Up
from corral.engines.types import EngineSpec


class Nap:
    """When an engine was last used, and what follows from that. llama.cpp falls asleep by itself."""

    def __init__(self, host: Host, replica: int) -> None:
        self.last_used = host.clock.monotonic()
        self._host = host
        self._replica = replica
        self._kept = 0.0

    def used(self) -> None:
        """It was used until now."""
        self.last_used = self._host.clock.monotonic()

    def due(self, spec: EngineSpec, up: Up | None) -> bool:
        """Whether it may sleep: it has idled as long as it takes."""
        after = _after(spec)
        return up is not None and not up.leases and after > 0.0 and self._idle() >= after

    async def wake(self, spec: EngineSpec, up: Up) -> None:
        """Gives back what it knew, if it sleeps; that wakes it."""
        if await sleeping(up.plan):
            await self._host.carry.restore(spec, self._replica, up.pool, up.plan)

    async def keep(self, spec: EngineSpec, up: Up) -> None:
        """Keeps what it knows, so that it is given back when it wakes or is started again."""
        await self._host.carry.save(spec, self._replica, up.pool, up.plan)

    async def lie_down(self, spec: EngineSpec, up: Up) -> bool:
        """Keeps what it knows while it idles and is still awake; whether it sleeps."""
        after, idle = _after(spec), self._idle()
        if up.leases or not after or idle < after / 2:
            return False
        if idle < after and self._kept < self.last_used:
            self._kept = self._host.clock.monotonic()
            await self.keep(spec, up)
        return await sleeping(up.plan)

    def _idle(self) -> float:
        return self._host.clock.monotonic() - self.last_used


def _after(spec: EngineSpec) -> float:
    return 0.0 if spec.stay.pinned or spec.entry is not None else spec.stay.idle_sleep or 0.0
