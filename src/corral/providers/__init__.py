"""Things that can answer: translation to and from Corral's own form of a chat."""

from __future__ import annotations

from corral.providers.types import ChatEvent, ChatMessage, ChatRequest, Finished, ReasoningDelta, TextDelta, Usage

__all__ = ["ChatEvent", "ChatMessage", "ChatRequest", "Finished", "ReasoningDelta", "TextDelta", "Usage"]
