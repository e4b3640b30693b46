"""Requests that are made once more, elsewhere, for comparison. They never hold anybody up."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from corral.kit.tasks import Tasks

MAX_UNDER_WAY = 8


class Mirror:
    """Runs them beside the requests, MAX_UNDER_WAY at once; the others are left out."""

    def __init__(self) -> None:
        self._tasks = Tasks("mirror")
        self._count = 0

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Begins one, when there is room."""
        if self._count >= MAX_UNDER_WAY:
            work.close()
            return
        self._count += 1
        self._tasks.start("request", work).add_done_callback(self._ended)

    async def stop(self) -> None:
        """Ends all of them."""
        await self._tasks.stop(grace=1.0)

    def _ended(self, _: object) -> None:
        self._count -= 1
