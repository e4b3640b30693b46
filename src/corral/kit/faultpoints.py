"""Named places where a test can end the process as a power switch would.

`reach("name")` stands at the places named in the room pages. It does nothing unless the process was started with
`CORRAL_FAULTPOINT=name` or `name:n` (the n-th time), in which case it sends itself SIGKILL.
"""

from __future__ import annotations

import os
import signal


class _Trap:
    def __init__(self) -> None:
        self.name = ""
        self.left = 0


_trap = _Trap()


def arm(spec: str) -> None:
    """Arms one place: `name` or `name:n` with n from 1. Raises ValueError for another form."""
    name, _, nth = spec.partition(":")
    count = int(nth) if nth else 1
    if not name or count < 1:
        raise ValueError(f"a fault point is 'name' or 'name:n', not {spec!r}")
    _trap.name, _trap.left = name, count


def reach(name: str) -> None:
    """Marks a place; ends the process here when it is the armed one."""
    if name != _trap.name:
        return
    _trap.left -= 1
    if _trap.left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
