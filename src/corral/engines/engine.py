"""One engine of a model, as the steward and the rest of the room see it."""

from __future__ import annotations

import asyncio
import contextlib

from corral.engines.lease import Lease
from corral.engines.messages import Change, Nudge, Start, Stop
from corral.engines.owner import Owner
from corral.engines.types import Door, EngineSpec, EngineState, EngineStatus
from corral.kit.errors import ShuttingDown

_DRAIN_STEP = 0.02


class Engine(Owner):
    """One engine of a model."""

    @property
    def door(self) -> Door:
        """Where it can be asked for its figures."""
        up = self._up if self._showing.state is EngineState.READY else None
        if up is None:
            return Door(self.status, self.requests, None, b"")
        return Door(self.status, self.requests, up.pool, up.plan.headers)

    def use(self, spec: EngineSpec) -> None:
        """Runs it so from the next start on. A changed model has not failed yet."""
        if spec != self._spec:
            self._spec = spec
            if self._showing.state is EngineState.FAILED:
                self._failures.clear()

    async def wanted(self) -> Lease | None:
        """Starts it when needed, and returns when it has become ready: a lease, or None when all its slots are taken by
        those who came before. Raises EngineFailed or ShuttingDown."""
        return await self._wish_start(by_user=False)

    async def start(self) -> EngineStatus:
        """Starts it, whatever was before, and waits until it is ready. Raises EngineFailed with its last lines."""
        await self._wish_start(by_user=True)
        return self.status

    def nudge(self) -> None:
        """Starts it if there is memory for it beside all others."""
        self._post(Nudge())

    async def stop(self) -> EngineStatus:
        """Stops it, also while it starts, and waits until it is gone. It does not start again by itself."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._post(Stop(done))
        await done
        return self.status

    async def change(self, spec: EngineSpec) -> None:
        """Ends it after its last answer and starts it as `spec`; requests wait. When that fails it runs again as
        before, and EngineFailed is raised with the reason."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            await self._emptied()
            self._post(Change(spec, done))
            await done
        finally:
            self._held = False

    async def retire(self) -> None:
        """Ends it for good after its last answer."""
        await self._emptied()
        # Whoever waits looks for another engine.
        self._serve()
        await self.close()

    async def close(self) -> None:
        """Stops it for good."""
        self._closing = True
        self._showing.close()
        if not self._owner.done():
            with contextlib.suppress(ShuttingDown):
                await self.stop()
        await self._tasks.stop()

    async def _emptied(self) -> None:
        self._held = True
        while self.running:
            await self._host.clock.sleep(_DRAIN_STEP)

    async def _wish_start(self, *, by_user: bool) -> Lease | None:
        if self._closing:
            raise ShuttingDown("The server is stopping.")
        done: asyncio.Future[Lease | None] = asyncio.get_running_loop().create_future()
        self._post(Start(done, not by_user, by_user))
        try:
            return await done
        except asyncio.CancelledError:
            if done.done() and not done.cancelled() and done.exception() is None:
                # The lease was given in the moment that the wait was given up.
                lease = done.result()
                if lease is not None:
                    lease.release()
            self._host.steward.poke()
            raise
