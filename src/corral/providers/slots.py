"""How many requests go to one provider at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from corral.kit.errors import Unavailable


class Slots:
    """So many at once; the others wait in their order. `who` is how messages call the provider."""

    __slots__ = ("_free", "_waiting", "_who")

    def __init__(self, count: int, who: str) -> None:
        self._free = count
        self._who = who
        self._waiting: deque[asyncio.Future[None]] = deque()

    def try_take(self) -> bool:
        """Takes one, when one is free."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def take(self, seconds: float) -> None:
        """Takes one. Raises Unavailable when none is free in time."""
        if self.try_take():
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(seconds):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():
                # It was handed over in the moment that the wait was given up.
                self.release()
            else:
                with contextlib.suppress(ValueError):
                    self._waiting.remove(place)
            if isinstance(error, TimeoutError):
                raise Unavailable(f"{self._who} has all its connections in use.", retry_after=1) from None
            raise

    def release(self) -> None:
        """Gives one back: to the first who waits."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1
