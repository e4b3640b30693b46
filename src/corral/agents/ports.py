"""What the agents need of the rooms below."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from corral.dialects.form import ChatEvent, ChatRequest


class ModelSource(Protocol):
    """Answers chats."""

    def longest_answer(self, model: str) -> int | None:
        """The longest answer of a model in tokens, where one is set for it; `model` may be empty for the default one."""
        ...

    def stream(self, user_id: str, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """The answer, piece by piece, with Finished at its end; closing it ends the work. Raises CorralError."""
        ...
