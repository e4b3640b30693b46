"""A hub of its own for a test; afterwards logging is as before."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from corral.telemetry import Levels, LogHub
from corral.telemetry.logging import hand_over


@contextlib.contextmanager
def own_hub(level: str = "info") -> Iterator[LogHub]:
    """A hub that takes all lines of the standard library's loggers meanwhile."""
    root = logging.getLogger()
    before, was = root.handlers[:], root.level
    hub = LogHub(Levels(level))
    hand_over(hub)
    try:
        yield hub
    finally:
        hub.levels.change("info", dict.fromkeys(hub.levels.rules))
        root.handlers[:] = before
        root.setLevel(was)


def put(hub: LogHub, message: str, at: float = 1_800_000_000.0, **more: object) -> None:
    """One line, `at` seconds since 1970; `level`, `source`, `request_id` and facts by name."""
    level, source = str(more.pop("level", "info")), str(more.pop("source", "corral.test"))
    hub.take(at, level, source, message, (str(more.pop("request_id", "")), more))
