"""What this machine has: memory within the limits of its container, cores, graphics cards."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import psutil

from corral.models.fit.types import Device, Machine

_CGROUP = Path("/sys/fs/cgroup")


def look(limit: int | None = None) -> Machine:
    """Asks the operating system; some milliseconds."""
    memory = psutil.virtual_memory()
    total, available = int(memory.total), int(memory.available)
    most, used = _cgroup()
    if most is not None and most < total:
        total, available = most, min(available, max(0, most - used))
    return Machine(total, available, cores(), cards(), limit)


def cores() -> int:
    """Cores that this process may use, without their second threads."""
    logical, physical = os.cpu_count() or 1, psutil.cpu_count(logical=False) or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    return max(1, min(physical, allowed))


def cards() -> tuple[Device, ...]:
    """NVIDIA cards, none where their library is not there."""
    try:
        pynvml = importlib.import_module("pynvml")
        pynvml.nvmlInit()
    except ImportError:
        return ()
    except pynvml.NVMLError:
        return ()
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
        memories = [pynvml.nvmlDeviceGetMemoryInfo(handle) for handle in handles]
        return tuple(Device(f"CUDA{number}", int(one.total), int(one.free)) for number, one in enumerate(memories))
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()


def _cgroup() -> tuple[int | None, int]:
    """The container's limit, None without one, and what counts against it and cannot be given up."""
    for limit, used, inactive in (
        ("memory.max", "memory.current", "memory.stat"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
    ):
        most = _number(_CGROUP / limit)
        if most is not None:
            return most, max(0, (_number(_CGROUP / used) or 0) - _cached(_CGROUP / inactive))
    return None, 0


def _cached(stat: Path) -> int:
    """Pages of files that are given up when memory is needed."""
    try:
        lines = stat.read_text().splitlines()
    except OSError:
        return 0
    found = dict(line.split(" ", 1) for line in lines if " " in line)
    text = found.get("total_inactive_file") or found.get("inactive_file") or "0"
    return int(text) if text.isdigit() else 0


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
