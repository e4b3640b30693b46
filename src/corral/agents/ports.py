"""What the agents need of the rooms below."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from corral.providers.types import ChatEvent, ChatRequest


class ModelSource(Protocol):
    """Answers chats."""

    def stream(self, user_id: str, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """The answer, piece by piece, ending in Finished; closing it ends the work. Raises CorralError."""
        ...
