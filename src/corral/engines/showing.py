"""What others see of an engine: its status, and when they are told of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from corral.engines.listening import Listener
from corral.engines.types import EngineState, EngineStatus

if TYPE_CHECKING:
    from corral.engines.owner import Owner

_TELL_AFTER = 0.25
"""Seconds until it is told that an engine became busy or free."""


class Showing:
    """The status of one engine; `listener` is told of `engine` whenever it changes."""

    def __init__(self, engine: Owner, listener: Listener, status: EngineStatus) -> None:
        self.status = status
        self._engine = engine
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._telling: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def state(self) -> EngineState:
        """The state; READY also while a request runs."""
        return self.status.state

    def show(self, **changes: object) -> None:
        """Changes fields of the status, and tells of it when that made a difference."""
        status = replace(self.status, **changes)  # type: ignore[arg-type]
        if status != self.status:
            self.status = status
            self.tell()

    def awake(self) -> None:
        """It sleeps no more; nobody need be told before it is busy."""
        if self.status.sleeping:
            self.status = replace(self.status, sleeping=False)

    def tell(self) -> None:
        """Tells the listener at once."""
        self._listener.told(self._engine)

    def tell_soon(self) -> None:
        """Tells the listener a moment later and once, so that many short requests do not flood those who watch."""
        if self._telling is None and not self._closed:
            self._telling = self._loop.call_later(_TELL_AFTER, self._tell_now)

    def close(self) -> None:
        """Tells nothing a moment later any more."""
        self._closed = True
        if self._telling is not None:
            self._telling.cancel()

    def _tell_now(self) -> None:
        self._telling = None
        self.tell()
