"""Ports of the agents, filled with inference."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from corral.accounts.types import Permission, Principal
from corral.dialects.form import ChatEvent, ChatRequest
from corral.inference import Inference


class AgentSource:
    """Fills the agents' port with inference, speaking for the agent's user."""

    def __init__(self, inference: Inference, longest_answer: Callable[[str], int | None]) -> None:
        self._inference = inference
        self._longest_answer = longest_answer

    def longest_answer(self, model: str) -> int | None:
        """See `agents.ports.ModelSource`."""
        return self._longest_answer(model)

    def stream(self, user_id: str, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """See `agents.ports.ModelSource`."""
        return self._inference.chat(Principal(user_id, frozenset({Permission.INFERENCE})), request)
