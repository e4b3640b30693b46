"""Puts the turns of one request into their conversations, within one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from corral.agents import repository
from corral.agents.device import repository as rows
from corral.agents.device.types import Brought, DeviceTurn, Place, Placed
from corral.agents.types import Agent, Event, Turn, TurnState
from corral.kit.errors import Conflict, IdempotencyConflict, Interrupted, InvalidRequest

TITLE_LENGTH = 60
LEFT = (Interrupted.code, "The device that was answering left before the end.")
"""Why a turn has failed whose device did not come back in time."""


@dataclass(frozen=True, slots=True)
class Owner:
    """For whom turns are brought, when (milliseconds since 1970), and this server's fence and system prompt."""

    user_id: str
    now: int
    fence: int
    system: str


class Bringing:
    """One request being applied; `closed` are turns that ended because the conversation goes on without them."""

    def __init__(self, connection: Connection, owner: Owner, brought: Brought) -> None:
        self._connection = connection
        self._owner = owner
        self._brought = brought
        self.closed: list[tuple[str, Sequence[Event]]] = []

    def apply(self) -> list[Placed]:
        """Where each of the turns is now. Raises InvalidRequest, NotFound, Conflict, IdempotencyConflict."""
        place = Place(None, 1)
        if self._brought.agent_id is not None:
            agent, _ = rows.any_agent(self._connection, self._owner.user_id, self._brought.agent_id)
            place = Place(agent, self._brought.after or 1)
        placed: list[Placed] = []
        for number, turn in enumerate(self._brought.turns):
            known = rows.find(self._connection, self._owner.user_id, turn.key)
            one = self._again(number, turn, known) if known is not None else self._first(number, turn, place)
            placed.append(one)
            place = one.place
        return placed

    # a key that is new

    def _first(self, number: int, turn: DeviceTurn, place: Place) -> Placed:
        connection, owner = self._connection, self._owner
        if place.agent is None:
            return self._add(
                repository.create_agent(
                    connection, owner.user_id, owner.now, title=self._brought.title, model=None, system=owner.system
                ),
                turn,
            )
        agent, deleted = rows.any_agent(connection, owner.user_id, place.agent.id)
        twin = repository.turn_by_key(connection, agent.id, turn.key)
        if turn.takes is not None and not deleted:
            wanted = repository.get_turn(connection, agent.id, turn.takes)
            self._same_question(number, turn, wanted)
            if not self._takeable(wanted):
                raise Conflict("The server has begun to answer this message.", param=f"turns.{number}.takes")
            return self._take(agent, turn, wanted)
        if twin is not None:
            self._same_question(number, turn, twin[0])
            if not deleted and self._takeable(twin[0]):
                return self._take(agent, turn, twin[0])
        up_to = min(place.after, agent.last_seq if twin is None else twin[0].user_seq - 1)
        busy = rows.live_turn(connection, agent.id, up_to)
        if busy is not None:
            told = {"reason": "answer_under_way", "turnId": busy, "lastSeq": agent.last_seq}
            raise Conflict(
                "An answer is under way in this conversation; send it again when that has ended.", details=told
            )
        if twin is None and not deleted and agent.last_seq == place.after:
            return self._add(agent, turn)
        return self._add(self._fork(agent, up_to), turn)

    def _fork(self, agent: Agent, up_to: int) -> Agent:
        if not self._brought.fork:
            told = {"reason": "moved_on", "lastSeq": agent.last_seq}
            raise Conflict("The conversation has moved on; read it again.", details=told, param="after")
        return rows.fork(self._connection, agent, up_to, self._owner.now)

    def _add(self, agent: Agent, turn: DeviceTurn) -> Placed:
        connection, owner = self._connection, self._owner
        left = rows.left_open(connection, agent)
        if left is not None:
            self.closed.append((left.id, close(connection, left, owner)))
        running = {"state": TurnState.RUNNING.value, "attempt": 1, "place": "device"}
        events = [
            Event(0, "accepted", {"agentId": agent.id, "seq": agent.last_seq + 1}),
            Event(1, "status", running),
            *told(turn, turn.answer, agent.last_seq + 2),
        ]
        events = [Event(offset, event.type, event.data) for offset, event in enumerate(events)]
        made = rows.add(connection, agent, turn, events, owner.now, owner.fence)
        rows.remember(connection, owner.user_id, turn.key, made.id)
        title = " ".join(turn.message.split())[:TITLE_LENGTH] if agent.last_seq == 1 else None
        moved = repository.move_agent(connection, agent, title, owner.now)
        return Placed(turn.key, moved, made, repeated=False, events=events)

    def _takeable(self, turn: Turn) -> bool:
        """Whether a turn is the server's and nothing of its answer is there, nor of an answer before it to come."""
        connection = self._connection
        if turn.state.final or rows.held(connection, turn.id) or rows.spoken(connection, turn.id):
            return False
        return rows.live_turn(connection, turn.agent_id, turn.user_seq - 1) is None

    def _take(self, agent: Agent, turn: DeviceTurn, wanted: Turn) -> Placed:
        running = Event(wanted.next_offset, "status", {"state": TurnState.RUNNING.value, "place": "device"})
        rows.go_on(self._connection, wanted, [running], TurnState.RUNNING, self._owner.fence)
        rows.remember(self._connection, self._owner.user_id, turn.key, wanted.id)
        taken = replace(wanted, state=TurnState.RUNNING, next_offset=wanted.next_offset + 1)
        placed = self._go_on(0, turn, agent, taken)
        return replace(placed, repeated=False, taken=True, events=[running, *placed.events])

    # a key that is known

    def _again(self, number: int, turn: DeviceTurn, known: Turn) -> Placed:
        agent, _ = rows.any_agent(self._connection, self._owner.user_id, known.agent_id)
        self._same_question(number, turn, known)
        if not known.state.final:
            return self._go_on(number, turn, agent, known)
        stored = repository.text_so_far(self._connection, known.id)
        unchanged = Placed(turn.key, agent, known, repeated=True)
        if known.state is TurnState.CANCELLED or turn.state is TurnState.RUNNING:
            # A stop is a stop; and one who still writes will tell of the end.
            return unchanged
        if (turn.state is known.state and turn.answer == stored) or (
            turn.state in (TurnState.INTERRUPTED, TurnState.FAILED) and stored.startswith(turn.answer)
        ):
            return unchanged
        if known.error_code != LEFT[0]:
            raise IdempotencyConflict("This turn has ended with another answer.", param=f"turns.{number}.answer")
        # The conversation went on without the device: what it says now is kept beside it.
        return self._add(self._fork(agent, known.user_seq - 1), turn)

    def _go_on(self, number: int, turn: DeviceTurn, agent: Agent, known: Turn) -> Placed:
        connection, owner = self._connection, self._owner
        stored = repository.text_so_far(connection, known.id)
        if not turn.answer.startswith(stored) and not stored.startswith(turn.answer):
            raise IdempotencyConflict("The answer does not go on from what is stored.", param=f"turns.{number}.answer")
        if turn.state is TurnState.INTERRUPTED and agent.last_seq > known.user_seq + 1:
            # Others wait behind it.
            turn = replace(turn, state=TurnState.FAILED, error=LEFT)
        events = told(turn, turn.answer[len(stored) :], known.user_seq + 1)
        if known.state is TurnState.INTERRUPTED and turn.state is TurnState.RUNNING:
            events.insert(0, Event(0, "status", {"state": TurnState.RUNNING.value, "place": "device"}))
        if known.state is TurnState.INTERRUPTED and turn.state is TurnState.INTERRUPTED:
            events.pop()
        events = [Event(known.next_offset + place, event.type, event.data) for place, event in enumerate(events)]
        text = max(stored, turn.answer, key=len)
        if events:
            rows.go_on(connection, known, events, turn.state, owner.fence)
            settle(connection, known, turn.state, text, owner.now, turn.error)
            repository.update_agent(connection, agent.id, {"updated_at": owner.now})
        rows.tell(connection, known.id, turn)
        moved = replace(known, state=turn.state, next_offset=known.next_offset + len(events))
        return Placed(turn.key, agent, moved, repeated=not events, events=events)

    def _same_question(self, number: int, turn: DeviceTurn, known: Turn) -> None:
        if rows.question(self._connection, known.id) != turn.message:
            raise IdempotencyConflict("This key was used for another message.", param=f"turns.{number}.key")


