"""The shapes of Ollama's API as they are on the wire, and its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from corral.dialects.form import StopReason

CHAT = "ollama_chat"
GENERATE = "ollama_generate"
OWN = frozenset((CHAT, GENERATE))
MEDIA_TYPE = "application/x-ndjson"

Json = dict[str, Any]
Amount = Annotated[float, msgspec.Meta(ge=-1000, le=1000)]
Count = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
NOTHING = msgspec.Raw()


class Function(msgspec.Struct):
    """A called function; `arguments` is an object."""

    name: str = ""
    arguments: msgspec.Raw = NOTHING


class Call(msgspec.Struct):
    """A call of a tool."""

    function: Function
    id: str | None = None


class Message(msgspec.Struct):
    """One message, of a request or of an answer."""

    role: str = ""
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[Call] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class Line(msgspec.Struct):
    """A whole answer, or one line of a stream: they have the same form. `message` is chat's, `response` generate's."""

    model: str = ""
    created_at: str = ""
    message: Message | None = None
    response: str = ""
    thinking: str = ""
    image: str | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    logprobs: list[Json] | None = None
    error: Any = None


REASONS: Mapping[str, StopReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "refusal": "refusal",
    "pause": "pause",
}

REASONS_OUT: Mapping[StopReason, str] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "tool_calls": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "refusal": "refusal",
    "pause": "pause",
}

HEADS = (("/9j/", "image/jpeg"), ("iVBOR", "image/png"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp"))
"""How images of these kinds begin in base64."""


def image_kind(data: str) -> str:
    """The media type of an image in base64: Ollama does not tell it."""
    return next((kind for head, kind in HEADS if data.startswith(head)), "image/png")
