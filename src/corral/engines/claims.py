"""The wish of an engine for a place in memory, and the place once it has it."""

from __future__ import annotations

import asyncio
from typing import Protocol

from corral.engines.residency import Stage
from corral.engines.types import EngineSpec
from corral.kit.clock import Clock
from corral.kit.errors import EngineFailed


class NoRoom(EngineFailed):
    """There is no memory for an engine."""

    code = "no_room"


class Tenant(Protocol):
    """An engine as the steward sees it."""

    @property
    def name(self) -> str:
        """One name a process: the model's, with a number where there are several."""
        ...

    @property
    def replica(self) -> int:
        """Its number among the engines of its model, from 0."""
        ...

    @property
    def spec(self) -> EngineSpec:
        """How it runs."""
        ...

    @property
    def gentle(self) -> bool:
        """Whether nobody may be asked to leave for it."""
        ...

    @property
    def waiting(self) -> int:
        """How many wait for it."""
        ...

    @property
    def running(self) -> int:
        """How many requests it works on."""
        ...

    @property
    def last_used(self) -> float:
        """When the last answer ended."""
        ...

    def close_door(self) -> None:
        """It takes no new requests; they wait."""
        ...

    def open_door(self) -> None:
        """It takes requests again."""
        ...

    def leave(self) -> None:
        """Closed and empty, it is to end."""
        ...

    def delayed(self) -> None:
        """It waits for memory, or does so no longer."""
        ...

    def withdraw(self) -> None:
        """There is no place and nobody waits, so it is not to start."""
        ...


class Keeper(Protocol):
    """Whoever gives the places."""

    clock: Clock

    def settled(self, claim: Claim) -> None:
        """An engine has become ready."""
        ...

    async def freed(self, claim: Claim) -> None:
        """See `Claim.free`."""
        ...


class Claim:
    """One engine's place, or its wish for it. Made by `Steward.claim`; must be given back with `free`."""

    def __init__(self, keeper: Keeper, tenant: Tenant, key: str, need: int) -> None:
        loop = asyncio.get_running_loop()
        self.tenant = tenant
        self.key = key
        self.need = need
        self.used = 0
        self.peak = 0
        self.pid: int | None = None
        self.stage = Stage.WAITING
        self.closed = False
        self.delayed = False
        self.moment = keeper.clock.monotonic()
        """When it was made, granted, or taken: the last of these."""
        self.load_seconds = 0.0
        self._keeper = keeper
        self._prepared: asyncio.Future[None] = loop.create_future()
        self._granted: asyncio.Future[None] = loop.create_future()

    async def prepared(self) -> None:
        """Returns when room is about to become free. Raises NoRoom."""
        await self._prepared

    async def granted(self) -> None:
        """Returns when there is room. Raises NoRoom."""
        await self._granted

    def taken(self, pid: int | None) -> None:
        """The engine is ready, as process `pid`."""
        now = self._keeper.clock.monotonic()
        self.stage, self.pid = Stage.TAKEN, pid
        self.load_seconds, self.moment = now - self.moment, now
        self._keeper.settled(self)

    def leaving(self) -> None:
        """The engine begins to end."""
        self.stage = Stage.LEAVING

    def dismiss(self) -> None:
        """It gets no place, and never had one."""
        self.stage, self.need = Stage.LEAVING, 0

    async def free(self) -> None:
        """Gives it back; returns when its memory was measured to be free. A second time does nothing."""
        for future in (self._prepared, self._granted):
            future.cancel()
        await self._keeper.freed(self)

    def prepare(self) -> None:
        """Room is about to become free."""
        if not self._prepared.done():
            self._prepared.set_result(None)

    def grant(self, now: float) -> None:
        """There is room."""
        self.stage, self.moment = Stage.COMING, now
        self.prepare()
        if not self._granted.done():
            self._granted.set_result(None)

    def refuse(self, error: NoRoom) -> None:
        """There is none and will be none."""
        self.dismiss()
        waiting = self._granted if self._prepared.done() else self._prepared
        if not waiting.done():
            waiting.set_exception(error)
