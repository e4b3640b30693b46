"""How long a caller waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from corral.kit.errors import InvalidRequest, UpstreamTimeout


def loop_time(seconds: float | None) -> float | None:
    """When so many seconds are over, by the running loop's clock. Raises InvalidRequest for what is no number over 0."""
    if seconds is None:
        return None
    if not isinstance(seconds, int | float) or not seconds > 0:
        raise InvalidRequest("timeout: must be a number of seconds over 0.", param="timeout")
    return asyncio.get_running_loop().time() + seconds


@asynccontextmanager
async def limited(until: float | None, seconds: float | None) -> AsyncIterator[None]:
    """What stands under it is given up at `until`. Raises UpstreamTimeout naming `seconds`."""
    try:
        async with asyncio.timeout_at(until) as scope:
            yield
    except TimeoutError:
        if not scope.expired():
            raise
        raise UpstreamTimeout(f"The answer took longer than {seconds:g} s.") from None
