"""Durable agents. See docs/rooms/agents.md."""

from __future__ import annotations

from corral.agents.service import AgentOptions, Agents
from corral.agents.types import Accepted, Agent, Event, Message, NewMessage, Turn, TurnState

__all__ = ["Accepted", "Agent", "AgentOptions", "Agents", "Event", "Message", "NewMessage", "Turn", "TurnState"]