def told(turn: DeviceTurn, text: str, seq: int) -> list[Event]:
    """The log entries of what is new: `text`, then what the turn's state says. Offsets are given later."""
    events = [Event(0, "token", {"text": text})] if text else []
    if turn.state is TurnState.INTERRUPTED:
        events.append(Event(0, "status", {"state": turn.state.value}))
    if not turn.state.final:
        return events
    stats = turn.stats or {}
    if turn.state is TurnState.COMPLETED and "tokens" in stats:
        usage = {"promptTokens": stats.get("promptTokens", 0), "completionTokens": stats["tokens"]}
        events.append(Event(0, "usage", usage))
    if turn.error is not None:
        events.append(Event(0, "error", {"code": turn.error[0], "message": turn.error[1], "recoverable": True}))
    events.append(Event(0, "end", {"state": turn.state.value, "messageCount": seq}))
    return events


def settle(
    connection: Connection, turn: Turn, state: TurnState, text: str, now: int, error: tuple[str, str] | None
) -> None:
    """Brings the message of an answer to its turn's state."""
    if state.final:
        repository.end_turn(connection, turn.id, state, text, now, error)
    elif state is TurnState.INTERRUPTED:
        rows.interrupt(connection, turn.id, text)


def close(connection: Connection, turn: Turn, owner: Owner, state: TurnState = TurnState.FAILED) -> list[Event]:
    """Ends an open device turn as failed, or as `state`, with the text that is there."""
    error = LEFT if state is TurnState.FAILED else None
    events = [Event(0, "end", {"state": state.value, "messageCount": turn.user_seq + 1})]
    if error is not None:
        events.insert(0, Event(0, "error", {"code": error[0], "message": error[1], "recoverable": True}))
    return _enter(connection, turn, owner, events, state)


