"""What must hold after any history of clients, kills and restarts: pure functions of what was seen and what is stored.

Each checker returns its complaints; an empty list means that the promise held.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FINAL = ("completed", "cancelled", "failed")


@dataclass(frozen=True, slots=True)
class Send:
    """One message that a client sent under a key, and the ids of the acknowledgement if one came."""

    user: str
    key: str
    text: str
    agent: str | None = None
    turn: str | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """An acknowledged stop: the turn and its final offset."""

    turn: str
    final_offset: int


@dataclass(slots=True)
class History:
    """What clients did and saw. `seen` holds, per watcher, a turn and the events in the order they came."""

    sends: list[Send] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    seen: list[tuple[str, list[Mapping[str, Any]]]] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)
    fences: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stored:
    """The final database: rows as mappings."""

    agents: Sequence[Mapping[str, Any]]
    turns: Sequence[Mapping[str, Any]]
    messages: Sequence[Mapping[str, Any]]
    events: Mapping[str, Sequence[Mapping[str, Any]]]

    @classmethod
    def read(cls, file: Path) -> Stored:
        """Reads a SQLite file of Corral."""
        with sqlite3.connect(file) as connection:
            connection.row_factory = sqlite3.Row

            def rows(query: str) -> list[dict[str, Any]]:
                return [dict(row) for row in connection.execute(query)]

            events: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
            for row in rows('SELECT * FROM turn_events ORDER BY turn_id, "offset"'):
                wire = {"offset": row["offset"], "turnId": row["turn_id"], "type": row["type"]}
                events[row["turn_id"]].append({**wire, **json.loads(row["data"])})
            found = cls(
                rows("SELECT * FROM agents"),
                rows("SELECT * FROM turns ORDER BY agent_id, user_seq"),
                rows("SELECT * FROM messages ORDER BY agent_id, seq"),
                events,
            )
        connection.close()
        return found


def read_fence(file: Path) -> int:
    """The highest fence that was given out."""
    connection = sqlite3.connect(file)
    try:
        return int(connection.execute("SELECT max(value) FROM generations").fetchone()[0] or 0)
    finally:
        connection.close()


def check_all(history: History, stored: Stored) -> list[str]:
    """Every checker's complaints."""
    return [
        *contiguous(stored), *nothing_acknowledged_is_missing(history, stored), *one_turn_a_key(history, stored),
        *seen_is_a_prefix(history, stored), *one_terminal(stored), *stops_hold(history, stored), *fences_rise(history),
        *log_equals_state(stored), *turns_are_serial(stored),
    ]  # fmt: skip


def contiguous(stored: Stored) -> list[str]:
    """Offsets count from 0 within a turn, seqs from 1 within an agent, without gaps."""
    complaints = []
    for turn in stored.turns:
        offsets = [event["offset"] for event in stored.events.get(turn["id"], ())]
        if offsets != list(range(turn["next_offset"])):
            complaints.append(f"offsets of {turn['id']}: {_short(offsets)}, next {turn['next_offset']}")
    by_agent: dict[str, list[int]] = defaultdict(list)
    for message in stored.messages:
        by_agent[message["agent_id"]].append(message["seq"])
    for agent in stored.agents:
        if by_agent[agent["id"]] != list(range(1, agent["last_seq"] + 1)):
            complaints.append(f"seqs of {agent['id']}: {_short(by_agent[agent['id']])}, last {agent['last_seq']}")
    return complaints


def nothing_acknowledged_is_missing(history: History, stored: Stored) -> list[str]:
    """Every acknowledged message is stored with its text in the conversation it was acknowledged for."""
    said = {(one["agent_id"], one["turn_id"]): one["content"] for one in stored.messages if one["role"] == "user"}
    return [
        f"the acknowledged message {send.key} of {send.user} is missing or another"
        for send in history.sends
        if send.turn is not None and said.get((str(send.agent), send.turn)) != send.text
    ]


