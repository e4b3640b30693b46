"""Random interleavings of a server and two devices: every turn is kept once, in its order, whatever was cut off."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from corral.agents import Message, NewMessage, TurnState
from corral.agents.device import Brought, DeviceTurn, Placed
from corral.kit.errors import Conflict
from tests.support.scale import scaled
from tests.support.scripted import Room, answer_to, room

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "server",
                "write",
                "write",
                "bring",
                "bring",
                "lost",
                "part",
                "read",
                "begin",
                "leave",
                "lapse",
                "delete",
                "restart",
            ]
        ),
        st.integers(0, 1),
    ),
    max_size=30,
)


@dataclass
class Device:
    """A browser: the conversation as it knows it, what it has to bring, and all keys in the order of their making."""

    name: str
    agent: str
    after: int
    waiting: list[DeviceTurn] = field(default_factory=list)
    made: list[DeviceTurn] = field(default_factory=list)

    def write(self, *, whole: bool) -> None:
        """Answers something; the end may be still to come."""
        self.finish()
        key = f"{self.name}{len(self.made)}"
        text = f"answer to {key}"
        state = TurnState.COMPLETED if whole else TurnState.RUNNING
        self.waiting.append(DeviceTurn(key, f"ask {key}", text if whole else text[:7], state, "Cria"))
        self.made.append(DeviceTurn(key, f"ask {key}", text, TurnState.COMPLETED))

    def finish(self) -> None:
        """Ends the answer under way."""
        if self.waiting and not self.waiting[-1].state.final:
            self.waiting[-1] = replace(self.made[-1], model="Cria")

    def confirmed(self, placed: list[Placed]) -> None:
        """Drops what is on disk, and goes on where it was put."""
        self.agent, self.after = placed[-1].agent.id, placed[-1].turn.user_seq + 1
        self.waiting = (
            [turn for turn in self.waiting[len(placed) :] if turn] if self.waiting[-1].state.final else self.waiting
        )


class World:
    """One user's room, its devices, and what was said to the server."""

    def __init__(self, one: Room, agent: str) -> None:
        self.one = one
        self.agent = agent
        self.devices = [Device("a", agent, 1), Device("b", agent, 1)]
        self.served: list[str] = []

    async def step(self, what: str, who: int) -> None:
        device = self.devices[who]
        if what == "server":
            await self.serve()
        elif what == "write":
            device.write(whole=True)
        elif what == "begin":
            device.write(whole=False)
        elif what in ("bring", "lost", "part"):
            await self.bring(device, what)
        elif what == "leave" and device.waiting and not device.waiting[-1].state.final:
            device.waiting[-1] = replace(device.waiting[-1], state=TurnState.INTERRUPTED)
        elif what == "lapse":
            leases = self.one.agents.device
            for turn_id, lease in list(leases._leases.items()):
                await leases._lapse(turn_id, lease)
        elif what == "read" and not device.waiting:
            shown = await self.one.agents.list_agents("ann")
            if device.agent in {agent.id for agent in shown}:
                device.after = next(agent.last_seq for agent in shown if agent.id == device.agent)
        elif what == "delete":
            await self.one.agents.delete("ann", self.agent)
            await self.one.agents.restore("ann", self.agent)
        elif what == "restart":
            await self.one.stop()
            await self.one.start()

    async def serve(self) -> None:
        text = f"said {len(self.served)}"
        self.served.append(text)
        accepted = await self.one.agents.accept("ann", NewMessage(text, self.agent))
        if (await self.one.agents.get("ann", self.agent)).state == "idle":
            await self.one.log("ann", self.agent, accepted.turn.id)

    async def bring(self, device: Device, what: str) -> None:
        turns = device.waiting[: 1 if what == "part" else None]
        if not turns:
            return
        try:
            placed = await self.one.agents.device.bring("ann", Brought(turns, device.agent, device.after))
        except Conflict as busy:
            assert busy.details is not None
            assert busy.details["reason"] == "answer_under_way"
            return
        if what == "bring":
            device.confirmed(placed)

    async def end(self) -> None:
        """All devices come back and bring what they have; then everything has ended."""
        for device in self.devices:
            device.finish()
        for _ in range(20):
            for device in self.devices:
                await self.bring(device, "bring")
            await self.step("lapse", 0)
            for agent in await self.one.agents.list_agents("ann"):
                for message in await self.one.agents.messages("ann", agent.id, limit=500):
                    turn = message.turn_id and await self.one.agents.turn("ann", agent.id, message.turn_id)
                    served = turn and turn.state is TurnState.RUNNING and message.place != "device"
                    if turn and (turn.state is TurnState.QUEUED or served):
                        await self.one.log("ann", agent.id, turn.id)
            if not any(device.waiting for device in self.devices):
                return
        raise AssertionError("what a device has was not taken")


@given(steps=STEPS)
@settings(max_examples=scaled(20, 1500))
def test_nothing_is_lost_and_nothing_doubled(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory(prefix="corral-device-") as folder:
        asyncio.run(asyncio.wait_for(walk(Path(folder), steps), 120))


async def walk(folder: Path, steps: list[tuple[str, int]]) -> None:
    async with room(folder) as one:
        world = World(one, (await one.agents.create("ann", title="T")).id)
        for what, who in steps:
            await world.step(what, who)
        await world.end()
        await check(world)


async def check(world: World) -> None:
    agents = world.one.agents
    found: dict[str, list[tuple[str, int, str]]] = {}
    pages: dict[str, list[Message]] = {}
    for agent in await agents.list_agents("ann", limit=500):
        page = pages[agent.id] = await agents.messages("ann", agent.id, limit=500)
        assert [message.seq for message in page] == list(range(1, agent.last_seq + 1))
        assert [message.role for message in page] == ["system", *["user", "assistant"] * ((len(page) - 1) // 2)]
        for question, answer in zip(page[1::2], page[2::2], strict=True):
            assert answer.state in ("completed", "failed", "cancelled"), answer
            if answer.turn_id is None:
                continue
            log = await world.one.log("ann", agent.id, answer.turn_id)
            assert [event.offset for event in log] == list(range(len(log)))
            assert [event.type for event in log].count("end") == 1
            assert "".join(event.data["text"] for event in log if event.type == "token") == answer.content
            if answer.state == "completed" or question.content.startswith("ask"):
                found.setdefault(question.content, []).append((agent.id, question.seq, answer.content))
    for text in world.served:
        assert [one[2] for one in found[text]] == [answer_to(text)]
    for device in world.devices:
        for turn in device.made:
            kept = [one for one in found[turn.message] if one[2] == turn.answer]
            stopped = [one for one in found[turn.message] if one[2] != turn.answer]
            # Whole and once; or stopped with its conversation; an unfinished one beside it is what others saw meanwhile.
            assert len(kept) == 1 or (not kept and len(stopped) == 1), found[turn.message]
            assert all(turn.answer.startswith(one[2]) for one in stopped)
        assert_ordered(device, found, pages)


def assert_ordered(
    device: Device, found: dict[str, list[tuple[str, int, str]]], pages: dict[str, list[Message]]
) -> None:
    """Where a turn of a device is, those that it made before are before it, in the same conversation."""
    for number, turn in enumerate(device.made):
        agent, seq, _ = found[turn.message][-1]
        before = [
            message.content for message in pages[agent] if message.seq < seq and message.content.startswith("ask")
        ]
        mine = [text for text in before if text.startswith(f"ask {device.name}")]
        assert mine == [one.message for one in device.made[:number]]