def lapse(connection: Connection, agent: Agent, turn: Turn, owner: Owner) -> list[Event]:
    """Leaves a turn unfinished whose device is not heard of; ends it when others wait behind it."""
    if agent.last_seq > turn.user_seq + 1:
        return close(connection, turn, owner)
    left = [Event(0, "status", {"state": TurnState.INTERRUPTED.value})]
    return _enter(connection, turn, owner, left, TurnState.INTERRUPTED)


def _enter(connection: Connection, turn: Turn, owner: Owner, events: list[Event], state: TurnState) -> list[Event]:
    numbered = [Event(turn.next_offset + place, event.type, event.data) for place, event in enumerate(events)]
    text = repository.text_so_far(connection, turn.id)
    rows.go_on(connection, turn, numbered, state, owner.fence)
    settle(connection, turn, state, text, owner.now, LEFT if state is TurnState.FAILED else None)
    return numbered


def check(brought: Brought) -> None:
    """Raises InvalidRequest, naming the field, for what cannot be brought."""
    if brought.agent_id is not None and (brought.after is None or brought.after % 2 == 0):
        raise InvalidRequest("after is the seq of the answer that the first turn follows (1 for none).", param="after")
    keys: set[str] = set()
    for number, turn in enumerate(brought.turns):
        if turn.key in keys:
            raise InvalidRequest("Each turn has a key of its own.", param=f"turns.{number}.key")
        keys.add(turn.key)
        if not turn.message.strip():
            raise InvalidRequest("The message is empty.", param=f"turns.{number}.message")
        if turn.state is TurnState.RUNNING and number < len(brought.turns) - 1:
            raise InvalidRequest("Only the last turn may be under way.", param=f"turns.{number}.state")
        if turn.state is TurnState.QUEUED:
            raise InvalidRequest("A device's turn is never queued.", param=f"turns.{number}.state")
        if turn.takes is not None and (number > 0 or brought.agent_id is None):
            raise InvalidRequest(
                "Only the first turn of a known conversation takes one over.", param=f"turns.{number}.takes"
            )
        for field in ("key", "message", "answer", "model", "device", "takes"):
            if "\x00" in (getattr(turn, field) or ""):
                raise InvalidRequest(f"{field} holds a NUL character.", param=f"turns.{number}.{field}")
