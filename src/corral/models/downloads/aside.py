"""Blocking work in a thread of its own, which may outlive whoever waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[[], T], ended: threading.Event | None = None) -> T:
    """What `work` returns or raises. When the caller is cancelled, `ended` is set and the thread is left to notice it."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def done(value: T | None, error: BaseException | None) -> None:
        if not result.done():
            if error is not None:
                result.set_exception(error)
            else:
                result.set_result(value)  # type: ignore[arg-type]

    def run() -> None:
        value: T | None = None
        failure: BaseException | None = None
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 - it is raised again in the caller
            failure = error
        # The loop may be closed by now; then nobody waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(done, value, failure)

    threading.Thread(target=run, name="corral-download", daemon=True).start()
    try:
        return await result
    except asyncio.CancelledError:
        if ended is not None:
            ended.set()
        raise
