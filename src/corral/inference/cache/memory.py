"""Answers in memory."""

from __future__ import annotations

from collections import OrderedDict

from corral.inference.cache.types import Kept
from corral.kit.clock import Clock


class MemoryAnswers:
    """See `AnswerStore`. They are gone after a restart."""

    def __init__(self, clock: Clock, max_bytes: int) -> None:
        self._clock = clock
        self._max = max_bytes
        self._kept: OrderedDict[tuple[str, str], Kept] = OrderedDict()
        self.size = 0
        """Bytes that are kept."""

    async def start(self) -> None:
        """See `AnswerStore.start`."""

    async def stop(self) -> None:
        """See `AnswerStore.stop`."""

    async def get(self, tenant: str, key: str) -> Kept | None:
        """See `AnswerStore.get`."""
        found = self._kept.get((tenant, key))
        if found is None:
            return None
        if found.expires <= self._clock.now().timestamp() * 1000:
            self._drop((tenant, key))
            return None
        self._kept.move_to_end((tenant, key))
        return found

    async def put(self, tenant: str, key: str, kept: Kept) -> None:
        """See `AnswerStore.put`."""
        self._drop((tenant, key))
        if kept.size > self._max:
            return
        self._kept[tenant, key] = kept
        self.size += kept.size
        while self.size > self._max:
            self._drop(next(iter(self._kept)))

    async def clear(self, tenant: str | None = None) -> None:
        """See `AnswerStore.clear`."""
        for place in [one for one in self._kept if tenant is None or one[0] == tenant]:
            self._drop(place)

    def _drop(self, place: tuple[str, str]) -> None:
        gone = self._kept.pop(place, None)
        if gone is not None:
            self.size -= gone.size
