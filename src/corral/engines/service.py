"""All engines: made on first use, one a model, ended together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from corral.bus import Bus
from corral.engines.engine import Engine, Lease
from corral.engines.reaper import Ledger
from corral.engines.starting import Host
from corral.engines.types import Door, EngineOptions, EngineState, EngineStatus, Specs
from corral.kit.clock import Clock
from corral.kit.errors import ShuttingDown

TOPIC = "engines"


class Engines:
    """The engines of this server.

    Args:
        specs: tells how a model is run.
        ledger: folder for the notes that let a later server find what is left over.
        environ: the server's environment, of which engines get a few variables.
    """

    def __init__(
        self, specs: Specs, ledger: Path, *, clock: Clock, bus: Bus, options: EngineOptions, environ: Mapping[str, str]
    ) -> None:
        self._specs = specs
        self._ledger = Ledger(ledger)
        self._bus = bus
        self._host = Host(clock, self._ledger, options, environ, self._tell)
        self._engines: dict[str, Engine] = {}
        self._closed = False

    async def start_up(self) -> None:
        """Ends engines that an earlier server left behind."""
        await asyncio.to_thread(self._ledger.reap)

    async def shut_down(self) -> None:
        """Stops all engines and takes no new work."""
        self._closed = True
        await asyncio.gather(*(engine.close() for engine in self._engines.values()))

    def statuses(self) -> tuple[EngineStatus, ...]:
        """The engines that were used since the start, by model."""
        return tuple(engine.status for _, engine in sorted(self._engines.items()))

    def doors(self) -> tuple[Door, ...]:
        """The engines that were used since the start, each with the way to ask it for its figures."""
        return tuple(engine.door for _, engine in sorted(self._engines.items()))

    def status(self, model: str) -> EngineStatus:
        """The state of a model's engine; `stopped` for one never used. Raises ModelNotFound."""
        engine = self._engines.get(model)
        if engine is not None:
            return engine.status
        spec = self._specs.spec(model)
        return EngineStatus(model, EngineState.STOPPED, slots=spec.slots, context_length=spec.context_length)

    def try_lease(self, model: str) -> Lease | None:
        """A lease when the model's engine is ready now."""
        engine = self._engines.get(model)
        return engine.try_lease() if engine is not None else None

    async def lease(self, model: str) -> Lease:
        """A lease; the first one starts the engine. Raises ModelNotFound, EngineFailed, ShuttingDown."""
        return self.try_lease(model) or await self._engine(model).lease()

    async def start(self, model: str) -> EngineStatus:
        """Starts the model's engine and waits until it is ready. Raises as `lease` does."""
        return await self._engine(model).start()

    async def stop(self, model: str) -> EngineStatus:
        """Stops the model's engine. Raises ModelNotFound."""
        engine = self._engines.get(model)
        return self.status(model) if engine is None else await engine.stop()

    async def restart(self, model: str) -> EngineStatus:
        """Stops the model's engine if it runs, and starts it."""
        await self.stop(model)
        return await self.start(model)

    def logs(self, model: str) -> list[str]:
        """The last lines of the model's engine."""
        engine = self._engines.get(model)
        return engine.log.tail() if engine is not None else []

    def _engine(self, model: str) -> Engine:
        if self._closed:
            raise ShuttingDown("The server is stopping.", retry_after=5)
        engine = self._engines.get(model)
        if engine is None:
            engine = self._engines[model] = Engine(self._specs.spec(model), self._host)
        elif engine.status.state in (EngineState.STOPPED, EngineState.FAILED):
            engine.use(self._specs.spec(model))
        return engine

    def _tell(self, status: EngineStatus) -> None:
        self._bus.publish(TOPIC, {"event": "models:status", **status.as_dict()})
