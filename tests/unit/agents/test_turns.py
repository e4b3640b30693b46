"""Turns on the real store with a scripted model: order, resume, stop, delete, failures, bounds."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, update

from corral.agents import Event, NewMessage, TurnState, repository
from corral.agents.live import LiveLog
from corral.agents.service import MAX_QUEUED
from corral.dialects.form import text_of as words_of
from corral.kit.errors import (
    ContextExceeded,
    CorralError,
    EngineFailed,
    IdempotencyConflict,
    InvalidRequest,
    ModelNotFound,
    NotFound,
    RangeNotSatisfiable,
    ShuttingDown,
    TooManyRequests,
)
from corral.store import Location
from tests.support.scripted import Room, answer_to, room
from tests.support.waiting import eventually


def text_of(events: list[Event]) -> str:
    return "".join(event.data["text"] for event in events if event.type == "token")


async def test_turns_of_one_agent_run_in_the_order_of_acceptance_whoever_sends_them(tmp_path: Path) -> None:
    async with room(tmp_path) as one:
        first = await one.agents.accept("ann", NewMessage("first"))
        agent = first.agent.id
        said = [
            first,
            *await asyncio.gather(*(one.agents.accept("ann", NewMessage(f"m{n}", agent)) for n in range(31))),
        ]
        for accepted in said:
            log = await one.log("ann", agent, accepted.turn.id)
            assert [event.offset for event in log] == list(range(len(log)))
            assert log[-1].data["state"] == "completed"
        page = await one.agents.messages("ann", agent, limit=500)
        assert [message.seq for message in page] == list(range(1, 66))
        assert one.source.open == 0
        for number, request in enumerate(one.source.requests):
            # What the model saw is exactly what was committed before it.
            assert [words_of(message) for message in request.messages] == [m.content for m in page[: 2 + 2 * number]]


async def test_a_turn_of_two_thousand_events_resumes_from_every_offset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corral.agents.service.PAGE", 64)
    message = "words=1000 thinking"
    async with room(tmp_path) as one:
        accepted = await one.agents.accept("ann", NewMessage(message))
        agent, turn = accepted.agent.id, accepted.turn.id
        places = (0, 1, 2, 50, 700, 1999)
        live = [asyncio.create_task(one.log("ann", agent, turn, start)) for start in places]
        whole = await one.log("ann", agent, turn)
        assert len(whole) > 2000
        assert text_of(whole) == answer_to(message)
        for start, task in zip(places, live, strict=True):
            assert await task == whole[start:]

        async def check(step: int) -> None:
            for start in range(len(whole)):
                if start % step == 0 or start > len(whole) - 20:
                    assert await one.log("ann", agent, turn, start) == whole[start:]
                else:
                    async with contextlib.aclosing(one.agents.events("ann", agent, turn, start)) as events:
                        assert await anext(events) == whole[start]

        assert await one.log("ann", agent, turn) == whole
        await one.stop()
        await one.start()
        await check(500)
        with pytest.raises(RangeNotSatisfiable):
            await one.log("ann", agent, turn, len(whole))


async def test_a_reader_far_beyond_the_end_is_let_go(tmp_path: Path) -> None:
    async with room(tmp_path) as one:
        one.source.gate.clear()
        accepted = await one.agents.accept("ann", NewMessage("hello"))
        reader = asyncio.create_task(one.log("ann", accepted.agent.id, accepted.turn.id, 10_000))
        await eventually(lambda: one.source.open)
        one.source.gate.set()
        assert await asyncio.wait_for(reader, 30) == []


async def test_a_stop_names_the_last_offset_and_ends_the_call_to_the_model(tmp_path: Path) -> None:
    async with room(tmp_path) as one:
        one.source.gate.clear()
        accepted = await one.agents.accept("ann", NewMessage("hello"))
        waiting = await one.agents.accept("ann", NewMessage("next", accepted.agent.id))
        await eventually(lambda: one.source.open == 1)
        queued = await one.agents.cancel("ann", waiting.agent.id, waiting.turn.id)
        assert (queued.state, one.source.open) == (TurnState.CANCELLED, 1)
        turn = await one.agents.cancel("ann", accepted.agent.id, accepted.turn.id)
        assert (turn.state, one.source.open) == (TurnState.CANCELLED, 0)
        one.source.gate.set()
        log = await one.log("ann", accepted.agent.id, accepted.turn.id)
        assert turn.next_offset == len(log)
        assert await one.agents.cancel("ann", accepted.agent.id, accepted.turn.id) == turn
        assert len(one.source.requests) == 1


async def test_many_stops_at_any_moment_agree(tmp_path: Path) -> None:
    async with room(tmp_path) as one:
        for rounds in range(20):
            accepted = await one.agents.accept("ann", NewMessage(f"words=200 {rounds}"))
            agent, turn = accepted.agent.id, accepted.turn.id
            for _ in range(rounds * 3):
                await asyncio.sleep(0)
            ends = await asyncio.gather(*(one.agents.cancel("ann", agent, turn) for _ in range(3)))
            assert ends[0] == ends[1] == ends[2]
            log = await one.log("ann", agent, turn)
            assert len(log) == ends[0].next_offset
            assert [event.type for event in log].count("end") == 1
        assert one.source.open == 0


async def test_a_deleted_agent_says_nothing_more_and_comes_back_whole(tmp_path: Path) -> None:
    async with room(tmp_path) as one:
        one.source.gate.clear()
        accepted = await one.agents.accept("ann", NewMessage("hello"))
        agent = accepted.agent.id
        queued = await one.agents.accept("ann", NewMessage("next", agent))
        await eventually(lambda: one.source.open)
        await one.agents.delete("ann", agent)
        with pytest.raises(NotFound):
            await one.agents.get("ann", agent)
        with pytest.raises(NotFound):
            await one.agents.accept("ann", NewMessage("more", agent))
        await eventually(lambda: one.source.open == 0)
        one.source.gate.set()
        assert (await one.agents.restore("ann", agent)).id == agent
        for turn in (accepted.turn, queued.turn):
            log = await one.log("ann", agent, turn.id)
            assert log[-1].data["state"] in ("cancelled", "completed")
        again = await one.agents.accept("ann", NewMessage("more", agent))
        assert text_of(await one.log("ann", agent, again.turn.id)) == answer_to("more")


async def test_turns_of_an_agent_deleted_before_a_crash_end_without_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Room(Location(tmp_path / "corral.db"))
    await one.start()
    one.source.gate.clear()
    accepted = await one.agents.accept("ann", NewMessage("hello"))
    agent = accepted.agent.id
    await eventually(lambda: one.source.open)
    monkeypatch.setattr(one.agents._runners, "stop_agent", lambda agent_id: None)
    await one.agents.delete("ann", agent)
    await one.stop()
    await one.start()

    async def over() -> bool:
        return not await one.database.read(repository.agents_with_work)

    await eventually(over)
    await one.agents.restore("ann", agent)
    assert (await one.log("ann", agent, accepted.turn.id))[-1].data["state"] == "cancelled"
    assert len(one.source.requests) == 1
    await one.stop()


async def test_a_key_makes_one_turn_for_ever(tmp_path: Path) -> None:
    async with room(tmp_path) as one:
        same = await asyncio.gather(*(one.agents.accept("ann", NewMessage("hello", key="k")) for _ in range(20)))
        assert len({accepted.turn.id for accepted in same}) == 1
        assert sum(not accepted.repeated for accepted in same) == 1
        with pytest.raises(IdempotencyConflict):
            await one.agents.accept("ann", NewMessage("other", key="k"))
        with pytest.raises(IdempotencyConflict):
            await one.agents.accept("ann", NewMessage("hello", key="k", model="another"))
        other = await one.agents.accept("bob", NewMessage("hello", key="k"))
        assert other.turn.id != same[0].turn.id


async def test_a_full_queue_is_told_and_nothing_is_dropped(tmp_path: Path) -> None:
    async with room(tmp_path) as one:
        one.source.gate.clear()
        agent = (await one.agents.create("ann")).id
        await one.agents.accept("ann", NewMessage("running", agent))
        await eventually(lambda: one.source.open)
        for number in range(MAX_QUEUED):
            await one.agents.accept("ann", NewMessage(f"m{number}", agent))
        with pytest.raises(TooManyRequests) as caught:
            await one.agents.accept("ann", NewMessage("one more", agent))
        assert caught.value.retry_after
        one.source.gate.set()

        async def idle() -> bool:
            return (await one.agents.get("ann", agent)).state == "idle"

        await eventually(idle)
        assert (await one.agents.get("ann", agent)).last_seq == 1 + 2 * (MAX_QUEUED + 1)


@pytest.mark.parametrize(
    ("error", "recoverable"),
    [(ModelNotFound("There is no model of that name."), False), (ContextExceeded("700 tokens, 512 fit."), False),
     (EngineFailed("It died."), True)],
)  # fmt: skip
async def test_a_failed_answer_says_why_and_the_next_turn_runs(
    tmp_path: Path, error: CorralError, recoverable: bool
) -> None:
    async with room(tmp_path) as one:
        one.source.failures = [(3, error)]
        accepted = await one.agents.accept("ann", NewMessage("hello"))
        log = await one.log("ann", accepted.agent.id, accepted.turn.id)
        assert text_of(log) == "".join(word + " " for word in answer_to("hello").split()[:3])
        assert (log[-2].type, log[-2].data["code"], log[-2].data["recoverable"]) == ("error", error.code, recoverable)
        assert log[-1].data["state"] == "failed"
        turn = await one.agents.turn("ann", accepted.agent.id, accepted.turn.id)
        assert (turn.error_code, turn.error_message) == (error.code, error.message)
        following = await one.agents.accept("ann", NewMessage("again"))
        assert (await one.log("ann", following.agent.id, following.turn.id))[-1].data["state"] == "completed"


async def test_a_fault_of_ours_is_tried_again_and_given_up_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corral.agents.runners.PAUSE", 0.01)
    async with room(tmp_path) as one:
        one.source.failures = [(3, RuntimeError("a fault"))]
        accepted = await one.agents.accept("ann", NewMessage("hello"))
        log = await one.log("ann", accepted.agent.id, accepted.turn.id)
        assert text_of(log) == answer_to("hello")
        assert [event.data["attempt"] for event in log if "attempt" in event.data] == [1, 2]
        one.source.failures = [(3, RuntimeError("a fault"))] * 9
        accepted = await one.agents.accept("ann", NewMessage("worse"))
        log = await one.log("ann", accepted.agent.id, accepted.turn.id)
        assert log[-1].data["state"] == "failed"
        assert log[-2].data["code"] == "interrupted"


async def test_an_accepted_message_waits_while_the_model_is_busy(tmp_path: Path) -> None:
    async with room(tmp_path) as one:
        one.source.failures = [(0, TooManyRequests("The model is busy.", retry_after=0.01))] * 3
        accepted = await one.agents.accept("ann", NewMessage("hello"))
        log = await one.log("ann", accepted.agent.id, accepted.turn.id)
        assert text_of(log) == answer_to("hello")
        one.source.failures = [(0, TooManyRequests("The model is busy.", retry_after=600))]
        accepted = await one.agents.accept("ann", NewMessage("stop me"))
        await eventually(lambda: len(one.source.requests) == 5)
        turn = await one.agents.cancel("ann", accepted.agent.id, accepted.turn.id)
        assert turn.state is TurnState.CANCELLED


async def test_an_answer_that_was_whole_is_not_asked_for_again(tmp_path: Path) -> None:
    one = Room(Location(tmp_path / "corral.db"))
    await one.start()
    accepted = await one.agents.accept("ann", NewMessage("hello"))
    agent, turn = accepted.agent.id, accepted.turn.id
    log = await one.log("ann", agent, turn)
    await one.database.write(_without_end(turn, len(log) - 1))
    await one.stop()
    await one.start()
    again = await one.log("ann", agent, turn)
    assert again[: len(log) - 1] == log[:-1]
    assert again[-1].data["state"] == "completed"
    assert len(one.source.requests) == 1
    await one.stop()


def _without_end(turn: str, last: int) -> Callable[[Connection], None]:
    from corral.agents.tables import turn_events, turns

    def work(connection: Connection) -> None:
        connection.execute(delete(turn_events).where(turn_events.c.turn_id == turn, turn_events.c.offset == last))
        connection.execute(update(turns).where(turns.c.id == turn).values(state="running", next_offset=last))

    return work


async def test_nothing_is_taken_or_lost_while_the_server_stops(tmp_path: Path) -> None:
    one = Room(Location(tmp_path / "corral.db"))
    await one.start()
    one.source.gate.clear()
    accepted = await one.agents.accept("ann", NewMessage("hello"))
    reader = asyncio.create_task(one.log("ann", accepted.agent.id, accepted.turn.id))
    await eventually(lambda: one.source.open)
    await one.agents.stop()
    assert (await asyncio.wait_for(reader, 30))[-1].type == "status"
    with pytest.raises(ShuttingDown):
        await one.agents.accept("ann", NewMessage("more"))
    await one.database.close()
    one.source.gate.set()
    await one.start()
    assert text_of(await one.log("ann", accepted.agent.id, accepted.turn.id)) == answer_to("hello")
    await one.stop()


@pytest.mark.parametrize("text", ["", " \n", "a\x00b", "x" * 200_001])
async def test_messages_that_cannot_be_taken_are_refused(tmp_path: Path, text: str) -> None:
    async with room(tmp_path) as one:
        with pytest.raises(InvalidRequest) as caught:
            await one.agents.accept("ann", NewMessage(text))
        assert caught.value.param == "message"
        assert await one.agents.list_agents("ann") == []


async def test_foreign_and_impossible_ids_are_not_found(tmp_path: Path) -> None:
    async with room(tmp_path) as one:
        accepted = await one.agents.accept("ann", NewMessage("hello"))
        agent, turn = accepted.agent.id, accepted.turn.id
        other = (await one.agents.create("ann")).id
        await one.log("ann", agent, turn)
        calls = one.agents
        for user, agent_id, turn_id in (
            ("bob", agent, turn), ("ann", other, turn), ("ann", agent, "trn_no"), ("ann", agent, "a\x00"), ("ann", "\x00", turn),
        ):  # fmt: skip
            for call in (calls.turn, calls.cancel):
                with pytest.raises(NotFound):
                    await call(user, agent_id, turn_id)
            with pytest.raises(NotFound):
                await one.log(user, agent_id, turn_id)
        for refused in (calls.get, calls.delete, calls.restore, calls.change, calls.messages):
            with pytest.raises(NotFound):
                await refused("bob", agent)
        with pytest.raises(NotFound):
            await calls.list_agents("bob", before=agent)
        assert await calls.list_agents("bob") == []


async def test_the_list_goes_on_behind_an_agent(tmp_path: Path) -> None:
    async with room(tmp_path) as one:
        made = [(await one.agents.create("ann", title=f"t{number}")).id for number in range(7)]
        found: list[str] = []
        before = None
        while page := await one.agents.list_agents("ann", limit=3, before=before):
            found += [agent.id for agent in page]
            before = page[-1].id
        assert sorted(found) == sorted(made)
        assert len(found) == 7


async def test_live_logs_are_kept_only_while_they_are_used(tmp_path: Path) -> None:
    async with room(tmp_path) as one:
        accepted = await one.agents.accept("ann", NewMessage("hello"))
        for _ in range(5):
            await one.log("ann", accepted.agent.id, accepted.turn.id)
        # The writer remembers its last piece of work until the next.
        await one.agents.create("ann")
        await eventually(lambda: gc.collect() >= 0 and len(one.agents._logs) == 0)


async def test_a_live_log_with_a_gap_sends_its_readers_to_the_disk() -> None:
    live = LiveLog()
    live.extend([Event(3, "token"), Event(4, "token")])
    assert live.after(2) is None
    assert [event.offset for event in live.after(4) or ()] == [4]
    live.extend([Event(7, "token")])
    assert live.after(4) is None
    assert [event.offset for event in live.after(7) or ()] == [7]
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(live.ticket.wait(), 0.01)
