"""Waiting for something to become true, with a generous deadline instead of a sleep."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def within(work: Awaitable[T], timeout: float = 60.0) -> T:
    """The result of `work`. Raises TimeoutError when there is none in time."""
    async with asyncio.timeout(timeout):
        return await work


async def eventually(
    predicate: Callable[[], Any | Awaitable[Any]], timeout: float = 30.0, interval: float = 0.02, message: str = ""
) -> Any:
    """The first truthy value of `predicate` (sync or async). Raises AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    value: Any = None
    while True:
        value = predicate()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(
                f"{message or 'condition'} did not become true in {timeout:.0f} s; last value {value!r}"
            )
        await asyncio.sleep(interval)