def one_turn_a_key(history: History, stored: Stored) -> list[str]:
    """A key made at most one turn, and all its acknowledgements name that turn."""
    complaints = []
    made: dict[tuple[str, str], int] = defaultdict(int)
    users = {agent["id"]: agent["user_id"] for agent in stored.agents}
    for turn in stored.turns:
        if turn["client_key"] is not None:
            made[(users[turn["agent_id"]], turn["client_key"])] += 1
    complaints += [f"{count} turns for the key {key}" for key, count in made.items() if count > 1]
    told: dict[tuple[str, str], set[str]] = defaultdict(set)
    for send in history.sends:
        if send.turn is not None:
            told[(send.user, send.key)].add(send.turn)
    return complaints + [f"the key {key} was acknowledged as {turns}" for key, turns in told.items() if len(turns) > 1]


def seen_is_a_prefix(history: History, stored: Stored) -> list[str]:
    """What a watcher saw from an offset on is exactly what the log has there, in order and each once."""
    complaints = []
    for turn, seen in history.seen:
        if not seen:
            continue
        first = seen[0]["offset"]
        if list(stored.events.get(turn, ()))[first : first + len(seen)] != list(seen):
            complaints.append(f"a client saw of {turn} what its log does not have: {_short(seen)}")
    return complaints


def one_terminal(stored: Stored) -> list[str]:
    """Every turn has ended, once, with its last event."""
    complaints = []
    for turn in stored.turns:
        events = stored.events.get(turn["id"], ())
        ends = [event for event in events if event["type"] == "end"]
        if turn["state"] not in FINAL or len(ends) != 1 or events[-1] is not ends[0]:
            complaints.append(f"{turn['id']} is {turn['state']} with {len(ends)} ends")
        elif ends[0]["state"] != turn["state"]:
            complaints.append(f"{turn['id']} is {turn['state']} and its log says {ends[0]['state']}")
    return complaints


def stops_hold(history: History, stored: Stored) -> list[str]:
    """After an acknowledged stop nothing was added to the turn, nor seen of it."""
    complaints = []
    for stop in history.stops:
        if len(stored.events.get(stop.turn, ())) != stop.final_offset:
            complaints.append(f"{stop.turn} was stopped at {stop.final_offset} and has more or less than that")
        for turn, seen in history.seen:
            if turn == stop.turn and any(event["offset"] >= stop.final_offset for event in seen):
                complaints.append(f"something of {turn} was shown behind its stop")
    return complaints


def fences_rise(history: History) -> list[str]:
    """Each start took a higher fence than all before."""
    rising = all(later > earlier for earlier, later in zip(history.fences, history.fences[1:], strict=False))
    return [] if rising else [f"the fence went {history.fences}"]


def log_equals_state(stored: Stored) -> list[str]:
    """The answers rebuilt from the logs are the stored messages."""
    answers = {one["turn_id"]: one for one in stored.messages if one["role"] == "assistant"}
    complaints = []
    for turn in stored.turns:
        events = stored.events.get(turn["id"], ())
        text = "".join(event["text"] for event in events if event["type"] == "token")
        answer = answers.get(turn["id"])
        if answer is None or answer["content"] != text or answer["state"] != turn["state"]:
            complaints.append(f"the answer of {turn['id']} is not what its log says")
    return complaints


def turns_are_serial(stored: Stored) -> list[str]:
    """The messages of an agent are its turns in order: a question and its answer each, behind the system prompt."""
    complaints = []
    by_agent: dict[str, list[str]] = defaultdict(list)
    for message in stored.messages:
        by_agent[message["agent_id"]].append(message["role"])
    for agent, roles in by_agent.items():
        expected = ["system"] + ["user", "assistant"] * ((len(roles) - 1) // 2)
        if roles != expected:
            complaints.append(f"the messages of {agent} are {_short(roles)}")
    return complaints


def answers_are(stored: Stored, expected: Mapping[str, str]) -> list[str]:
    """Completed turns hold the answer that the model gives to their message."""
    completed = {turn["id"] for turn in stored.turns if turn["state"] == "completed"}
    return [
        f"the answer of {one['turn_id']} is not the model's: {one['content'][:80]!r}"
        for one in stored.messages
        if one["role"] == "assistant" and one["turn_id"] in completed and one["content"] != expected[one["turn_id"]]
    ]


def _short(values: Iterable[Any]) -> str:
    text = str(list(values))
    return text if len(text) < 300 else f"{text[:200]} … {text[-80:]}"
