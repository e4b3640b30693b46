"""Any order of wishes, requests, crashes and stops, with real processes, against a small model of what must hold."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from corral.engines import EngineState, Lease
from corral.engines.process import MARK
from corral.kit.errors import EngineFailed
from tests.support.engines import Table, engines, fake
from tests.support.scale import scaled
from tests.support.waiting import eventually

S = EngineState
ALLOWED = {
    (S.STOPPED, S.STARTING), (S.STARTING, S.LOADING), (S.LOADING, S.READY), (S.READY, S.STOPPING),
    (S.BUSY, S.STOPPING), (S.STOPPING, S.STOPPED), (S.STOPPING, S.FAILED), (S.FAILED, S.STARTING), (S.FAILED, S.STOPPED),
    (S.STARTING, S.FAILED), (S.LOADING, S.FAILED), (S.STARTING, S.STOPPING), (S.LOADING, S.STOPPING), (S.STOPPED, S.STOPPED),
}  # fmt: skip


def ours(home: Path) -> list[int]:
    """The processes of engines that were started in `home`."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            environment = process.environ()
            if environment.get(MARK) and environment.get("TMPDIR") == str(home):
                found.append(process.pid)
    return found


class EngineMachine(RuleBasedStateMachine):
    """The model: whether a start or a stop was the last wish that was answered, and who holds leases."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.home = Path(tempfile.mkdtemp(prefix="engine-machine-"))
        self.broken = self.home / "broken"
        self.stack = AsyncExitStack()
        self.leases: list[Lease] = []
        self.states: list[EngineState] = [S.STOPPED]
        self.waiting: list[asyncio.Task[Lease]] = []
        self.do(self.open())

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    async def open(self) -> None:
        table = Table(fake=fake("--broken-by", str(self.broken)))
        options = {"crash_limit": 3, "stop_grace": 10.0, "drain": 0.05}
        environ = {**os.environ, "TMPDIR": str(self.home)}
        self.engines, bus = await self.stack.enter_async_context(engines(self.home, table, environ=environ, **options))
        self.told = self.stack.enter_context(bus.subscribe("engines"))
        self.following = asyncio.create_task(self.follow())

    async def follow(self) -> None:
        async for _, event in self.told:
            state = S(event["state"])
            if state is S.BUSY:
                state = S.READY
            if state is not self.states[-1]:
                assert (self.states[-1], state) in ALLOWED, f"{self.states[-1]} went to {state}"
                self.states.append(state)

    @rule()
    def start(self) -> None:
        try:
            status = self.do(self.engines.start("fake"))
        except EngineFailed:
            assert self.broken.exists()
        else:
            assert not self.broken.exists() or self.states[-1] is S.READY
            assert status.state in (S.READY, S.BUSY)

    @rule()
    def stop(self) -> None:
        assert self.do(self.engines.stop("fake")).state is S.STOPPED
        assert self.do(self.counted()) == 0

    @rule()
    def ask(self) -> None:
        """A request that may have to wait; what came of it is seen later."""

        async def leasing() -> None:
            self.waiting.append(asyncio.create_task(self.engines.lease("fake")))
            await asyncio.sleep(0.05)

        self.do(leasing())

    @precondition(lambda self: self.waiting)
    @rule()
    def answered(self) -> None:
        """Every request gets a lease or an error."""

        async def collect() -> None:
            done, left = await asyncio.wait(self.waiting, timeout=60)
            assert not left, "a request was never answered"
            for task in done:
                if task.exception() is None:
                    self.leases.append(task.result())
                else:
                    assert isinstance(task.exception(), EngineFailed)
            self.waiting.clear()

        self.do(collect())

    @precondition(lambda self: self.leases)
    @rule()
    def release(self) -> None:
        lease = self.leases.pop()
        lease.release()
        lease.release()

    @rule()
    def crash(self) -> None:
        pid = self.engines.status("fake").pid
        if pid is not None and self.engines.status("fake").state in (S.READY, S.BUSY):
            for child in psutil.Process(pid).children():
                with suppress(psutil.Error):
                    child.send_signal(signal.SIGKILL)
            self.do(eventually(lambda: self.engines.status("fake").pid != pid))

    @rule()
    def break_or_mend(self) -> None:
        if self.broken.exists():
            self.broken.unlink()
        else:
            self.broken.touch()

    async def counted(self) -> int:
        await asyncio.sleep(0)
        return len(ours(self.home))

    @invariant()
    def at_most_one_engine(self) -> None:
        # A guardian and its command.
        assert self.do(self.counted()) <= 2

    @invariant()
    def leases_only_of_ready_engines(self) -> None:
        assert not self.following.done(), self.following.exception()
        lease = self.engines.try_lease("fake")
        state = self.engines.status("fake").state
        assert (lease is not None) == (state in (S.READY, S.BUSY))
        if lease is not None:
            lease.release()

    def teardown(self) -> None:
        async def close() -> None:
            for lease in self.leases:
                lease.release()
            self.following.cancel()
            await self.stack.aclose()
            await asyncio.gather(*self.waiting, self.following, return_exceptions=True)

        self.do(close())
        assert ours(self.home) == []
        assert not list((self.home / "run").glob("*"))
        self.loop.close()


TestEngineMachine = EngineMachine.TestCase
TestEngineMachine.settings = settings(max_examples=scaled(6, 200), stateful_step_count=scaled(12, 40), deadline=None)
