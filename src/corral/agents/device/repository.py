"""The SQL of device turns: functions of a connection, each within one transaction of the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, String, case, cast, func, insert, literal, null, select, update

from corral.agents import repository
from corral.agents.device.types import DeviceTurn
from corral.agents.repository import Fenced
from corral.agents.tables import agents, device_turns, messages, turn_events, turns
from corral.agents.types import Agent, Event, Turn, TurnState
from corral.kit.errors import NotFound
from corral.kit.ids import new_id

MARK = " (from this device)"
"""What the title of a fork ends with."""
_LIVE = (TurnState.QUEUED.value, TurnState.RUNNING.value)
_HELD = (TurnState.RUNNING.value, TurnState.INTERRUPTED.value)


def find(connection: Connection, user_id: str, key: str) -> Turn | None:
    """The turn that a device's key stands for."""
    row = connection.execute(
        select(turns.c.agent_id, turns.c.id)
        .join(device_turns, device_turns.c.turn_id == turns.c.id)
        .where(device_turns.c.user_id == user_id, device_turns.c.client_key == key)
    ).first()
    return repository.get_turn(connection, row[0], row[1]) if row is not None else None


def any_agent(connection: Connection, user_id: str, agent_id: str) -> tuple[Agent, bool]:
    """An agent of a user, and whether it is deleted. Raises NotFound."""
    try:
        return repository.find_agent(connection, user_id, agent_id), False
    except NotFound:
        return repository.find_agent(connection, user_id, agent_id, deleted=True), True


def question(connection: Connection, turn_id: str) -> str:
    """The message of a turn."""
    found = select(messages.c.content).where(messages.c.turn_id == turn_id, messages.c.role == "user")
    return connection.scalar(found) or ""


def live_turn(connection: Connection, agent_id: str, up_to: int) -> str | None:
    """The id of a turn at or before the seq `up_to` that is queued or running."""
    found = select(turns.c.id).where(turns.c.agent_id == agent_id, turns.c.state.in_(_LIVE), turns.c.user_seq <= up_to)
    return connection.scalar(found.limit(1))


def held(connection: Connection, turn_id: str) -> bool:
    """Whether a device answers the turn, or has answered it."""
    return connection.scalar(select(device_turns.c.turn_id).where(device_turns.c.turn_id == turn_id)) is not None


def spoken(connection: Connection, turn_id: str) -> bool:
    """Whether any of the answer is there."""
    kinds = turn_events.c.type.in_(("token", "reasoning", "usage"))
    return (
        connection.scalar(select(turn_events.c.offset).where(turn_events.c.turn_id == turn_id, kinds).limit(1))
        is not None
    )


def running(connection: Connection) -> list[tuple[str, str, str]]:
    """User, agent and id of the turns that devices answer now."""
    rows = connection.execute(
        select(device_turns.c.user_id, turns.c.agent_id, turns.c.id)
        .join(turns, turns.c.id == device_turns.c.turn_id)
        .where(turns.c.state == TurnState.RUNNING.value)
    )
    return [(user, agent, turn) for user, agent, turn in rows]


def open_turn(connection: Connection, agent_id: str) -> Turn | None:
    """The turn of an agent that a device answers, or has left unfinished."""
    row = connection.execute(
        select(turns.c.id)
        .join(device_turns, device_turns.c.turn_id == turns.c.id)
        .where(turns.c.agent_id == agent_id, turns.c.state.in_(_HELD))
    ).first()
    return repository.get_turn(connection, agent_id, row[0]) if row is not None else None


def left_open(connection: Connection, agent: Agent) -> Turn | None:
    """The agent's last turn, when its device has left it unfinished."""
    found = select(turns.c.id).where(
        turns.c.agent_id == agent.id,
        turns.c.user_seq == agent.last_seq - 1,
        turns.c.state == TurnState.INTERRUPTED.value,
    )
    turn_id = connection.scalar(found)
    return repository.get_turn(connection, agent.id, turn_id) if turn_id is not None else None


def remember(connection: Connection, user_id: str, key: str, turn_id: str) -> None:
    """Writes down which turn a key stands for, another one than before when a fork has taken it."""
    mine = (device_turns.c.user_id == user_id, device_turns.c.client_key == key)
    if connection.execute(update(device_turns).where(*mine).values(turn_id=turn_id)).rowcount == 0:
        connection.execute(insert(device_turns).values(user_id=user_id, client_key=key, turn_id=turn_id))


