"""The SQL of the agents: functions of a connection, each within one transaction of the store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, case, delete, func, insert, select, tuple_, update

from corral.agents.tables import agents, default_agents, device_turns, generations, messages, turn_events, turns
from corral.agents.types import Agent, Event, Message, Turn, TurnState
from corral.kit.errors import NotFound
from corral.kit.ids import new_id

_LIVE = (TurnState.QUEUED.value, TurnState.RUNNING.value)
_OPEN = (*_LIVE, TurnState.INTERRUPTED.value)
_TURN = (
    turns.c.id, turns.c.agent_id, turns.c.user_seq, turns.c.state, turns.c.next_offset, turns.c.attempts, turns.c.model,
    turns.c.error_code, turns.c.error_message, turns.c.created_at, turns.c.ended_at, turns.c.sampling,
)  # fmt: skip
_MESSAGE = (
    messages.c.id, messages.c.seq, messages.c.role, messages.c.content, messages.c.state, messages.c.turn_id,
    messages.c.parent_id, messages.c.created_at, messages.c.place, messages.c.model, messages.c.stats,
)  # fmt: skip
_MOVE = (
    update(turns)
    .where(
        turns.c.id == bindparam("its_id"),
        turns.c.fence == bindparam("its_fence"),
        turns.c.next_offset == bindparam("first"),
        turns.c.state == TurnState.RUNNING.value,
    )
    .values(next_offset=bindparam("following"))
)
"""Makes room in the log of a turn that is ours; touches nothing when it is not, or when the offset is taken."""


class Fenced(Exception):
    """Another owner has taken the turn; nothing of ours may be written to it."""


def next_generation(connection: Connection) -> int:
    """A number larger than any owner had before: the fence of this server's writes."""
    value: int = (connection.scalar(select(generations.c.value).where(generations.c.name == "owner")) or 0) + 1
    if value == 1:
        connection.execute(insert(generations).values(name="owner", value=value))
    else:
        connection.execute(update(generations).where(generations.c.name == "owner").values(value=value))
    return value


def find_agent(connection: Connection, user_id: str, agent_id: str, *, deleted: bool = False) -> Agent:
    """One agent of one user. Raises NotFound, also for somebody else's."""
    _refuse_nul(agent_id, "conversation")
    gone = agents.c.deleted_at.is_not(None) if deleted else agents.c.deleted_at.is_(None)
    row = connection.execute(select(agents).where(agents.c.id == agent_id, agents.c.user_id == user_id, gone)).first()
    if row is None:
        raise NotFound("There is no such conversation.")
    return _agents(connection, [row])[0]


def list_agents(connection: Connection, user_id: str, limit: int, before: str | None) -> list[Agent]:
    """The agents of a user, the latest first; `before` is the agent to go on from. Raises NotFound."""
    query = select(agents).where(agents.c.user_id == user_id, agents.c.deleted_at.is_(None))
    if before is not None:
        last = find_agent(connection, user_id, before)
        query = query.where(tuple_(agents.c.updated_at, agents.c.id) < tuple_(last.updated_at, last.id))
    rows = connection.execute(query.order_by(agents.c.updated_at.desc(), agents.c.id.desc()).limit(limit)).all()
    return _agents(connection, rows)


def _agents(connection: Connection, rows: Sequence[Row[Any]]) -> list[Agent]:
    ids = [row.id for row in rows]
    live = connection.execute(
        select(turns.c.agent_id, func.max(turns.c.state))
        .where(turns.c.agent_id.in_(ids), turns.c.state.in_(_LIVE))
        .group_by(turns.c.agent_id)
    )
    # "running" sorts after "queued", so the maximum is what the agent does.
    states = {row[0]: row[1] for row in live.all()}
    return [
        Agent(
            row.id,
            row.user_id,
            row.title,
            row.model,
            row.last_seq,
            row.created_at,
            row.updated_at,
            states.get(row.id, "idle"),
            row.forked_from,
            row.sampling,
        )
        for row in rows
    ]


