"""What the library gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from corral.dialects.form import Image, Message, StopReason, ToolCall, Usage

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Answer(Generic[V]):
    """A whole answer.

    Attributes:
        text: what the model said; JSON when a form was asked for.
        value: that as a value of the form that was asked for; None without one.
        reasoning: its thinking, where the provider tells it.
        refusal: its own words for saying no.
        tool_calls: calls of tools that it wants; `arguments` is JSON text.
        images: images that it made.
        message: all of it as a message, for the next question.
        stop_reason: why it ended: stop, stop_sequence, length, tool_calls, content_filter or refusal.
        usage: tokens; None when nobody told.
        provider, model: who answered; empty when that is not known, as of a kept answer.
        attempts: how many it took.
        cache: whether it was kept from before: hit, miss, joined, replayed, bypass; empty without a cache.
        structured: how it came to have its form: valid, extracted, repaired or streamed; empty without one.
    """

    text: str
    value: V
    reasoning: str
    refusal: str
    tool_calls: tuple[ToolCall, ...]
    images: tuple[Image, ...]
    message: Message
    stop_reason: StopReason
    usage: Usage | None
    provider: str = ""
    model: str = ""
    attempts: int = 0
    cache: str = ""
    structured: str = ""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors, in the order of the texts."""

    vectors: tuple[tuple[float, ...], ...]
    usage: Usage | None
    provider: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """A name that can be asked for: a route's, a model's of this machine, or `provider/model`. None is not known.

    Attributes:
        context_length: tokens of prompt and answer together.
        capabilities: of completion, chat, tools, vision, embedding, thinking.
        state: an engine's, or `available` for a model elsewhere.
        local: whether it runs on this machine.
    """

    name: str
    title: str
    provider: str
    context_length: int | None
    capabilities: tuple[str, ...]
    state: str
    local: bool
