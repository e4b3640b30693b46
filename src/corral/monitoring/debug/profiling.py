"""A sampling profiler of our own process: which functions use the processor, and where threads wait.

A thread looks at the stacks of all others a hundred times a second or so (`sys._current_frames`), and gives each stack the processor
time that its thread has used since the last look (Linux; elsewhere only time that passes is told). It needs no privileges, changes nothing in
the code that is looked at, and costs nothing while it does not run.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from corral.kit.errors import Conflict, InvalidRequest

MIN_SECONDS, MAX_SECONDS = 0.1, 30.0
MIN_RATE, MAX_RATE = 1, 250
MAX_DEPTH = 150
MAX_NODES = 20_000
LEAST = 0.0005
"""Part of the whole below which a function is left out of the answer."""
_THREAD_CLOCK = 6
_CUT = ("(what is deeper)", "", 0)
_Key = tuple[str, str, int]
_PACKAGES = ("site-packages/", "dist-packages/", f"lib/python{sys.version_info.major}.{sys.version_info.minor}/")
_OWN = str(Path(__file__).resolve().parents[3]) + "/"


@dataclass(slots=True)
class Node:
    """A function below those that called it. Times are seconds, with what it called."""

    key: _Key
    cpu: float = 0.0
    wall: float = 0.0
    children: dict[_Key, Node] = field(default_factory=dict)

    def as_dict(self, least_cpu: float, least_wall: float) -> dict[str, Any]:
        """The wire form, milliseconds, without what weighs too little."""
        kept = [one for one in self.children.values() if one.cpu >= least_cpu or one.wall >= least_wall]
        kept.sort(key=lambda one: (-one.cpu, -one.wall))
        name, file, line = self.key
        return {
            "name": name, "file": file, "line": line, "cpuMs": round(self.cpu * 1e3, 3), "wallMs": round(self.wall * 1e3, 3),
            "children": [one.as_dict(least_cpu, least_wall) for one in kept],
        }  # fmt: skip


class Profiler:
    """Profiles this process, one at a time."""

    def __init__(self) -> None:
        self._busy = False
        self._stop = threading.Event()

    async def profile(self, seconds: float = 5.0, rate: int = 100) -> dict[str, Any]:
        """Looks for `seconds` at `rate` Hz. Raises InvalidRequest, and Conflict while another one runs."""
        if not MIN_SECONDS <= seconds <= MAX_SECONDS:
            raise InvalidRequest(f"seconds is {MIN_SECONDS} to {MAX_SECONDS:.0f}.", param="seconds")
        if not MIN_RATE <= rate <= MAX_RATE:
            raise InvalidRequest(f"rate is {MIN_RATE} to {MAX_RATE}.", param="rate")
        if self._busy:
            raise Conflict("A profile is being taken; try again when it is done.", retry_after=seconds)
        self._busy = True
        self._stop.clear()
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        taking = Taking(1 / rate, self._stop)

        def run() -> None:
            try:
                taking.run(seconds)
            finally:
                loop.call_soon_threadsafe(done.set)

        # A thread of its own: those of the pool are what is looked at.
        threading.Thread(target=run, name="corral-profiler", daemon=True).start()
        try:
            await done.wait()
        finally:
            self._stop.set()
            self._busy = False
        return taking.told(rate)

    def stop(self) -> None:
        """Ends the one that runs."""
        self._stop.set()


class Taking:
    """One profile as it is taken, in its own thread."""

    def __init__(self, interval: float, stop: threading.Event) -> None:
        self._interval = interval
        self._stop = stop
        self._root = Node(("all", "", 0))
        self._nodes = 1
        self._threads: dict[str, Node] = {}
        self._used: dict[int, float | None] = {}
        self._names: dict[CodeType, _Key] = {}
        self.samples = 0
        self.seconds = 0.0
        self.own = 0.0
        self.started = 0.0

    def run(self, seconds: float) -> None:
        """Looks until the time is over or it is stopped."""
        self.started = time.time()
        began = last = time.monotonic()
        self._look(0.0)
        while (now := time.monotonic()) - began < seconds:
            if self._stop.wait(min(self._interval, began + seconds - now)):
                break
            now = time.monotonic()
            self._look(now - last)
            last = now
        self.seconds = time.monotonic() - began
        self.own = time.thread_time()

    def _look(self, passed: float) -> None:
        me = threading.get_ident()
        threads = {one.ident: (one.name, one.native_id) for one in threading.enumerate()}
        frames = sys._current_frames()  # noqa: SLF001 - the documented way to see other threads' stacks
        used: dict[int, float | None] = {}
        for ident, frame in frames.items():
            name, native = threads.get(ident, ("unnamed", None))
            if ident == me or native is None:
                continue
            now = used[native] = processor_time(native)
            before = self._used.get(native)
            if passed:
                self._add(
                    name, frame, passed, max(0.0, now - before) if now is not None and before is not None else 0.0
                )
        self._used = used
        self.samples += bool(passed)

    def _add(self, thread: str, frame: FrameType, wall: float, cpu: float) -> None:
        stack: list[_Key] = []
        current: FrameType | None = frame
        while current is not None:
            stack.append(self._key(current.f_code))
            current = current.f_back
        stack.append((thread, "thread", 0))
        stack.reverse()
        node = self._root
        node.wall += wall
        node.cpu += cpu
        for depth, key in enumerate(stack):
            child = node.children.get(key)
            if child is None:
                full = self._nodes >= MAX_NODES or depth >= MAX_DEPTH
                child = node.children.get(_CUT) if full else None
                if child is None:
                    child = node.children[_CUT if full else key] = Node(_CUT if full else key)
                    self._nodes += 1
            child.wall += wall
            child.cpu += cpu
            if child.key is _CUT:
                return
            node = child

    def _key(self, code: CodeType) -> _Key:
        key = self._names.get(code)
        if key is None:
            key = self._names[code] = (code.co_qualname, place_of(code.co_filename), code.co_firstlineno)
        return key

    def told(self, rate: int) -> dict[str, Any]:
        """The wire form."""
        root = self._root
        threads = [
            {"name": one.key[0], "cpuMs": round(one.cpu * 1e3, 3), "wallMs": round(one.wall * 1e3, 3)}
            for one in sorted(root.children.values(), key=lambda one: -one.cpu)
        ]
        return {
            "startedAt": self.started, "seconds": round(self.seconds, 3), "rate": rate, "samples": self.samples,
            "processorTimes": any(value is not None for value in self._used.values()), "ownMs": round(self.own * 1e3, 3),
            "threads": threads, "tree": root.as_dict(root.cpu * LEAST, root.wall * LEAST),
            "functions": list(flat(root)),
        }  # fmt: skip


def flat(root: Node, limit: int = 200) -> Iterator[dict[str, Any]]:
    """The functions that used most by themselves, over all stacks."""
    own: dict[_Key, list[float]] = {}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        waiting += node.children.values()
        if node.key[1] not in ("", "thread"):
            mine = own.setdefault(node.key, [0.0, 0.0])
            mine[0] += node.cpu - sum(one.cpu for one in node.children.values())
            mine[1] += node.wall - sum(one.wall for one in node.children.values())
    for (name, file, line), (cpu, wall) in sorted(own.items(), key=lambda one: (-one[1][0], -one[1][1]))[:limit]:
        told = {"ownCpuMs": round(max(0.0, cpu) * 1e3, 3), "ownWallMs": round(max(0.0, wall) * 1e3, 3)}
        yield {"name": name, "file": file, "line": line, **told}


def processor_time(native_id: int) -> float | None:
    """Seconds that a thread has used; None where that cannot be known, or when it has ended."""
    if sys.platform != "linux":
        return None
    try:
        # A thread's clock by the kernel's numbering (clock_getcpuclockid(3)); of a thread that has ended it says so, while
        # pthread_getcpuclockid would look into memory that is gone.
        return time.clock_gettime(~native_id << 3 | _THREAD_CLOCK)
    except OSError:
        return None


def place_of(path: str) -> str:
    """A file's place without what only this machine knows."""
    if path.startswith(_OWN):
        return path[len(_OWN) :]
    for mark in _PACKAGES:
        _, found, rest = path.rpartition(mark)
        if found:
            return rest
    return path.rsplit("/", 1)[-1]
