"""Fills the configuration's port to the engines."""

from __future__ import annotations

import contextlib

from corral.engines import Engines
from corral.engines.types import EngineState, Specs
from corral.kit.errors import CorralError, EngineFailed

_RUNNING = (EngineState.STARTING, EngineState.LOADING, EngineState.READY, EngineState.BUSY)


class EngineControl:
    """See `models.configuration.ports.EngineControl`."""

    def __init__(self, engines: Engines, specs: Specs) -> None:
        self._engines = engines
        self._specs = specs

    def running(self, name: str) -> bool:
        """See the port."""
        return any(status.model == name and status.state in _RUNNING for status in self._engines.statuses())

    def stale(self, name: str) -> bool:
        """See the port."""
        try:
            return self._engines.stale(name)
        except CorralError:
            # Its file is gone or spoiled; what runs can only be older than that.
            return False

    async def apply(self, name: str) -> None:
        """See the port."""
        need, limit = self._specs.spec(name).memory_bytes, self._engines.memory()["budget"]
        if need > limit:
            # Known before anything is stopped or started for it.
            text = f"It would need {need / 1e9:.1f} GB of memory; all engines together may use {limit / 1e9:.1f} GB."
            raise EngineFailed(text, details={"code": "out_of_memory", "lastLines": []})
        await self._engines.apply(name)

    async def renew(self) -> None:
        """See the port."""
        for name in [status.model for status in self._engines.statuses() if status.state in _RUNNING]:
            if not self.stale(name):
                # It runs with the same options, so nothing is started for this.
                with contextlib.suppress(CorralError):
                    await self._engines.apply(name)

    async def stop(self, name: str) -> None:
        """See the port."""
        await self._engines.stop(name)
