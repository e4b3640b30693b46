"""Lets engines that run with earlier settings go over to those that count now, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal

from corral.bus import Bus
from corral.kit.clock import Clock, iso
from corral.kit.errors import Conflict, CorralError
from corral.kit.tasks import Tasks
from corral.models.configuration.ports import EngineControl
from corral.models.configuration.sets import CONFIG_TOPIC

LAST_LINES = 12
_LONGEST_LINE = 500
State = Literal["waiting", "restarting", "done", "failed", "skipped"]


@dataclass(slots=True)
class _One:
    """One engine of a renewal. `serves`: whether an engine of the model answers, the old or the new one."""

    name: str
    state: State = "waiting"
    error: str | None = None
    last_lines: list[str] = field(default_factory=list)
    serves: bool = True

    def as_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {"name": self.name, "state": self.state}
        if self.error is not None:
            told.update(error=self.error, lastLines=self.last_lines, serves=self.serves)
        return told


class Renewing:
    """One renewal at a time; the last one is told until the next begins.

    Args:
        pending: the models whose engines run with earlier settings.
    """

    def __init__(self, engines: EngineControl, pending: Callable[[], list[str]], *, clock: Clock, bus: Bus) -> None:
        self._engines = engines
        self._pending = pending
        self._clock = clock
        self._bus = bus
        self._tasks = Tasks("renewal of engines")
        self._all: list[_One] = []
        self._running = False
        self._stopping = False
        self._by = ""
        self._began = ""

    async def stop(self) -> None:
        """Ends what is under way."""
        await self._tasks.stop()

    def state(self) -> dict[str, Any] | None:
        """How far it is, None before the first one."""
        if not self._began:
            return None
        return {
            "running": self._running, "stopping": self._running and self._stopping, "by": self._by, "startedAt": self._began,
            "engines": [one.as_dict() for one in self._all],
        }  # fmt: skip

    def begin(self, names: Collection[str] | None, *, by: str) -> dict[str, Any]:
        """Begins with those of `names` whose engines run with earlier settings, or with all such. Raises Conflict while one is under way."""
        if self._running:
            raise Conflict("Engines are being restarted already.", details={"renewal": self.state()})
        wanted = [name for name in self._pending() if names is None or name in names]
        self._all = [_One(name) for name in wanted]
        self._running, self._stopping, self._by, self._began = bool(wanted), False, by, iso(self._clock.now())
        if wanted:
            self._tasks.start("renew", self._run())
        self._tell()
        return self.state() or {}

    def finish(self) -> dict[str, Any] | None:
        """Restarts no more after the present one; how far it is."""
        if self._running and not self._stopping:
            self._stopping = True
            self._tell()
        return self.state()

    async def _run(self) -> None:
        try:
            for one in self._all:
                if self._stopping:
                    one.state = "skipped"
                else:
                    await self._renew(one)
        finally:
            for one in self._all:
                if one.state in ("waiting", "restarting"):
                    one.state = "skipped"
            self._running = False
            self._tell()

    async def _renew(self, one: _One) -> None:
        if not self._engines.stale(one.name):
            # It was stopped, or restarted by somebody else, while it waited.
            one.state = "skipped"
            return
        one.state = "restarting"
        self._tell()
        try:
            await self._engines.apply(one.name)
        except CorralError as error:
            lines = (error.details or {}).get("lastLines", ())
            one.error = error.message.splitlines()[0].removesuffix(" Last lines of the engine:")
            one.last_lines = [str(line)[:_LONGEST_LINE] for line in list(lines)[-LAST_LINES:]]
            one.serves = self._engines.running(one.name)
            one.state = "failed"
        else:
            one.state = "done"
        self._tell()

    def _tell(self) -> None:
        self._bus.publish(CONFIG_TOPIC, {"event": "config:renewal", "renewal": self.state()})
