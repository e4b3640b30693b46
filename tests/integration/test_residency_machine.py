"""Any order of requests, starts, stops, crashes and changed settings over several models that share too little memory,
with real processes, against what must always hold."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from corral.engines import EngineSpec, EngineState, Lease, Stay
from corral.kit.errors import EngineFailed
from tests.integration.test_engines_machine import ours
from tests.support.engines import Table, engines, fake
from tests.support.scale import scaled
from tests.support.waiting import eventually

MIB = 1 << 20
BUDGET = 250 * MIB
NAMES = ("a", "b", "c", "pinned")
names = st.sampled_from(NAMES)


def spec(name: str, *arguments: str) -> EngineSpec:
    """Two of them fit; two of them exclude each other; one is never sent away and small."""
    need, stay = (20, Stay(pinned=True)) if name == "pinned" else (100, Stay(group="g" if name in "bc" else None))
    return replace(fake(*arguments), model=name, memory_bytes=need * MIB, stay=stay)


class ResidencyMachine(RuleBasedStateMachine):
    """The model: leases that are out, and requests that wait. What a rule finds depends on the time that processes take,
    so no rule has a precondition: it does nothing where there is nothing to do."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.home = Path(tempfile.mkdtemp(prefix="residency-machine-"))
        self.stack = AsyncExitStack()
        self.leases: list[Lease] = []
        self.waiting: list[asyncio.Task[Lease]] = []
        self.do(self.open())

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(work, 120))

    async def open(self) -> None:
        self.table = Table(**{name: spec(name) for name in NAMES})
        options = {"memory_budget": BUDGET, "min_residency": 0.05, "stop_grace": 10.0, "drain": 0.05}
        environ = {**os.environ, "TMPDIR": str(self.home)}
        self.engines, _ = await self.stack.enter_async_context(
            engines(self.home, self.table, environ=environ, **options)
        )

    @rule(name=names)
    def ask(self, name: str) -> None:
        async def leasing() -> None:
            self.waiting.append(asyncio.create_task(self.engines.lease(name)))
            await asyncio.sleep(0.02)

        self.do(leasing())

    @rule(number=st.integers(0, 9))
    def leave(self, number: int) -> None:
        """A client goes away while it waits."""
        if number >= len(self.waiting):
            return
        task = self.waiting.pop(number)

        async def leaving() -> None:
            task.cancel()
            with suppress(asyncio.CancelledError, EngineFailed):
                self.leases.append(await task)

        self.do(leaving())

    @rule()
    def release(self) -> None:
        if self.leases:
            self.leases.pop(0).release()

    @rule()
    def answered(self) -> None:
        """When all answers end, every request that waits gets a lease or an error."""

        async def collect() -> None:
            while self.waiting:
                for lease in self.leases:
                    lease.release()
                self.leases.clear()
                done, _ = await asyncio.wait(self.waiting, timeout=60, return_when=asyncio.FIRST_COMPLETED)
                assert done, "a request was never answered"
                for task in done:
                    self.waiting.remove(task)
                    if task.exception() is None:
                        self.leases.append(task.result())
                    else:
                        assert isinstance(task.exception(), EngineFailed)

        self.do(collect())

    @rule(name=names)
    def stop(self, name: str) -> None:
        assert self.do(self.engines.stop(name)).state is EngineState.STOPPED

    @rule(name=names)
    def crash(self, name: str) -> None:
        status = self.engines.status(name)
        if status.pid is not None and status.state in (EngineState.READY, EngineState.BUSY):
            for child in psutil.Process(status.pid).children():
                with suppress(psutil.Error):
                    child.send_signal(signal.SIGKILL)
            self.do(eventually(lambda: self.engines.status(name).pid != status.pid))

    @rule(name=names, works=st.booleans())
    def apply(self, name: str, works: bool) -> None:
        """A changed configuration, while nothing runs that would have to end first: that it waits for answers is tested
        elsewhere."""
        self.answered()
        for lease in self.leases:
            lease.release()
        self.leases.clear()
        before = self.engines.status(name).state
        changed = spec(name, "--load", "0.05") if works else spec(name, "--exit", "3")
        try:
            self.do(self.engines.apply(name, changed))
        except EngineFailed:
            assert not works or before is not EngineState.READY
        else:
            self.table.specs[name] = changed if works else spec(name)
            if not works:
                # Nothing ran that could have shown that it does not.
                self.do(self.engines.stop(name))

    @invariant()
    def memory_is_never_promised_twice(self) -> None:
        self.do(asyncio.sleep(0))
        assert self.engines.memory()["taken"] <= BUDGET

    @invariant()
    def who_excludes_each_other_is_not_there_together(self) -> None:
        there = (EngineState.LOADING, EngineState.READY, EngineState.BUSY)
        assert not all(self.engines.status(name).state in there for name in "bc")

    def teardown(self) -> None:
        async def close() -> None:
            for task in self.waiting:
                task.cancel()
            for done in await asyncio.gather(*self.waiting, return_exceptions=True):
                if isinstance(done, Lease):
                    done.release()
            for lease in self.leases:
                lease.release()
            await self.stack.aclose()

        self.do(close())
        assert ours(self.home) == []
        assert not list((self.home / "run").glob("*"))
        self.loop.close()


TestResidencyMachine = ResidencyMachine.TestCase
TestResidencyMachine.settings = settings(max_examples=scaled(6, 150), stateful_step_count=scaled(15, 40), deadline=None)