def add(connection: Connection, agent: Agent, turn: DeviceTurn, events: Sequence[Event], now: int, fence: int) -> Turn:
    """Adds a turn with all that its device told; `events` begin at 0."""
    seq, turn_id = agent.last_seq + 1, new_id("trn")
    made = max(0, min(turn.created_at if turn.created_at is not None else now, now))
    ended = max(made, min(turn.ended_at or now, now)) if turn.state.final else None
    code, reason = turn.error or (None, None)
    digest = hashlib.sha256(json.dumps([None, turn.message]).encode()).hexdigest()
    connection.execute(
        insert(turns).values(
            id=turn_id, agent_id=agent.id, user_seq=seq, state=turn.state.value, client_key=turn.key, payload_hash=digest,
            model=turn.model, next_offset=len(events), fence=fence, attempts=1, error_code=code, error_message=reason,
            created_at=made, ended_at=ended,
        )
    )  # fmt: skip
    parent = connection.scalar(
        select(messages.c.id).where(messages.c.agent_id == agent.id, messages.c.seq == agent.last_seq)
    )
    said = repository.message_row(agent.id, seq, ("user", turn.message, "completed"), (turn_id, parent), made)
    content = "" if turn.state is TurnState.RUNNING else turn.answer
    answer = repository.message_row(
        agent.id, seq + 1, ("assistant", content, turn.state.value), (turn_id, said["id"]), made
    )
    told = {"place": "device", "model": turn.model, "stats": stats_of(turn)}
    connection.execute(insert(messages), [said, {**answer, **told}])
    repository.add_events(connection, turn_id, events)
    return Turn(turn_id, agent.id, seq, turn.state, len(events), 1, turn.model, code, reason, made, ended)


def go_on(connection: Connection, turn: Turn, events: Sequence[Event], state: TurnState, fence: int) -> None:
    """Adds events to an open turn and gives it a state. Raises Fenced when it has moved on meanwhile."""
    moved = connection.execute(
        update(turns)
        .where(
            turns.c.id == turn.id, turns.c.fence <= fence, turns.c.next_offset == turn.next_offset,
            turns.c.state.in_((*_HELD, TurnState.QUEUED.value)),
        )
        .values(fence=fence, next_offset=turn.next_offset + len(events), state=state.value)
    )  # fmt: skip
    if moved.rowcount != 1:
        raise Fenced(turn.id)
    repository.add_events(connection, turn.id, events)
    if state is TurnState.RUNNING:
        _answer(connection, turn.id, {"state": state.value})


def interrupt(connection: Connection, turn_id: str, content: str) -> None:
    """Shows the answer as left unfinished, with the text that is there."""
    _answer(connection, turn_id, {"state": TurnState.INTERRUPTED.value, "content": content})


def tell(connection: Connection, turn_id: str, turn: DeviceTurn) -> None:
    """Writes down where an answer is made."""
    _answer(connection, turn_id, {"place": "device", "model": turn.model, "stats": stats_of(turn)})


def _answer(connection: Connection, turn_id: str, values: dict[str, str | None]) -> None:
    connection.execute(
        update(messages).where(messages.c.turn_id == turn_id, messages.c.role == "assistant").values(**values)
    )


def stats_of(turn: DeviceTurn) -> str | None:
    """The column `stats`: the device's name and figures."""
    told = {"device": turn.device, "stats": dict(turn.stats) if turn.stats else None}
    return json.dumps(told, ensure_ascii=False) if turn.device or turn.stats else None


def fork(connection: Connection, agent: Agent, up_to: int, now: int) -> Agent:
    """A new agent with a copy of the messages up to a seq; its title says what it is."""
    made, copy = new_id("agt"), new_id("msg")
    title = agent.title if agent.title.endswith(MARK) else agent.title[: 200 - len(MARK)] + MARK
    connection.execute(
        insert(agents).values(
            id=made, user_id=agent.user_id, title=title, titled=True, model=agent.model, last_seq=up_to,
            created_at=now, updated_at=now, forked_from=agent.id, sampling=agent.sampling,
        )
    )  # fmt: skip
    # The ids of the copies are numbered, so that one statement copies any length.
    ids = literal(f"{copy}_").op("||")(cast(messages.c.seq, String))
    before = case((messages.c.seq == 1, null()), else_=literal(f"{copy}_").op("||")(cast(messages.c.seq - 1, String)))
    state = case((messages.c.state == TurnState.INTERRUPTED.value, TurnState.FAILED.value), else_=messages.c.state)
    rows = select(
        ids, literal(made), messages.c.seq, messages.c.role, messages.c.content, state, null(), before,
        messages.c.created_at, messages.c.place, messages.c.model, messages.c.stats,
    ).where(messages.c.agent_id == agent.id, messages.c.seq <= up_to)  # fmt: skip
    names = [
        "id",
        "agent_id",
        "seq",
        "role",
        "content",
        "state",
        "turn_id",
        "parent_id",
        "created_at",
        "place",
        "model",
        "stats",
    ]
    connection.execute(insert(messages).from_select(names, rows))
    copied = connection.scalar(select(func.count()).where(messages.c.agent_id == made))
    assert copied == up_to, "seqs count from 1 without gaps"
    fresh = replace(agent, id=made, title=title, last_seq=up_to, created_at=now, updated_at=now)
    return replace(fresh, state="idle", forked_from=agent.id)