def create_agent(
    connection: Connection,
    user_id: str,
    now: int,
    *,
    title: str | None,
    model: str | None,
    system: str,
    sampling: str | None = None,
) -> Agent:
    """A new agent whose first message is the system prompt."""
    agent_id = new_id("agt")
    connection.execute(
        insert(agents).values(
            id=agent_id, user_id=user_id, title=title or "New chat", titled=title is not None, model=model, last_seq=1,
            created_at=now, updated_at=now, sampling=sampling,
        )
    )  # fmt: skip
    connection.execute(insert(messages), [message_row(agent_id, 1, ("system", system, "completed"), None, now)])
    return Agent(agent_id, user_id, title or "New chat", model, 1, now, now, sampling=sampling)


def default_agent(connection: Connection, user_id: str) -> str | None:
    """The id of the user's default agent, None before its first use or after its deletion."""
    result: str | None = connection.scalar(
        select(default_agents.c.agent_id)
        .join(agents, agents.c.id == default_agents.c.agent_id)
        .where(default_agents.c.user_id == user_id, agents.c.deleted_at.is_(None))
    )
    return result


def set_default_agent(connection: Connection, user_id: str, agent_id: str) -> None:
    """Makes an agent its user's default one."""
    connection.execute(delete(default_agents).where(default_agents.c.user_id == user_id))
    connection.execute(insert(default_agents).values(user_id=user_id, agent_id=agent_id))


def update_agent(connection: Connection, agent_id: str, values: Mapping[str, Any]) -> None:
    """Changes columns of an agent."""
    connection.execute(update(agents).where(agents.c.id == agent_id).values(**values))


def turn_by_key(connection: Connection, agent_id: str, key: str) -> tuple[Turn, str] | None:
    """The turn that an idempotency key made, and the hash of its payload."""
    row = connection.execute(
        select(*_TURN, turns.c.payload_hash).where(turns.c.agent_id == agent_id, turns.c.client_key == key)
    ).first()
    return (_turn(row[:-1]), row[-1]) if row is not None else None


def waiting_turns(connection: Connection, agent_id: str) -> int:
    """How many turns of an agent are queued."""
    query = select(func.count()).where(turns.c.agent_id == agent_id, turns.c.state == TurnState.QUEUED.value)
    return connection.scalar(query) or 0


def add_turn(
    connection: Connection, agent: Agent, text: str, key: str | None, digest: str, model: str | None, now: int
) -> Turn:
    """Adds a user message, the place of its answer, the turn, and the first events of its log."""
    seq, turn_id = agent.last_seq + 1, new_id("trn")
    connection.execute(
        insert(turns).values(
            id=turn_id, agent_id=agent.id, user_seq=seq, state=TurnState.QUEUED.value, client_key=key, payload_hash=digest,
            model=model, next_offset=2, fence=0, attempts=0, created_at=now, sampling=agent.sampling,
        )
    )  # fmt: skip
    parent = connection.scalar(
        select(messages.c.id).where(messages.c.agent_id == agent.id, messages.c.seq == agent.last_seq)
    )
    said = message_row(agent.id, seq, ("user", text, "completed"), (turn_id, parent), now)
    answer = message_row(agent.id, seq + 1, ("assistant", "", TurnState.QUEUED.value), (turn_id, said["id"]), now)
    connection.execute(insert(messages), [said, {**answer, "model": model}])
    events = [
        Event(0, "accepted", {"agentId": agent.id, "seq": seq}),
        Event(1, "status", {"state": TurnState.QUEUED.value}),
    ]
    add_events(connection, turn_id, events)
    return Turn(turn_id, agent.id, seq, TurnState.QUEUED, 2, 0, model, None, None, now, None, agent.sampling)


