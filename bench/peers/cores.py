"""Which core does what: everything that is measured on one, everything that measures on the others."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cores:
    """The cores of the servers and of the load; both None where processes cannot be bound to cores."""

    servers: frozenset[int] | None
    load: frozenset[int] | None

    @contextlib.contextmanager
    def for_servers(self) -> Iterator[None]:
        """Programs that are started within run on the servers' core."""
        _bind(self.servers)
        try:
            yield
        finally:
            _bind(self.load)


@contextlib.contextmanager
def divided() -> Iterator[Cores]:
    """This process and what it starts on the load's cores, with as many open files as it may have."""
    may: set[int] = getattr(os, "sched_getaffinity", lambda _: set())(0)
    first = min(may, default=0)
    cores = Cores(frozenset({first}), frozenset(may - {first})) if len(may) > 1 else Cores(None, None)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536) if hard > 0 else 65_536, hard))
    _bind(cores.load)
    try:
        yield cores
    finally:
        _bind(frozenset(may) if cores.load else None)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _bind(cores: frozenset[int] | None) -> None:
    if cores is not None:
        os.sched_setaffinity(0, cores)
