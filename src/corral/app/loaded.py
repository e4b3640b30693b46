"""Asks the engines of the settings what they have loaded, as soon as they are ready and whenever models are looked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from corral.bus import Bus, Lagged
from corral.engines import Engines
from corral.engines.service import TOPIC
from corral.engines.told import Told, ask
from corral.engines.types import EngineState
from corral.kit.tasks import Tasks

NEWS = "models"


class LoadedModels:
    """What engines have told, by the model's name. `wanted` says which are asked."""

    def __init__(self, engines: Engines, bus: Bus, wanted: Callable[[str], bool]) -> None:
        self._engines = engines
        self._bus = bus
        self._wanted = wanted
        self._told: dict[str, Told] = {}
        self._tasks = Tasks("loaded models")
        self.revision = 0

    def start(self) -> None:
        """Asks from now on."""
        self._tasks.start("ask", self._follow())

    async def stop(self) -> None:
        """Asks no more."""
        await self._tasks.stop()

    def get(self, name: str) -> Told | None:
        """What the engine of a model told last."""
        return self._told.get(name)

    async def look(self) -> None:
        """Asks all engines that are ready."""
        doors = {door.status.model: door for door in self._engines.doors() if self._wanted(door.status.model)}
        answers = await asyncio.gather(*(ask(door) for door in doors.values()))
        told = {name: answer for name, answer in zip(doors, answers, strict=True) if answer is not None}
        if any(self._told.get(name) != answer for name, answer in told.items()):
            self._told.update(told)
            self.revision += 1
            self._bus.publish(NEWS, {"event": "models:changed"})

    async def _follow(self) -> None:
        while True:
            try:
                with self._bus.subscribe(TOPIC) as subscription:
                    async for _, event in subscription:
                        if event.get("state") == EngineState.READY and self._wanted(
                            event.get("model") or event["name"]
                        ):
                            await self.look()
            except Lagged:
                await self.look()
