"""The shapes of Anthropic's Messages API as they are on the wire, and its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from corral.dialects.form import StopReason

NAME = "anthropic"
DEFAULT_MAX_TOKENS = 8192
"""Tokens of an answer when the client names no limit; the API wants one."""

Json = dict[str, Any]
Tokens = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=2)]

NOTHING = msgspec.Raw()


class Block(msgspec.Struct):
    """A content block of any kind; which fields count depends on `type`."""

    type: str
    text: str | None = None
    source: msgspec.Raw = NOTHING
    title: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = NOTHING
    tool_use_id: str | None = None
    content: msgspec.Raw = NOTHING
    is_error: bool | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    cache_control: Json | None = None


class Message(msgspec.Struct):
    """One message of a request."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class Source(msgspec.Struct):
    """Where the bytes of an image or document are."""

    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: str | list[Block] | None = None


class Choice(msgspec.Struct):
    """`tool_choice`."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(msgspec.Struct):
    """`thinking`."""

    type: str
    budget_tokens: Tokens | None = None
    display: str | None = None


class OutputDetails(msgspec.Struct):
    """`usage.output_tokens_details`."""

    thinking_tokens: int | None = None


class Usage(msgspec.Struct):
    """`usage`: here `input_tokens` is without what came from or went to a cache."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None


class Whole(msgspec.Struct):
    """A whole message, and what `message_start` holds of one."""

    id: str = ""
    model: str = ""
    content: list[Block] = []
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: Usage | None = None


STOP_REASONS: Mapping[str, StopReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "pause",
}

REASONS_OUT: Mapping[StopReason, str] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
}


def server_side(kind: str) -> bool:
    """Whether a block is the trace of a tool that the provider itself ran: it means nothing to another provider."""
    return kind in ("server_tool_use", "mcp_tool_use", "tool_reference") or (
        kind.endswith("_tool_result") and kind != "tool_result"
    )
