"""A change of an engine's settings of which it is not known yet whether it starts with them."""

from __future__ import annotations

import asyncio

from corral.engines.types import EngineSpec
from corral.kit.errors import EngineFailed


class PendingChange:
    """At most one: who waits to hear how it went, and the settings that are known to work."""

    def __init__(self) -> None:
        self._proven: EngineSpec | None = None
        self._done: asyncio.Future[None] | None = None

    def __bool__(self) -> bool:
        return self._done is not None

    def begin(self, running: EngineSpec, done: asyncio.Future[None]) -> None:
        """A change begins. What was proven before an earlier change that never started stays what is proven; whoever
        waits for that one hears of it."""
        proven = self._proven if self._proven is not None else running
        self.answer(EngineFailed("Its settings were changed again before it had started with these."))
        self._proven, self._done = proven, done

    def answer(self, error: EngineFailed | None) -> EngineSpec | None:
        """Tells whoever waits how it went (None: well); the settings to go back to, None when nobody waited."""
        (proven, done), (self._proven, self._done) = (self._proven, self._done), (None, None)
        if done is not None and not done.done():
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
        return proven
