"""What this machine has: memory within the limits of its container, cores, graphics cards."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
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
    """The cards that the embedded engine can use; a card that only the machine has does not help it."""
    usable = engine_cards()
    free = _free() if usable else {}
    return tuple(replace(one, available=min(one.total, free.get(one.name, one.available))) for one in usable)


@cache
def engine_cards() -> tuple[Device, ...]:
    """What the engine's library says, asked once, in a process of its own as the library is large."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _ASK],
            capture_output=True,
            timeout=_PATIENCE,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        return tuple(Device(str(name), int(total), int(free)) for name, total, free in json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return ()


_PATIENCE = 60.0
_ASK = """
import json, xllamacpp
cards = [one for one in xllamacpp.get_device_info() if one["type"].name.endswith("GPU")]
print(json.dumps([(one["name"], one["memory_total"], one["memory_free"]) for one in cards]))
"""


def _free() -> dict[str, int]:
    """What is free now on NVIDIA cards."""
    try:
        pynvml = importlib.import_module("pynvml")
        pynvml.nvmlInit()
    except ImportError:
        return {}
    except pynvml.NVMLError:
        return {}
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
        return {f"CUDA{at}": int(pynvml.nvmlDeviceGetMemoryInfo(one).free) for at, one in enumerate(handles)}
    except pynvml.NVMLError:
        return {}
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
