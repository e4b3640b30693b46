"""Which messages a model is shown when the whole conversation is longer than its context: those said last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from corral.dialects.form import ChatRequest, Message, text_of

RESERVE = 0.25
"""Share of the context that is left for the answer."""
MARGIN = 0.95
"""Tokens are guessed from characters, and may be a little more."""


def shortened(request: ChatRequest, facts: Mapping[str, Any] | None) -> tuple[ChatRequest, int]:
    """The request without its oldest messages, and how many were left out; 0 when nothing can be.

    System messages stay, and so does everything from the newest user message on. What is shown begins with a user message.

    Args:
        request: one that was refused with ContextExceeded.
        facts: that error's details: `n_prompt_tokens` and `n_ctx`. Without them, half is left out.
    """
    messages = request.messages
    newest = max((at for at, one in enumerate(messages) if one.role == "user"), default=0)
    kept, budget = set(range(newest, len(messages))), _characters(messages, facts)
    for at, one in enumerate(messages):
        if one.role in ("system", "developer"):
            kept.add(at)
    budget -= sum(_size(messages[at]) for at in kept)
    first = newest
    for at in range(newest - 1, -1, -1):
        if at in kept:
            continue
        budget -= _size(messages[at])
        if budget < 0:
            break
        if messages[at].role == "user":
            first = at
    shown = tuple(one for at, one in enumerate(messages) if at in kept or at >= first)
    return msgspec.structs.replace(request, messages=shown), len(messages) - len(shown)


def _characters(messages: tuple[Message, ...], facts: Mapping[str, Any] | None) -> float:
    """How many characters may be shown."""
    whole = sum(_size(one) for one in messages)
    tokens, context = (facts or {}).get("n_prompt_tokens"), (facts or {}).get("n_ctx")
    if not isinstance(tokens, int) or not isinstance(context, int) or tokens <= 0:
        return whole / 2
    return whole * min(1.0, context * (1 - RESERVE) / tokens) * MARGIN


def _size(message: Message) -> int:
    """Characters, and some for what the chat template puts around a message."""
    return len(text_of(message)) + 12
