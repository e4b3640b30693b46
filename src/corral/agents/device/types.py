"""What a device tells of its turns, and where they were put."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from corral.agents.types import Agent, Event, Turn, TurnState


@dataclass(frozen=True, slots=True)
class DeviceTurn:
    """All that a device knows of one turn: `answer` is its text so far. Times are milliseconds since 1970."""

    key: str
    message: str
    answer: str
    state: TurnState
    model: str | None = None
    device: str | None = None
    stats: Mapping[str, Any] | None = None
    error: tuple[str, str] | None = None
    created_at: int | None = None
    ended_at: int | None = None
    takes: str | None = None
    """The turn of the server that the device answers instead."""


@dataclass(frozen=True, slots=True)
class Brought:
    """One request: turns in their order, and the seq of the answer that the first of them follows."""

    turns: Sequence[DeviceTurn]
    agent_id: str | None = None
    after: int | None = None
    title: str | None = None
    fork: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """Behind the message `after` of an agent; None stands for a conversation that is not made yet."""

    agent: Agent | None
    after: int


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a turn is now; `events` are those that this request has added to its log."""

    key: str
    agent: Agent
    turn: Turn
    repeated: bool
    events: Sequence[Event] = field(default=())
    taken: bool = False
    """Whether it was the server's until now."""

    @property
    def place(self) -> Place:
        """Where the next turn follows."""
        return Place(self.agent, self.turn.user_seq + 1)

    def as_dict(self) -> dict[str, Any]:
        """The wire form."""
        return {
            "key": self.key,
            "agentId": self.agent.id,
            "turnId": self.turn.id,
            "seq": self.turn.user_seq,
            "state": self.turn.state.value,
            "repeated": self.repeated,
        }
