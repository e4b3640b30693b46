"""Ports of the agents, filled with inference."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from corral.accounts.types import Permission, Principal
from corral.dialects.form import ChatEvent, ChatRequest
from corral.inference import Inference


class AgentSource:
    """Fills the agents' port with inference, speaking for the agent's user."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    def stream(self, user_id: str, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """See `agents.ports.ModelSource`."""
        return self._inference.chat(Principal(user_id, frozenset({Permission.INFERENCE})), request)
