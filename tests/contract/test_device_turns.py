"""Turns that a browser has answered, on SQLite and on PostgreSQL alike: kept once, in order, and never lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from corral.agents import Message, NewMessage, TurnState
from corral.agents.device import Brought, DeviceTurn, Placed
from corral.dialects.form import text_of
from corral.kit.errors import Conflict, IdempotencyConflict, InvalidRequest, NotFound
from tests.support.postgres import Postgres
from tests.support.scripted import Room, answer_to, room
from tests.support.waiting import eventually

DONE, RUNS, LEFT = TurnState.COMPLETED, TurnState.RUNNING, TurnState.INTERRUPTED
STATS = {"promptTokens": 7, "tokens": 3, "firstTokenMs": 12.5, "tokensPerSecond": 20.0, "backend": "wasm", "threads": 4}


@pytest.fixture(params=["sqlite", "postgresql"])
async def one(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Room]:
    url = None
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.database()
    async with room(tmp_path, url) as made:
        yield made


def turn(key: str, answer: str = "From here.", state: TurnState = DONE) -> DeviceTurn:
    return DeviceTurn(key, f"ask {key}", answer, state, "Cria", "Chromium", STATS)


async def bring(
    one: Room, *turns: DeviceTurn, agent: str | None = None, after: int = 1, fork: bool = True
) -> list[Placed]:
    return await one.agents.device.bring("ann", Brought(turns, agent, after if agent else None, fork=fork))


async def said(one: Room, agent: str) -> list[Message]:
    return (await one.agents.messages("ann", agent, limit=500))[1:]


async def words(one: Room, agent: str) -> list[str]:
    return [message.content for message in await said(one, agent)]


async def served(one: Room, agent: str, text: str) -> None:
    accepted = await one.agents.accept("ann", NewMessage(text, agent))
    await one.log("ann", agent, accepted.turn.id)


async def test_what_was_answered_offline_is_a_turn_like_any_other(one: Room) -> None:
    first, second = await bring(one, turn("a"), turn("b", "And this."))
    assert first.agent.id == second.agent.id
    question, answer, *_ = await said(one, first.agent.id)
    assert (question.seq, question.role, question.content) == (2, "user", "ask a")
    assert (answer.seq, answer.content, answer.state) == (3, "From here.", "completed")
    told = answer.as_dict()
    assert (told["place"], told["model"], told["device"], told["stats"]) == ("device", "Cria", "Chromium", STATS)
    log = await one.log("ann", first.agent.id, first.turn.id)
    assert [event.offset for event in log] == list(range(len(log)))
    assert [event.type for event in log] == ["accepted", "status", "token", "usage", "end"]
    assert log[-1].data == {"state": "completed", "messageCount": 3}
    # The server goes on from there, and knows what was said.
    await served(one, first.agent.id, "and now here")
    assert [text_of(message) for message in one.source.requests[-1].messages[1:]] == [
        "ask a", "From here.", "ask b", "And this.", "and now here",
    ]  # fmt: skip
    assert (await said(one, first.agent.id))[-1].as_dict()["place"] == "server"
    assert (await one.agents.get("ann", first.agent.id)).title == "ask a"


async def test_the_same_again_changes_nothing_and_another_is_refused(one: Room) -> None:
    made = await bring(one, turn("a"), turn("b"))
    agent = made[0].agent.id
    again = await asyncio.gather(*(bring(one, turn("a"), turn("b")) for _ in range(5)))
    assert {placed.turn.id for many in again for placed in many} == {placed.turn.id for placed in made}
    assert all(placed.repeated for many in again for placed in many)
    assert len(await said(one, agent)) == 4
    # Cut off after the first, then all of it, with one more.
    *_, third = await bring(one, turn("a"), turn("b"), turn("c"), agent=agent)
    assert (third.agent.id, third.turn.user_seq) == (agent, 6)
    with pytest.raises(IdempotencyConflict) as other:
        await bring(one, replace(turn("a"), message="something else"))
    assert other.value.param == "turns.0.key"
    with pytest.raises(IdempotencyConflict) as changed:
        await bring(one, turn("b"), turn("a", "Another answer."))
    assert changed.value.param == "turns.1.answer"
    assert len(await one.agents.list_agents("ann")) == 1


async def test_a_conversation_that_moved_on_is_forked_once(one: Room) -> None:
    [first] = await bring(one, turn("a"))
    agent = first.agent.id
    await served(one, agent, "said meanwhile")
    with pytest.raises(Conflict) as moved:
        await bring(one, turn("b"), agent=agent, after=3, fork=False)
    assert moved.value.details == {"reason": "moved_on", "lastSeq": 5}
    second, third = await bring(one, turn("b"), turn("c"), agent=agent, after=3)
    fork = second.agent
    assert (fork.forked_from, third.agent.id) == (agent, fork.id)
    assert fork.title == "ask a (from this device)"
    assert await words(one, fork.id) == ["ask a", "From here.", "ask b", "From here.", "ask c", "From here."]
    assert await words(one, agent) == ["ask a", "From here.", "said meanwhile", answer_to("said meanwhile")]
    copied = (await said(one, fork.id))[1].as_dict()
    assert (copied["place"], copied["model"], copied["turnId"]) == ("device", "Cria", None)
    for repeat in ((turn("b"), turn("c")), (turn("b"),), (turn("c"),)):
        assert {placed.agent.id for placed in await bring(one, *repeat, agent=agent, after=3)} == {fork.id}
    # What follows goes on in the fork, which is a conversation like any other.
    [fourth] = await bring(one, turn("d"), agent=fork.id, after=7)
    assert fourth.agent.id == fork.id
    await served(one, fork.id, "go on")
    assert len(await one.agents.list_agents("ann")) == 2


async def test_an_answer_grows_by_checkpoints_and_is_watched_as_it_does(one: Room) -> None:
    [begun] = await bring(one, turn("a", "", RUNS))
    agent, turn_id = begun.agent.id, begun.turn.id
    watching = asyncio.create_task(one.log("ann", agent, turn_id))
    await bring(one, turn("a", "Once ", RUNS))
    assert (await said(one, agent))[1].content == "Once "
    assert (await one.agents.get("ann", agent)).state == "running"
    waiting = await one.agents.accept("ann", NewMessage("behind it", agent))
    late = await bring(one, turn("a", "On", RUNS))
    assert late[0].repeated
    with pytest.raises(IdempotencyConflict):
        await bring(one, turn("a", "Another", RUNS))
    assert one.source.requests == []
    await bring(one, turn("a", "Once upon a time."))
    log = await asyncio.wait_for(watching, 30)
    assert "".join(event.data["text"] for event in log if event.type == "token") == "Once upon a time."
    assert [event.offset for event in log] == list(range(len(log)))
    # What waited for the device is answered now, after it.
    await one.log("ann", agent, waiting.turn.id)
    assert await words(one, agent) == ["ask a", "Once upon a time.", "behind it", answer_to("behind it")]


async def test_a_device_that_leaves_is_not_waited_for_and_may_come_back(one: Room) -> None:
    [begun] = await bring(one, turn("a", "Once ", RUNS))
    agent = begun.agent.id
    await lapse(one)
    assert (await said(one, agent))[1].state == "interrupted"
    assert (await one.agents.get("ann", agent)).state == "idle"
    await one.stop()
    await one.start()
    [back] = await bring(one, turn("a", "Once upon", RUNS))
    assert back.turn.state is RUNS
    [ended] = await bring(one, turn("a", "Once upon a time."))
    assert await words(one, agent) == ["ask a", "Once upon a time."]
    states = [event.data["state"] for event in await one.log("ann", agent, ended.turn.id) if event.type == "status"]
    assert states == ["running", "interrupted", "running"]


async def test_when_the_conversation_goes_on_without_the_device_nothing_of_it_is_lost(one: Room) -> None:
    [begun] = await bring(one, turn("a", "Once ", RUNS))
    agent = begun.agent.id
    await bring(one, turn("a", "Once upon", LEFT))
    await served(one, agent, "please continue")
    assert (await said(one, agent))[1].state == "failed"
    assert (await one.agents.turn("ann", agent, begun.turn.id)).error_code == "interrupted"
    # It had written on while it was away.
    late, after = await bring(one, turn("a", "Once upon a time."), turn("b"), agent=agent)
    assert late.agent.forked_from == after.agent.forked_from == agent
    assert await words(one, late.agent.id) == ["ask a", "Once upon a time.", "ask b", "From here."]
    assert await words(one, agent) == ["ask a", "Once upon", "please continue", answer_to("please continue")]
    assert [placed.repeated for placed in await bring(one, turn("a", "Once upon a time."), agent=agent)] == [True]
    assert len(await one.agents.list_agents("ann")) == 2


async def test_what_waits_behind_a_lost_device_is_answered(one: Room) -> None:
    [begun] = await bring(one, turn("a", "Once ", RUNS))
    agent = begun.agent.id
    waiting = await one.agents.accept("ann", NewMessage("and me", agent))
    await lapse(one)
    await one.log("ann", agent, waiting.turn.id)
    assert [message.state for message in await said(one, agent)] == ["completed", "failed", "completed", "completed"]
    assert await words(one, agent) == ["ask a", "Once ", "and me", answer_to("and me")]


async def test_a_stop_is_a_stop(one: Room) -> None:
    [begun] = await bring(one, turn("a", "Once ", RUNS))
    agent = begun.agent.id
    stopped = await one.agents.cancel("ann", agent, begun.turn.id)
    assert stopped.state is TurnState.CANCELLED
    [told] = await bring(one, turn("a", "Once upon a time."))
    assert (told.turn.state, told.repeated) == (TurnState.CANCELLED, True)
    assert (await one.agents.turn("ann", agent, begun.turn.id)).next_offset == stopped.next_offset
    assert await words(one, agent) == ["ask a", "Once "]


async def test_a_message_that_waits_is_handed_over(one: Room) -> None:
    one.source.gate.clear()
    first = await one.agents.accept("ann", NewMessage("hello", key="mine"))
    agent = first.agent.id
    await eventually(lambda: one.source.open)
    behind = await one.agents.accept("ann", NewMessage("next", agent))
    taking = replace(turn("a", "", RUNS), message="hello", takes=first.turn.id)
    with pytest.raises(Conflict):
        await bring(one, replace(taking, key="b", message="next", takes=behind.turn.id), agent=agent)
    [taken] = await bring(one, taking, agent=agent)
    assert (taken.turn.id, taken.turn.state) == (first.turn.id, RUNS)
    await eventually(lambda: one.source.open == 0)
    one.source.gate.set()
    await bring(one, replace(taking, answer="Hello from here.", state=DONE), agent=agent)
    await one.log("ann", agent, behind.turn.id)
    assert await words(one, agent) == ["hello", "Hello from here.", "next", answer_to("next")]
    with pytest.raises(Conflict) as late:
        await bring(one, replace(turn("c"), message="next", takes=behind.turn.id), agent=agent)
    assert late.value.param == "turns.0.takes"


async def test_a_message_whose_acknowledgement_was_lost_is_there_once(one: Room) -> None:
    agent = (await one.agents.create("ann")).id
    one.source.gate.clear()
    held = await one.agents.accept("ann", NewMessage("hello", agent, key="k"))
    await eventually(lambda: one.source.open)
    mine = replace(turn("k"), message="hello")
    [taken] = await bring(one, mine, agent=agent)
    assert taken.turn.id == held.turn.id
    one.source.gate.set()
    assert await words(one, agent) == ["hello", "From here."]
    # It comes late over the old connection: it is the same turn.
    assert (await one.agents.accept("ann", NewMessage("hello", agent, key="k"))).turn.id == taken.turn.id
    # The server had answered already: both answers are kept, each in its conversation.
    await one.agents.accept("ann", NewMessage("again", agent, key="l"))
    await eventually(lambda: idle(one, agent))
    [forked] = await bring(one, replace(turn("l"), message="again"), agent=agent, after=3)
    assert forked.agent.forked_from == agent
    assert await words(one, forked.agent.id) == ["hello", "From here.", "again", "From here."]
    assert await words(one, agent) == ["hello", "From here.", "again", answer_to("again")]


async def test_an_answer_under_way_is_waited_for(one: Room) -> None:
    one.source.gate.clear()
    first = await one.agents.accept("ann", NewMessage("hello"))
    with pytest.raises(Conflict) as busy:
        await bring(one, turn("a"), agent=first.agent.id, after=3)
    assert busy.value.details == {"reason": "answer_under_way", "turnId": first.turn.id, "lastSeq": 3}
    one.source.gate.set()
    await one.log("ann", first.agent.id, first.turn.id)
    [placed] = await bring(one, turn("a"), agent=first.agent.id, after=3)
    assert (placed.agent.id, placed.turn.user_seq) == (first.agent.id, 4)


async def test_a_deleted_conversation_takes_nothing_with_it(one: Room) -> None:
    [begun] = await bring(one, turn("a", "Once ", RUNS))
    agent = begun.agent.id
    await one.agents.delete("ann", agent)
    [told] = await bring(one, turn("a", "Once upon"), agent=agent)
    assert told.turn.state is TurnState.CANCELLED
    [kept] = await bring(one, turn("b"), agent=agent, after=3)
    assert kept.agent.forked_from == agent
    assert await words(one, kept.agent.id) == ["ask a", "Once ", "ask b", "From here."]
    assert (await one.agents.restore("ann", agent)).state == "idle"


async def test_what_cannot_be_brought_is_refused_whole_with_its_field(one: Room) -> None:
    [placed] = await bring(one, turn("a"))
    agent = placed.agent.id
    for field, turns in (
        ("turns.1.key", [turn("b"), turn("b")]),
        ("turns.0.state", [turn("b", "", RUNS), turn("c")]),
        ("turns.1.message", [turn("b"), replace(turn("c"), message="  ")]),
        ("turns.1.answer", [turn("b"), turn("c", "no \x00 here")]),
        ("turns.1.takes", [turn("b"), replace(turn("c"), takes="trn_1")]),
        ("turns.1.key", [turn("b"), replace(turn("a"), message="another")]),
    ):
        with pytest.raises((InvalidRequest, IdempotencyConflict)) as refused:
            await bring(one, *turns, agent=agent, after=3)
        assert refused.value.param == field
    with pytest.raises(InvalidRequest) as even:
        await bring(one, turn("b"), agent=agent, after=2)
    assert even.value.param == "after"
    assert len(await said(one, agent)) == 2
    with pytest.raises(NotFound):
        await one.agents.device.bring("bob", Brought([turn("b")], agent, 3))
    # Another user's keys are other keys.
    [other] = await one.agents.device.bring("bob", Brought([turn("a")]))
    assert other.agent.id != agent
    # Behind the end of what is known, nothing is lost either.
    [far] = await bring(one, turn("z"), agent=agent, after=99)
    assert await words(one, far.agent.id) == ["ask a", "From here.", "ask z", "From here."]


async def idle(one: Room, agent: str) -> bool:
    return (await one.agents.get("ann", agent)).state == "idle"


async def lapse(one: Room) -> None:
    """Time goes by for every device that answers."""
    device = one.agents.device
    for turn_id, lease in list(device._leases.items()):
        await device._lapse(turn_id, lease)
