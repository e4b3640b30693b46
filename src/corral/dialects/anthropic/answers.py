"""Whole answers of Anthropic's Messages API, and token counts."""

from __future__ import annotations

from typing import Any

import msgspec

from corral.dialects.anthropic import wire
from corral.dialects.anthropic.errors import read_event_error
from corral.dialects.anthropic.writing import tool_id
from corral.dialects.decoding import read_told
from corral.dialects.fields import object_text, raw_object
from corral.dialects.form import (
    Answer,
    Choice,
    Image,
    Part,
    Reasoning,
    Refusal,
    StopReason,
    Text,
    ToolCall,
    Usage,
)
from corral.dialects.ports import About
from corral.kit.errors import InvalidRequest, UpstreamFailed

_ENCODE = msgspec.json.Encoder().encode


class _Said(wire.Whole):
    type: str = "message"
    role: str = "assistant"


class _Count(msgspec.Struct):
    input_tokens: int


_SAID = msgspec.json.Decoder(_Said)
_COUNT = msgspec.json.Decoder(_Count)


def read_answer(body: bytes) -> Answer:
    """Raises UpstreamFailed for nonsense or an answer without an end, and the error for one that is told inside a 200."""
    said = read_told(_SAID, body)
    if said.type == "error":
        raise read_event_error(body)
    if said.type != "message" or said.stop_reason is None:
        raise UpstreamFailed("The provider's answer is no whole message.")
    parts = tuple(part for block in said.content if (part := _part(block)) is not None)
    usage = read_usage(said.usage, None)
    choice = Choice(parts, stop_reason(said.stop_reason), said.stop_sequence)
    return Answer((choice,), usage, said.id, said.model)


def stop_reason(told: str) -> StopReason:
    """A reason of a version to come counts as a normal end."""
    return wire.STOP_REASONS.get(told, "stop")


def _part(block: wire.Block) -> Part | None:
    if block.type == "text":
        return Text(block.text or "")
    if block.type == "thinking":
        return Reasoning(block.thinking or "", block.signature or None)
    if block.type == "redacted_thinking":
        return Reasoning(redacted=block.data or "")
    if block.type == "tool_use":
        try:
            arguments = raw_object(block.input, "input")
        except InvalidRequest as error:
            raise UpstreamFailed(f"The provider's tool call is not as it must be: {error.message}") from None
        return ToolCall(block.id or "", block.name or "", arguments)
    return None


def read_usage(told: wire.Usage | None, known: Usage | None) -> Usage | None:
    """The tokens that are known now; None while none are told. Later counts replace earlier ones, field by field."""
    if told is None:
        return known
    read, write = told.cache_read_input_tokens, told.cache_creation_input_tokens
    cached = read if read is not None else known.cached_tokens if known else 0
    written = write if write is not None else known.cache_write_tokens if known else 0
    fresh = told.input_tokens
    if fresh is None:
        fresh = known.prompt_tokens - known.cached_tokens - known.cache_write_tokens if known else 0
    output = told.output_tokens if told.output_tokens is not None else known.completion_tokens if known else 0
    thought = told.output_tokens_details.thinking_tokens if told.output_tokens_details else None
    if thought is None:
        thought = known.reasoning_tokens if known else 0
    usage = Usage(
        max(fresh, 0) + max(cached, 0) + max(written, 0), max(output, 0), max(cached, 0), max(written, 0), thought
    )
    return usage if usage != Usage(0, 0) else known


def write_usage(usage: Usage | None) -> dict[str, Any]:
    """Every count that clients read is there, also when nothing is known."""
    if usage is None:
        usage = Usage(0, 0)
    told: dict[str, Any] = {
        "input_tokens": max(usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens, 0),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    }
    if usage.reasoning_tokens:
        told["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return told


def write_answer(answer: Answer, about: About) -> bytes:
    """A whole answer. Raises UpstreamFailed for one that was broken off by its model: there is no word for that."""
    choice = answer.choices[0] if answer.choices else Choice((), "stop")
    reason = choice.reason
    if reason == "error":
        raise UpstreamFailed("The model broke off its answer.")
    calls = any(isinstance(part, ToolCall) for part in choice.parts)
    return _ENCODE(
        {
            "id": about.id,
            "type": "message",
            "role": "assistant",
            "model": about.model,
            "content": [block for part in choice.parts for block in _blocks(part)],
            "stop_reason": reason_out(reason, calls),
            "stop_sequence": choice.stop_sequence,
            "usage": write_usage(answer.usage),
        }
    )


def reason_out(reason: StopReason, calls: bool) -> str:
    """Some providers say "stop" after calling a tool; clients of this API go by the reason."""
    return "tool_use" if reason == "stop" and calls else wire.REASONS_OUT.get(reason, "end_turn")


def _blocks(part: Part) -> list[dict[str, Any]]:
    if isinstance(part, Text | Refusal):
        return [{"type": "text", "text": part.text, "citations": None}] if part.text else []
    if isinstance(part, Reasoning):
        if part.redacted is not None:
            return [{"type": "redacted_thinking", "data": part.redacted}]
        return [{"type": "thinking", "thinking": part.text, "signature": part.signature or ""}]
    if isinstance(part, ToolCall):
        # The API's clients expect an object; what is none can only be told as text within one.
        arguments = object_text(part.arguments) or _ENCODE({"INVALID_JSON": part.arguments})
        return [{"type": "tool_use", "id": tool_id(part.id), "name": part.name, "input": msgspec.Raw(arguments)}]
    if isinstance(part, Image):
        return [{"type": "text", "text": image_text(part), "citations": None}]
    return []


def image_text(image: Image) -> str:
    """An image that a model made, for clients that take text only."""
    url = image.url or f"data:{image.media_type or 'image/png'};base64,{image.data or ''}"
    return f"![image]({url})"


def read_count(body: bytes) -> int:
    """The answer of count_tokens. Raises UpstreamFailed."""
    return max(read_told(_COUNT, body).input_tokens, 0)


def write_count(tokens: int) -> bytes:
    """The answer of count_tokens."""
    return _ENCODE({"input_tokens": tokens})