def move_agent(connection: Connection, agent: Agent, title: str | None, now: int) -> Agent:
    """Counts a new turn of an agent, and names the agent by `title` unless its user has given it a name."""
    values: dict[str, Any] = {"last_seq": agent.last_seq + 2, "updated_at": now}
    if title is not None:
        values["title"] = case((agents.c.titled, agents.c.title), else_=title)
    update_agent(connection, agent.id, values)
    return replace(agent, last_seq=agent.last_seq + 2, updated_at=now)


def message_row(
    agent_id: str, seq: int, what: tuple[str, str, str], links: tuple[str, str | None] | None, now: int
) -> dict[str, Any]:
    """A row of `messages`: `what` is role, text and state, `links` the turn and the message before."""
    role, content, state = what
    turn_id, parent_id = links or (None, None)
    return {
        "id": new_id("msg"), "agent_id": agent_id, "seq": seq, "role": role, "content": content, "state": state,
        "turn_id": turn_id, "parent_id": parent_id, "created_at": now, "place": None, "model": None, "stats": None,
    }  # fmt: skip


def get_turn(connection: Connection, agent_id: str, turn_id: str) -> Turn:
    """One turn. Raises NotFound."""
    _refuse_nul(turn_id, "turn")
    row = connection.execute(select(*_TURN).where(turns.c.id == turn_id, turns.c.agent_id == agent_id)).first()
    if row is None:
        raise NotFound("There is no such turn.")
    return _turn(row)


def _turn(row: Sequence[Any]) -> Turn:
    values = list(row)
    values[3] = TurnState(values[3])
    return Turn(*values)


def agents_with_work(connection: Connection) -> list[str]:
    """The agents that have turns to run."""
    query = (
        select(turns.c.agent_id)
        .where(turns.c.state.in_(_LIVE))
        .group_by(turns.c.agent_id)
        .order_by(func.min(turns.c.created_at))
    )
    return list(connection.scalars(query))


def next_turn(connection: Connection, agent_id: str) -> tuple[Turn, str] | None:
    """The turn that the agent runs next, oldest first, and its user; none while a device answers the oldest."""
    row = connection.execute(
        select(*_TURN, agents.c.user_id, device_turns.c.client_key)
        .join(agents, agents.c.id == turns.c.agent_id)
        .outerjoin(device_turns, device_turns.c.turn_id == turns.c.id)
        .where(turns.c.agent_id == agent_id, turns.c.state.in_(_LIVE))
        .order_by(turns.c.user_seq)
        .limit(1)
    ).first()
    return (_turn(row[:-2]), row[-2]) if row is not None and row[-1] is None else None


def claim_turn(connection: Connection, turn: Turn, fence: int) -> tuple[Event, bool]:
    """Makes the turn ours and running. Gives the event that says so, and whether its agent is deleted. Raises Fenced."""
    attempt = turn.attempts + 1
    event = Event(turn.next_offset, "status", {"state": TurnState.RUNNING.value, "attempt": attempt})
    claimed = connection.execute(
        update(turns)
        .where(
            turns.c.id == turn.id,
            turns.c.fence <= fence,
            turns.c.state.in_(_LIVE),
            turns.c.next_offset == turn.next_offset,
        )
        .values(fence=fence, state=TurnState.RUNNING.value, attempts=attempt, next_offset=turn.next_offset + 1)
    )
    if claimed.rowcount != 1:
        raise Fenced(turn.id)
    add_events(connection, turn.id, [event])
    connection.execute(
        update(messages)
        .where(messages.c.turn_id == turn.id, messages.c.role == "assistant")
        .values(state=TurnState.RUNNING.value)
    )
    deleted = connection.scalar(select(agents.c.deleted_at).where(agents.c.id == turn.agent_id)) is not None
    return event, deleted


