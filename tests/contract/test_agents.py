"""What the agents ask of their tables, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from corral.agents import Event, NewMessage, TurnState, repository
from corral.agents.repository import Fenced
from corral.agents.sampling import Sampling
from corral.dialects.form import text_of
from corral.kit.errors import IdempotencyConflict, InvalidRequest, NotFound
from tests.support.postgres import Postgres
from tests.support.scripted import Room, answer_to, room
from tests.support.waiting import eventually


@pytest.fixture(params=["sqlite", "postgresql"])
async def one(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Room]:
    url = None
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.database()
    async with room(tmp_path, url) as made:
        yield made


async def test_turns_are_answered_in_order_and_resumed_after_a_restart(one: Room) -> None:
    said = [await one.agents.accept("ann", NewMessage(f"words=30 m{number}")) for number in range(4)]
    agent = said[0].agent.id
    await eventually(lambda: one.source.requests)
    await one.stop()
    await one.start()
    for number, accepted in enumerate(said):
        log = await one.log("ann", agent, accepted.turn.id)
        assert [event.offset for event in log] == list(range(len(log)))
        text = "".join(event.data["text"] for event in log if event.type == "token")
        assert text == answer_to(f"words=30 m{number}")
        assert await one.log("ann", agent, accepted.turn.id, 3) == log[3:]
    page = await one.agents.messages("ann", agent, limit=500)
    assert [message.seq for message in page] == list(range(1, 10))
    assert [message.role for message in page] == ["system"] + ["user", "assistant"] * 4


async def test_a_conversation_may_outgrow_the_context(one: Room) -> None:
    one.source.context = 100
    agent: str | None = None
    for number in range(8):
        accepted = await one.agents.accept("ann", NewMessage(f"m{number}", agent_id=agent))
        agent = accepted.agent.id
        log = await one.log("ann", agent, accepted.turn.id)
        assert "".join(event.data["text"] for event in log if event.type == "token") == answer_to(f"m{number}")
        assert log[-1].data["state"] == "completed"
        cuts = [event.data["leftOut"] for event in log if "leftOut" in event.data]
        assert cuts == sorted(cuts)
        assert (cuts != []) == (number >= 4)
    assert agent is not None
    last = one.source.requests[-1]
    assert text_of(last.messages[0]) == "Be brief."
    assert len(last.messages) < 10
    # All of it is still there for people.
    assert len(await one.agents.messages("ann", agent, limit=500)) == 17


async def test_a_message_that_alone_is_longer_than_the_context_fails(one: Room) -> None:
    one.source.context = 100
    accepted = await one.agents.accept("ann", NewMessage("much " * 200))
    log = await one.log("ann", accepted.agent.id, accepted.turn.id)
    assert [event.data["code"] for event in log if event.type == "error"] == ["context_length_exceeded"]


async def test_many_turns_commit_together_and_one_that_was_lost_fails_alone(one: Room) -> None:
    one.source.gate.clear()
    users = [f"user{number}" for number in range(8)]
    said = await asyncio.gather(*(one.agents.accept(user, NewMessage("hello")) for user in users))
    await eventually(lambda: one.source.open == 8)
    turns = [await one.agents.turn(user, it.agent.id, it.turn.id) for user, it in zip(users, said, strict=True)]
    fence = one.agents._fence

    def batches(lost: int) -> list[tuple[str, list[Event]]]:
        return [
            (turn.id, [Event(turn.next_offset + (number == lost), "token", {"text": "·"})])
            for number, turn in enumerate(turns)
        ]

    with pytest.raises(Fenced):
        await one.database.write(lambda connection: repository.append_many(connection, fence, batches(3)))
    with pytest.raises(Fenced):
        await one.database.write(lambda connection: repository.append_many(connection, fence - 1, batches(-1)))
    for user, before in zip(users, turns, strict=True):
        assert await one.agents.turn(user, before.agent_id, before.id) == before
    one.source.gate.set()
    for user, it in zip(users, said, strict=True):
        assert (await one.log(user, it.agent.id, it.turn.id))[-1].data["state"] == "completed"


async def test_the_fence_rises_and_keeps_an_older_owner_out(one: Room) -> None:
    one.source.gate.clear()
    accepted = await one.agents.accept("ann", NewMessage("hello"))
    await eventually(lambda: one.source.open)
    turn = await one.agents.turn("ann", accepted.agent.id, accepted.turn.id)
    older, newer = one.agents._fence, await one.database.write(repository.next_generation)
    assert newer > older
    await one.database.write(lambda connection: repository.claim_turn(connection, turn, newer))
    for work in (
        lambda connection: repository.claim_turn(connection, turn, older),
        lambda connection: repository.append_many(
            connection, older, [(turn.id, [Event(turn.next_offset + 1, "token", {"text": "late"})])]
        ),
    ):
        with pytest.raises(Fenced):
            await one.database.write(work)


async def test_keys_are_unique_and_conflicts_are_told(one: Room) -> None:
    same = await asyncio.gather(*(one.agents.accept("ann", NewMessage("hello", key="k")) for _ in range(10)))
    assert len({accepted.turn.id for accepted in same}) == 1
    with pytest.raises(IdempotencyConflict):
        await one.agents.accept("ann", NewMessage("other", key="k"))


async def test_a_queued_turn_is_stopped_at_once_and_delete_is_undone(one: Room) -> None:
    one.source.gate.clear()
    first = await one.agents.accept("ann", NewMessage("hello"))
    second = await one.agents.accept("ann", NewMessage("next", first.agent.id))
    await eventually(lambda: one.source.open)
    assert (await one.agents.cancel("ann", second.agent.id, second.turn.id)).state is TurnState.CANCELLED
    await one.agents.delete("ann", first.agent.id)
    with pytest.raises(NotFound):
        await one.agents.get("ann", first.agent.id)
    await eventually(lambda: one.source.open == 0)
    restored = await one.agents.restore("ann", first.agent.id)
    assert restored.title == "hello"


async def test_a_turn_is_sampled_as_its_conversation_was_when_it_was_accepted(one: Room) -> None:
    given = Sampling(
        temperature=0.3, topP=0.9, topK=5, minP=0.1, repeatPenalty=1.1, presencePenalty=-1, seed=7, stop=["X"]
    )
    agent = await one.agents.create("ann", sampling=given)
    one.source.gate.clear()
    first = await one.agents.accept("ann", NewMessage("hello", agent.id))
    await eventually(lambda: one.source.open)
    await one.agents.change("ann", agent.id, sampling=Sampling(maxTokens=3, frequencyPenalty=0.5))
    second = await one.agents.accept("ann", NewMessage("next", agent.id))
    await one.stop()
    one.source.gate.set()
    await one.start()
    for accepted in (first, second):
        await one.log("ann", agent.id, accepted.turn.id)
    begun, resumed, after = one.source.requests
    for before in (begun, resumed):
        assert (before.temperature, before.top_p, before.top_k, before.min_p) == (0.3, 0.9, 5, 0.1)
        assert (before.repeat_penalty, before.presence_penalty, before.seed, before.stop) == (1.1, -1, 7, ("X",))
    assert (after.temperature, after.max_tokens, after.frequency_penalty, after.stop) == (None, 3, 0.5, ())
    assert (await one.agents.get("ann", agent.id)).as_dict()["sampling"] == {"maxTokens": 3, "frequencyPenalty": 0.5}
    cleared = await one.agents.change("ann", agent.id, sampling=Sampling())
    assert cleared.as_dict()["sampling"] == {}


async def test_texts_of_every_kind_are_kept_and_impossible_ones_refused(one: Room) -> None:
    text = "ünï ✓ 🐎 \u202e \x01 \x7f ' \" \\ %s"
    accepted = await one.agents.accept("ann", NewMessage(text))
    await one.log("ann", accepted.agent.id, accepted.turn.id)
    page = await one.agents.messages("ann", accepted.agent.id)
    assert page[1].content == text
    for call in (
        one.agents.accept("ann", NewMessage("a\x00")), one.agents.accept("ann", NewMessage("a", key="\x00")),
        one.agents.create("ann", title="\x00"), one.agents.change("ann", accepted.agent.id, model="\x00"),
    ):  # fmt: skip
        with pytest.raises(InvalidRequest):
            await call
    with pytest.raises(NotFound):
        await one.agents.get("ann", "agt_\x00")
