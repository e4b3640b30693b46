"""An engine's process: started, listened to, and ended for certain."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from corral.kit.rings import LineRing
from corral.kit.tasks import Tasks

MARK = "CORRAL_ENGINE_TOKEN"
"""Stands in the environment of an engine and of all that it starts, and proves that they are ours."""
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
    "OMP_THREAD_LIMIT",
    "OMP_WAIT_POLICY",
    "GOMP_SPINCOUNT",
)
_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
SPINS = "1000"
"""How often a thread of an engine looks whether the others are done before it sleeps: about as long as going to sleep and waking takes.
The 300,000 of libgomp keep a core for milliseconds, in which a thread of another engine cannot do what its own engine waits for."""
_LINE_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Launch:
    """What to run: a program of ours, the token that proves it is ours, and its configuration."""

    program: Path
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
        self._pump: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, launch: Launch, log: LineRing) -> EngineProcess:
        """Starts it in a session of its own; it waits for `configure`. Raises OSError."""
        # asyncio's own pipe for the output would hide the end of the process while a grandchild holds it open.
        output, its_output = os.pipe()
        try:
            process = await _spawned(launch, its_output, lambda made: cls(made, log).end(0.0))
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(its_output)
        made = cls(process, log)
        made._pump = made._tasks.start("log", made._read(output))
        return made

    def configure(self, config: Any) -> None:
        """Tells it what to do."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(config).encode() + b"\n")

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
        total = 0
        for one in self._family():
            with contextlib.suppress(psutil.Error):
                total += one.memory_info().rss
        return total

    def listens(self, port: int) -> bool:
        """Whether it or what it started listens at `port`; yes where the system does not tell."""
        try:
            connections = [one for process in self._family() for one in process.net_connections("tcp")]
        except psutil.Error:
            return True
        return any(one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port for one in connections)

    async def wait(self) -> int:
        """Its exit code, after its last line was read."""
        code = await self._process.wait()
        # A grandchild may hold the pipe open; its lines are not worth waiting for.
        if self._pump is not None:
            await asyncio.wait([self._pump], timeout=1.0)
        return code

    async def end(self, grace: float) -> None:
        """SIGTERM, then SIGKILL to the group after `grace` seconds; returns when it is gone."""
        family = self._family()
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        # What left the group with a session of its own.
        for one in family:
            with contextlib.suppress(psutil.Error):
                one.kill()
        await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._tasks.stop()

    def _family(self) -> list[psutil.Process]:
        """It and all that it started, none once it has ended."""
        if self.code is not None:
            return []
        try:
            own = psutil.Process(self.pid)
            return [own, *own.children(recursive=True)]
        except psutil.Error:
            return []

    async def _read(self, output: int) -> None:
        stream = asyncio.StreamReader(limit=_LINE_LIMIT)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(output, "rb", buffering=0)
        )
        try:
            await self._keep(stream)
        finally:
            transport.close()

    async def _keep(self, stream: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await stream.readline()
            except ValueError:
                continue
            if not line:
                return
            self.lines += 1
            self._log.append(line.decode("utf-8", "replace").rstrip())


async def _spawned(
    launch: Launch, output: int, give_up: Callable[[asyncio.subprocess.Process], Coroutine[None, None, None]]
) -> asyncio.subprocess.Process:
    """The new process; when the caller is cancelled meanwhile, `give_up` ends it first."""
    # Run by its path, not as a module: it needs nothing of Corral and so starts in a fraction of the time.
    spawning = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *(sys.executable, "-P", str(launch.program)),
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            env={**launch.environment, MARK: launch.token},
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(spawning)
    except asyncio.CancelledError:
        await give_up(await spawning)
        raise


def passed_on(environ: dict[str, str]) -> dict[str, str]:
    """The environment of an engine: what it needs to run, how its threads share the processor, and no secrets."""
    passed = {name: environ[name] for name in _PASSED_ON if name in environ} | {"GGML_NO_BACKTRACE": "1"}
    return passed if any(name in passed for name in _WAITING) else {**passed, "GOMP_SPINCOUNT": SPINS}
