"""The form in which both doors take a device's turns. What the fields mean: docs/rooms/agents-device.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from corral.agents.device.types import Brought, DeviceTurn, Placed
from corral.agents.types import TurnState

MAX_TURNS = 50
MAX_TEXT = 200_000
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Id = Annotated[str, Field(min_length=1, max_length=64)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Figure = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Moment = Annotated[int, Field(ge=0, le=2**53)]


class StatsFields(BaseModel):
    """Figures of an answer; times are milliseconds."""

    model_config = ConfigDict(extra="forbid")

    promptTokens: Count | None = None  # noqa: N815 - the names on the wire
    tokens: Count | None = None
    firstTokenMs: Figure | None = None  # noqa: N815
    tokensPerSecond: Figure | None = None  # noqa: N815
    backend: Literal["webgpu", "wasm", "provider"] | None = None
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None


class ErrorFields(BaseModel):
    """Why an answer failed."""

    model_config = ConfigDict(extra="forbid")

    code: Annotated[str, Field(min_length=1, max_length=64)]
    message: Annotated[str, Field(max_length=2000)]


class TurnFields(BaseModel):
    """All that a device knows of one turn."""

    model_config = ConfigDict(extra="forbid")

    key: Name
    message: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    answer: Text = ""
    state: Literal["running", "interrupted", "completed", "cancelled", "failed"]
    model: Name | None = None
    device: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    stats: StatsFields | None = None
    error: ErrorFields | None = None
    createdAt: Moment | None = None  # noqa: N815
    endedAt: Moment | None = None  # noqa: N815
    takes: Id | None = None

    def turn(self) -> DeviceTurn:
        """The same as a value."""
        state, failed = TurnState(self.state), self.error
        error = (failed.code, failed.message) if failed is not None else ("device_failed", "The answer failed.")
        return DeviceTurn(
            self.key, self.message, self.answer, state, self.model, self.device,
            self.stats.model_dump(exclude_none=True) if self.stats is not None else None,
            error if state is TurnState.FAILED else None, self.createdAt, self.endedAt, self.takes,
        )  # fmt: skip


class DeviceTurnsFields(BaseModel):
    """Turns in their order, and where the first of them follows."""

    model_config = ConfigDict(extra="forbid")

    turns: Annotated[list[TurnFields], Field(min_length=1, max_length=MAX_TURNS)]
    agentId: Id | None = None  # noqa: N815
    after: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    title: Name | None = None
    fork: bool = True

    def brought(self) -> Brought:
        """The same as a value."""
        return Brought([turn.turn() for turn in self.turns], self.agentId, self.after, self.title, self.fork)


def answer(placed: list[Placed]) -> dict[str, Any]:
    """What a device is told: where each turn is, and the conversation of the last one."""
    agent = placed[-1].agent
    return {
        "agentId": agent.id,
        "title": agent.title,
        "forkedFrom": agent.forked_from,
        "lastSeq": placed[-1].turn.user_seq + 1,
        "turns": [one.as_dict() for one in placed],
    }
