"""A random walk over everything that can happen to agents, against a small model of what must be true."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from corral.agents import Event, NewMessage
from corral.kit.errors import IdempotencyConflict, NotFound, TooManyRequests
from corral.store import Location
from tests.support.scale import scaled
from tests.support.scripted import Room, answer_to
from tests.support.waiting import eventually

T = TypeVar("T")
USERS = st.sampled_from(["ann", "bob"])
KEYS = st.sampled_from(["k1", "k2", "k3", None])
WORDS = st.sampled_from(["one", "two words=40", "three words=3"])


class Expected:
    """What must be true of one agent: its messages in order, and whether it is there."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.turns: list[tuple[str, str]] = []
        self.keys: dict[str, tuple[str, str]] = {}
        self.shown: dict[str, list[Event]] = {}
        self.cancelled: dict[str, int] = {}
        self.deleted = False
        self.ever_deleted = False


class AgentsMachine(RuleBasedStateMachine):
    """Two users, their agents, messages with and without keys, stops, crashes, deletes, and readers from any offset."""

    agents = Bundle("agents")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="corral-machine-"))
        self.loop = asyncio.new_event_loop()
        self.room = Room(Location(self.folder / "corral.db"))
        self.known: dict[str, Expected] = {}
        self.do(self.room.start())

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(work, 60))

    def teardown(self) -> None:
        self.room.source.gate.set()
        for agent, expected in self.known.items():
            if expected.deleted:
                self.do(self.room.agents.restore(expected.user, agent))
                expected.deleted = False
        for agent, expected in self.known.items():
            self.check_finished(agent, expected)
        self.do(self.room.stop())
        self.loop.close()
        shutil.rmtree(self.folder)

    @initialize(target=agents)
    def first(self) -> Any:
        return multiple(self.create("ann"), self.create("bob"))

    @rule(target=agents, user=USERS)
    def another(self, user: str) -> str:
        return self.create(user)

    def create(self, user: str) -> str:
        agent = self.do(self.room.agents.create(user)).id
        self.known[agent] = Expected(user)
        return agent

    @rule(agent=agents, words=WORDS, key=KEYS)
    def accept(self, agent: str, words: str, key: str | None) -> None:
        expected = self.known[agent]
        message = NewMessage(words, agent, key)
        if expected.deleted:
            with pytest.raises(NotFound):
                self.do(self.room.agents.accept(expected.user, message))
            return
        if key in expected.keys and expected.keys[key][1] != words:
            with pytest.raises(IdempotencyConflict):
                self.do(self.room.agents.accept(expected.user, message))
            return
        try:
            accepted = self.do(self.room.agents.accept(expected.user, message))
        except TooManyRequests:
            return
        if key in expected.keys:
            assert accepted.repeated
            assert accepted.turn.id == expected.keys[key][0]
            return
        assert not accepted.repeated
        assert accepted.turn.user_seq == 2 + 2 * len(expected.turns)
        expected.turns.append((accepted.turn.id, words))
        if key is not None:
            expected.keys[key] = (accepted.turn.id, words)

    @rule(agent=agents, index=st.integers(0, 9), start=st.integers(0, 12))
    def read(self, agent: str, index: int, start: int) -> None:
        expected = self.known[agent]
        if expected.deleted or index >= len(expected.turns) or not self.room.source.gate.is_set():
            return
        turn = expected.turns[index][0]
        self.do(self._finished(expected.user, agent, turn))
        whole = self.do(self.room.log(expected.user, agent, turn))
        if start < len(whole):
            assert self.do(self.room.log(expected.user, agent, turn, start)) == whole[start:]
        assert whole[: len(expected.shown.get(turn, []))] == expected.shown.get(turn, [])
        expected.shown[turn] = whole

    @rule(agent=agents, index=st.integers(0, 9))
    def cancel(self, agent: str, index: int) -> None:
        expected = self.known[agent]
        if index >= len(expected.turns):
            return
        turn = expected.turns[index][0]
        if expected.deleted:
            with pytest.raises(NotFound):
                self.do(self.room.agents.cancel(expected.user, agent, turn))
            return
        stopped = self.do(self.room.agents.cancel(expected.user, agent, turn))
        assert stopped.state.final
        expected.cancelled.setdefault(turn, stopped.next_offset)

    @rule(agent=agents, user=USERS)
    def strangers_find_nothing(self, agent: str, user: str) -> None:
        if user == self.known[agent].user:
            return
        for call in (self.room.agents.get, self.room.agents.delete, self.room.agents.messages):
            with pytest.raises(NotFound):
                self.do(call(user, agent))

    @rule(agent=agents)
    def delete(self, agent: str) -> None:
        expected = self.known[agent]
        if expected.deleted:
            with pytest.raises(NotFound):
                self.do(self.room.agents.delete(expected.user, agent))
            return
        self.do(self.room.agents.delete(expected.user, agent))
        expected.deleted = expected.ever_deleted = True

    @rule(agent=agents)
    def restore(self, agent: str) -> None:
        expected = self.known[agent]
        if not expected.deleted:
            with pytest.raises(NotFound):
                self.do(self.room.agents.restore(expected.user, agent))
            return
        self.do(self.room.agents.restore(expected.user, agent))
        expected.deleted = False

    @rule()
    def hold_the_model(self) -> None:
        self.room.source.gate.clear()

    @rule()
    def let_the_model_speak(self) -> None:
        self.room.source.gate.set()

    @rule(turns=st.integers(0, 30))
    def let_time_pass(self, turns: int) -> None:
        async def pass_time() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.do(pass_time())

    @rule()
    def restart(self) -> None:
        self.do(self.room.stop())
        assert self.room.source.open == 0
        self.do(self.room.start())

    @invariant()
    def lists_are_private(self) -> None:
        for user in ("ann", "bob"):
            listed = {agent.id for agent in self.do(self.room.agents.list_agents(user))}
            there = {agent for agent, one in self.known.items() if one.user == user and not one.deleted}
            assert listed == there

    async def _finished(self, user: str, agent: str, turn: str) -> None:
        async def final() -> bool:
            return (await self.room.agents.turn(user, agent, turn)).state.final

        await eventually(final)

    def check_finished(self, agent: str, expected: Expected) -> None:
        for turn, _ in expected.turns:
            self.do(self._finished(expected.user, agent, turn))
        page = self.do(self.room.agents.messages(expected.user, agent, limit=500))
        for turn, words in expected.turns:
            log = self.do(self.room.log(expected.user, agent, turn))
            assert [event.offset for event in log] == list(range(len(log)))
            assert [event.type for event in log].count("end") == 1
            assert log[: len(expected.shown.get(turn, []))] == expected.shown.get(turn, [])
            if turn in expected.cancelled:
                assert len(log) == expected.cancelled[turn]
            text = "".join(event.data["text"] for event in log if event.type == "token")
            state = log[-1].data["state"]
            assert answer_to(words).startswith(text)
            assert state == "cancelled" or text == answer_to(words) or log[-2].data.get("code") == "interrupted"
            answer = next(one for one in page if one.turn_id == turn and one.role == "assistant")
            assert (answer.content, answer.state) == (text, state)
        assert [one.seq for one in page] == list(range(1, 2 + 2 * len(expected.turns)))


AgentsMachine.TestCase.settings = settings(
    max_examples=scaled(15, 500), stateful_step_count=scaled(20, 60), deadline=None
)
TestAgents = AgentsMachine.TestCase
