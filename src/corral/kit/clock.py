"""Time as a dependency, so that tests can move it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What rooms need of time."""

    def now(self) -> datetime:
        """The wall clock, aware, UTC. For showing, never for durations."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back. For durations."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)

    monotonic = staticmethod(time.monotonic)
    """See `Clock.monotonic`: asked several times for every request, so without a step between."""

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(seconds)


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`, the form of every time on the wire."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(milliseconds: int) -> datetime:
    """The moment of milliseconds since 1970, as the tables keep them."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
