"""Measures memory: what processes use, and what the machine has."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

RESERVE_SHARE, RESERVE_MOST = 0.1, 2 << 30
_CGROUP_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
_CGROUP_USED = ("memory.current", "memory/memory.usage_in_bytes")
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Machine:
    """Bytes: all memory of this machine or container, and what it could give to a new process now."""

    total: int
    available: int


class Gauge(Protocol):
    """How memory is measured; its calls may take milliseconds."""

    def used(self, pids: Iterable[int]) -> Mapping[int, int]:
        """Bytes of each process with all that it started; zero for one that is gone."""
        ...

    def machine(self) -> Machine:
        """What there is."""
        ...


class SystemGauge:
    """Asks the operating system."""

    def used(self, pids: Iterable[int]) -> Mapping[int, int]:
        """See `Gauge.used`. Pages that several processes share are divided between them where the system tells."""
        children: defaultdict[int, list[int]] = defaultdict(list)
        asked = list(pids)
        wanted = [pid for pid in asked if psutil.pid_exists(pid)]
        if wanted:
            for process in psutil.process_iter(["ppid"]):
                children[process.info["ppid"] or 0].append(process.pid)
        return dict.fromkeys(asked, 0) | {pid: sum(map(_own, _family(pid, children))) for pid in wanted}

    def machine(self) -> Machine:
        """See `Gauge.machine`."""
        memory = psutil.virtual_memory()
        total, available = int(memory.total), int(memory.available)
        limit, used = _first(_CGROUP_LIMITS), _first(_CGROUP_USED)
        if limit is not None and limit < total:
            # Files that a container has read count as used there, so what is left is at least this.
            available = min(available, max(0, limit - (used or 0)))
            total = limit
        return Machine(total, available)


def budget(setting: int | None, machine: Machine) -> int:
    """Bytes that all engines together may use: as set, else all of the machine but a reserve."""
    if setting is not None:
        return setting
    return machine.total - min(RESERVE_MOST, int(machine.total * RESERVE_SHARE))


def _family(root: int, children: Mapping[int, list[int]]) -> list[int]:
    family = [root]
    for pid in family:
        family.extend(children.get(pid, ()))
    return family


def _own(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def _first(names: Iterable[str]) -> int | None:
    for name in names:
        with contextlib.suppress(OSError, ValueError):
            return int((_CGROUP / name).read_text())
    return None
