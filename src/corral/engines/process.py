"""An engine's process: started, listened to, and ended for certain."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass
from typing import Any

import psutil

from corral.kit.rings import LineRing
from corral.kit.tasks import Tasks

_PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "VIRTUAL_ENV",
    "PYTHONPATH",
)
_LINE_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Launch:
    """What to run: a module of ours, the token that proves it is ours, and its configuration."""

    module: str
    token: str
    config: Any
    environment: dict[str, str]


class EngineProcess:
    """One child process. Make it with `start`."""

    def __init__(self, process: asyncio.subprocess.Process, log: LineRing) -> None:
        self._process = process
        self._log = log
        self.lines = 0
        self._tasks = Tasks(f"engine process {process.pid}")
        assert process.stderr is not None
        self._pump = self._tasks.start("log", self._read(process.stderr))

    @classmethod
    async def start(cls, launch: Launch, log: LineRing) -> EngineProcess:
        """Starts it in a session of its own. Raises OSError."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", launch.module, launch.token,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            env=launch.environment, start_new_session=True, limit=_LINE_LIMIT,
        )  # fmt: skip
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):
            process.stdin.write(json.dumps(launch.config).encode() + b"\n")
            await process.stdin.drain()
        return cls(process, log)

    @property
    def pid(self) -> int:
        """Its process id, which is its group's too."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.returncode

    def memory(self) -> int:
        """Resident bytes of it and its children."""
        try:
            own = psutil.Process(self.pid)
            return sum(one.memory_info().rss for one in (own, *own.children(recursive=True)))
        except psutil.Error:
            return 0

    async def wait(self) -> int:
        """Its exit code, after its last line was read."""
        code = await self._process.wait()
        # A grandchild may hold the pipe open; its lines are not worth waiting for.
        await asyncio.wait([self._pump], timeout=1.0)
        return code

    async def end(self, grace: float) -> None:
        """SIGTERM, then SIGKILL to the group after `grace` seconds; returns when it is gone."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(grace):
                    await self._process.wait()
            except TimeoutError:
                pass
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._tasks.stop()

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await stream.readline()
            except ValueError:
                continue
            if not line:
                return
            self.lines += 1
            self._log.append(line.decode("utf-8", "replace").rstrip())


def passed_on(environ: dict[str, str]) -> dict[str, str]:
    """The environment of an engine: what it needs to run, and no secrets."""
    return {name: environ[name] for name in _PASSED_ON if name in environ} | {"GGML_NO_BACKTRACE": "1"}
