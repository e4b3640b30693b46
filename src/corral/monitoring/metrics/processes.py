"""Memory and processor time of process families, in one look at all processes of the machine."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import psutil

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_ENDED = (b"Z", b"X")
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_STATE, _SESSION, _USER, _SYSTEM, _RSS = 0, 3, 11, 12, 21
"""Places in /proc/PID/stat, counted from behind the command's name."""


@dataclass(frozen=True, slots=True)
class Use:
    """Resident bytes, and processor seconds so far."""

    rss: int
    cpu_seconds: float


def families(pids: Collection[int]) -> dict[int, Use]:
    """What each process of `pids` and its descendants use; those that have ended are left out."""
    if not pids:
        return {}
    return _by_session(set(pids)) if sys.platform == "linux" else _by_children(pids)


def _by_session(pids: set[int]) -> dict[int, Use]:
    # Each engine begins a session of its own, so the session names the family, also of orphaned grandchildren.
    found: dict[int, Use] = {}
    for entry in os.scandir(_PROC):
        if not entry.name.isdigit():
            continue
        try:
            text = Path(entry.path, "stat").read_bytes()
        except OSError:
            continue
        parts = text[text.rindex(b")") + 2 :].split()
        session = int(parts[_SESSION])
        if session in pids and parts[_STATE] not in _ENDED:
            before = found.get(session, Use(0, 0.0))
            seconds = (int(parts[_USER]) + int(parts[_SYSTEM])) / _TICKS
            found[session] = Use(before.rss + int(parts[_RSS]) * _PAGE, before.cpu_seconds + seconds)
    return found


def _by_children(pids: Collection[int]) -> dict[int, Use]:
    found = {}
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            own = psutil.Process(pid)
            rss, seconds = 0, 0.0
            for one in (own, *own.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    times = one.cpu_times()
                    rss, seconds = rss + one.memory_info().rss, seconds + times.user + times.system
            found[pid] = Use(rss, seconds)
    return found