def append_many(connection: Connection, fence: int, batches: Sequence[tuple[str, Sequence[Event]]]) -> None:
    """Adds events to the logs of turns that are ours, each turn at most once.

    Raises Fenced when any of them is not, or when an offset is taken; all of it has to be undone then.
    """
    moved = connection.execute(
        _MOVE,
        [
            {"its_id": turn_id, "its_fence": fence, "first": events[0].offset, "following": events[-1].offset + 1}
            for turn_id, events in batches
        ],
    )
    if moved.rowcount != len(batches):
        raise Fenced(", ".join(turn_id for turn_id, _ in batches))
    rows = [_event_row(turn_id, event) for turn_id, events in batches for event in events]
    connection.execute(insert(turn_events), rows)


def end_turn(
    connection: Connection, turn_id: str, state: TurnState, content: str, now: int, error: tuple[str, str] | None
) -> None:
    """Writes the final state of a turn and the text of its answer."""
    code, message = error or (None, None)
    connection.execute(
        update(turns)
        .where(turns.c.id == turn_id)
        .values(state=state.value, ended_at=now, error_code=code, error_message=message)
    )
    connection.execute(
        update(messages)
        .where(messages.c.turn_id == turn_id, messages.c.role == "assistant")
        .values(state=state.value, content=content)
    )


def add_events(connection: Connection, turn_id: str, events: Sequence[Event]) -> None:
    """Writes events whose offsets are taken already."""
    connection.execute(insert(turn_events), [_event_row(turn_id, event) for event in events])


def _event_row(turn_id: str, event: Event) -> dict[str, Any]:
    data = json.dumps(event.data, ensure_ascii=False)
    return {"turn_id": turn_id, "offset": event.offset, "type": event.type, "data": data}


def read_events(connection: Connection, turn_id: str, start: int, limit: int) -> tuple[list[Event], bool]:
    """Events of a turn from an offset on, and whether the turn had ended before they were read."""
    state = connection.scalar(select(turns.c.state).where(turns.c.id == turn_id))
    rows = connection.execute(
        select(turn_events.c.offset, turn_events.c.type, turn_events.c.data)
        .where(turn_events.c.turn_id == turn_id, turn_events.c.offset >= start)
        .order_by(turn_events.c.offset)
        .limit(limit)
    )
    return [Event(offset, kind, json.loads(data)) for offset, kind, data in rows], state not in _OPEN


def text_so_far(connection: Connection, turn_id: str) -> str:
    """The text of a turn's tokens."""
    rows = connection.scalars(
        select(turn_events.c.data)
        .where(turn_events.c.turn_id == turn_id, turn_events.c.type == "token")
        .order_by(turn_events.c.offset)
    )
    return "".join(json.loads(data)["text"] for data in rows)


def is_answered(connection: Connection, turn_id: str) -> bool:
    """Whether the model had finished: it tells its usage last."""
    found = select(turn_events.c.offset).where(turn_events.c.turn_id == turn_id, turn_events.c.type == "usage")
    return connection.scalar(found.limit(1)) is not None


def history(connection: Connection, agent_id: str, up_to: int) -> list[tuple[str, str]]:
    """Role and text of the messages up to a seq that say something."""
    rows = connection.execute(
        select(messages.c.role, messages.c.content)
        .where(and_(messages.c.agent_id == agent_id, messages.c.seq <= up_to, messages.c.content != ""))
        .order_by(messages.c.seq)
    )
    return [(role, content) for role, content in rows]


def read_messages(connection: Connection, agent_id: str, after: int, limit: int) -> list[Message]:
    """Messages with a seq beyond `after`; an answer under way has the text that is committed so far."""
    rows = connection.execute(
        select(*_MESSAGE)
        .where(messages.c.agent_id == agent_id, messages.c.seq > after)
        .order_by(messages.c.seq)
        .limit(limit)
    ).all()
    found = [Message(*row) for row in rows]
    return [
        replace(one, content=text_so_far(connection, one.turn_id))
        if one.state == TurnState.RUNNING.value and one.turn_id
        else one
        for one in found
    ]


def _refuse_nul(given: str, what: str) -> None:
    if "\x00" in given:
        # PostgreSQL takes no such text, and no id of ours has it.
        raise NotFound(f"There is no such {what}.")
