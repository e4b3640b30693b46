"""Agents, turns and messages as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from corral.kit.clock import iso


class TurnState(StrEnum):
    """The states of a turn. The last three are final; `interrupted` waits for the device that answers (agents.device)."""

    QUEUED = "queued"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing happens to the turn any more."""
        return self in (TurnState.COMPLETED, TurnState.FAILED, TurnState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a turn's log."""

    offset: int
    type: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self, turn_id: str) -> dict[str, Any]:
        """The wire form."""
        return {"offset": self.offset, "turnId": turn_id, "type": self.type, **self.data}


@dataclass(frozen=True, slots=True)
class Agent:
    """One conversation of one user. `state` is `idle` or the state of its turn under way; `sampling` is JSON."""

    id: str
    user_id: str
    title: str
    model: str | None
    last_seq: int
    created_at: int
    updated_at: int
    state: str = "idle"
    forked_from: str | None = None
    sampling: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The wire form."""
        return {
            "id": self.id,
            "title": self.title,
            "createdAt": iso_ms(self.created_at),
            "updatedAt": iso_ms(self.updated_at),
            "messageCount": self.last_seq,
            "state": self.state,
            "model": self.model,
            "forkedFrom": self.forked_from,
            "sampling": json.loads(self.sampling) if self.sampling else {},
        }


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `seq` counts from 1 without gaps within its agent. `place` is where an answer was made."""

    id: str
    seq: int
    role: str
    content: str
    state: str
    turn_id: str | None
    parent_id: str | None
    created_at: int
    place: str | None = None
    model: str | None = None
    stats: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The wire form."""
        told = json.loads(self.stats) if self.stats else {}
        return {
            "id": self.id,
            "seq": self.seq,
            "role": self.role,
            "content": self.content,
            "state": self.state,
            "turnId": self.turn_id,
            "parentId": self.parent_id,
            "createdAt": iso_ms(self.created_at),
            "place": (self.place or "server") if self.role == "assistant" else None,
            "model": self.model,
            "device": told.get("device"),
            "stats": told.get("stats"),
        }


@dataclass(frozen=True, slots=True)
class Turn:
    """One user message and the answer to it. The answer's `seq` is `user_seq + 1`; `sampling` is what its agent had then."""

    id: str
    agent_id: str
    user_seq: int
    state: TurnState
    next_offset: int
    attempts: int
    model: str | None
    error_code: str | None
    error_message: str | None
    created_at: int
    ended_at: int | None
    sampling: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The wire form."""
        error = {"code": self.error_code, "message": self.error_message} if self.error_code else None
        return {
            "id": self.id,
            "agentId": self.agent_id,
            "seq": self.user_seq,
            "state": self.state.value,
            "nextOffset": self.next_offset,
            "attempts": self.attempts,
            "error": error,
            "createdAt": iso_ms(self.created_at),
            "endedAt": iso_ms(self.ended_at) if self.ended_at else None,
        }


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that is on disk; `agent` as it was found. `repeated` when the idempotency key was known."""

    agent: Agent
    turn: Turn
    repeated: bool


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What a client sends."""

    text: str
    agent_id: str | None = None
    key: str | None = None
    model: str | None = None


def iso_ms(millis: int) -> str:
    """Milliseconds since 1970 in the wire's form of times."""
    return iso(datetime.fromtimestamp(millis / 1000, UTC))
