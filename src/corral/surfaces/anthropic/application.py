"""Anthropic's API on Corral's models: messages and the counting of their tokens. Its list of models is OpenAI's, richer."""

from __future__ import annotations

from corral.accounts.types import Permission
from corral.surfaces.anthropic.request import read_counted, read_messages
from corral.surfaces.calls import Answers, Calls, Manner
from corral.surfaces.door import Pace
from corral.surfaces.table import RouteTable


def add_anthropic(table: RouteTable, answers: Answers, pace: Pace) -> None:
    """Adds the routes."""
    messages = Manner("chat", "anthropic", read_messages)
    counted = Manner("count_tokens", "anthropic", read_counted)
    table.add("POST", "/v1/messages", Permission.INFERENCE, Calls(answers, messages, pace))
    table.add("POST", "/v1/messages/count_tokens", Permission.INFERENCE, Calls(answers, counted, pace))
