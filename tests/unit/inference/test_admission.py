"""Slots and their queue."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from corral.inference.admission import Gate
from corral.kit.errors import TooManyRequests


async def test_first_come_first_served_within_the_slots() -> None:
    gate, order = Gate(2, 100), []

    async def visit(number: int) -> None:
        await gate.enter()
        order.append(number)
        assert gate.running <= 2
        await asyncio.sleep(0)
        gate.leave()

    await asyncio.gather(*(visit(number) for number in range(30)))
    assert order == list(range(30))
    assert (gate.running, gate.waiting) == (0, 0)


async def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    gate = Gate(1, 2)
    await gate.enter()
    waiting = [asyncio.create_task(gate.enter()) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyRequests) as caught:
        await gate.enter()
    assert caught.value.retry_after
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert gate.waiting == 0
    gate.leave()
    assert gate.try_enter()


class GateMachine(RuleBasedStateMachine):
    """A gate beside the simplest thing that it could be: a list of who runs and a list of who waits."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.gate = Gate(2, 3)
        self.running: list[asyncio.Task[None]] = []
        self.waiting: list[asyncio.Task[None]] = []

    def settle(self) -> None:
        self.loop.run_until_complete(asyncio.sleep(0.0))
        self.loop.run_until_complete(asyncio.sleep(0.0))

    @rule()
    def come(self) -> None:
        task = self.loop.create_task(self.gate.enter())
        self.settle()
        if len(self.running) < 2:
            assert task.done()
            assert task.exception() is None
            self.running.append(task)
        elif len(self.waiting) < 3:
            assert not task.done()
            self.waiting.append(task)
        else:
            assert isinstance(task.exception(), TooManyRequests)

    @precondition(lambda self: self.running)
    @rule()
    def go(self) -> None:
        self.running.pop(0)
        self.gate.leave()
        self.settle()
        if self.waiting:
            self.running.append(self.waiting.pop(0))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        task = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        task.cancel()
        self.settle()
        assert task.cancelled()

    @precondition(lambda self: self.running and self.waiting)
    @rule()
    def go_while_the_next_gives_up(self) -> None:
        # The slot is handed over in the very moment that its receiver leaves.
        self.running.pop(0)
        next_one = self.waiting.pop(0)
        self.gate.leave()
        next_one.cancel()
        self.settle()
        if self.waiting:
            self.running.append(self.waiting.pop(0))

    @invariant()
    def counts_agree(self) -> None:
        assert self.gate.running == len(self.running)
        assert self.gate.waiting == len(self.waiting)
        assert all(task.done() for task in self.running)

    def teardown(self) -> None:
        for task in self.waiting:
            task.cancel()
        self.settle()
        self.loop.close()


TestGate = GateMachine.TestCase
