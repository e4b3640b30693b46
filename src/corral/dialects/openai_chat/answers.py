"""Whole answers of OpenAI's chat."""

from __future__ import annotations

from typing import Any

import msgspec

from corral.dialects.decoding import read_told
from corral.dialects.form import (
    Answer,
    Choice,
    Image,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Usage,
)
from corral.dialects.openai_chat import facts, wire
from corral.dialects.openai_chat.errors import told_error
from corral.dialects.openai_chat.reasoning import from_details, to_details
from corral.dialects.openai_chat.requests import NAME, signature_of
from corral.dialects.ports import About
from corral.kit.errors import UpstreamFailed

CHUNK = msgspec.json.Decoder(wire.Chunk)
_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


def read_answer(body: bytes) -> Answer:
    """Raises UpstreamFailed for nonsense and the error that is told inside a 200."""
    told = read_told(CHUNK, body)
    if told.error is not None or told.object == "error":
        raise told_error(200, {}, read_told(_ANY, body))
    if not told.choices:
        raise UpstreamFailed("The provider's answer has no choices.")
    choices = tuple(_choice(choice, told.id or "") for choice in sorted(told.choices, key=lambda one: one.index))
    usage = facts.read_usage(told.usage, told.timings) if told.usage is not None else None
    return Answer(choices, usage, told.id or "", told.model or "", int(told.created or 0))


def glance(body: bytes) -> Usage | None:
    """What an answer says that it used. Raises as `read_answer`, which reads all that is not plain text."""
    told = read_told(CHUNK, body)
    if told.error is not None or told.object == "error" or not told.choices:
        return read_answer(body).usage
    for choice in told.choices:
        message = choice.message
        if message is None or message.tool_calls or message.function_call is not None or message.images:
            return read_answer(body).usage
        if message.reasoning_details or choice.finish_reason == "error":
            return read_answer(body).usage
    return facts.read_usage(told.usage, told.timings) if told.usage is not None else None


def _choice(told: wire.Choice, identity: str) -> Choice:
    message = told.message
    if message is None:
        raise UpstreamFailed("The provider's answer has a choice without a message.")
    text, thought = facts.spoken(message.content)
    parts: list[Part] = list(from_details(message.reasoning_details))
    thought = message.reasoning_content or message.reasoning or thought
    if thought and not parts:
        parts.append(Reasoning(thought))
    if text:
        parts.append(Text(text))
    if message.refusal:
        parts.append(Refusal(message.refusal))
    parts += facts.read_images(message.images)
    calls = list(message.tool_calls or ())
    if message.function_call is not None:
        calls.append(wire.DeltaCall(function=message.function_call))
    for index, call in enumerate(calls):
        function = call.function
        if function is None or not function.name:
            raise UpstreamFailed("The provider's answer calls a tool without a name.")
        arguments = json_text(function.arguments)
        call_id = call.id or f"call_{identity}_{told.index}_{index}"
        parts.append(ToolCall(call_id, function.name, arguments, signature_of(call.extra_content)))
    reason, sequence = facts.read_reason(told.finish_reason or "stop", told.stop_reason, called=bool(calls))
    logprobs = told.logprobs.content if told.logprobs is not None else None
    return Choice(tuple(parts), reason, sequence, tuple(logprobs) if logprobs is not None else None)


def json_text(arguments: str | dict[str, Any] | None) -> str:
    """Arguments as text, which some servers tell as an object."""
    if isinstance(arguments, dict):
        return msgspec.json.encode(arguments).decode()
    return arguments or ""


def is_legacy(about: About) -> bool:
    """Whether the client speaks the form before `tool_calls`."""
    return about.request.dialect == NAME and "functions" in about.request.extras


def write_answer(answer: Answer, about: About) -> bytes:
    """A whole answer for a client."""
    legacy = is_legacy(about)
    fields: dict[str, Any] = {
        "id": about.id,
        "object": "chat.completion",
        "created": about.created,
        "model": about.model,
        "choices": [_written(choice, index, legacy) for index, choice in enumerate(answer.choices)],
    }
    if answer.usage is not None:
        fields["usage"] = facts.write_usage(answer.usage)
    return msgspec.json.encode(fields)


def _written(choice: Choice, index: int, legacy: bool) -> dict[str, Any]:
    written: dict[str, Any] = {
        "index": index,
        "message": _message(choice.parts, legacy),
        "logprobs": {"content": choice.logprobs, "refusal": None} if choice.logprobs is not None else None,
        "finish_reason": facts.write_reason(choice.reason, legacy=legacy),
    }
    if choice.stop_sequence is not None:
        written["stop_reason"] = choice.stop_sequence
    return written


def _message(parts: tuple[Part, ...], legacy: bool) -> dict[str, Any]:
    texts = [part.text for part in parts if isinstance(part, Text)]
    refusals = [part.text for part in parts if isinstance(part, Refusal)]
    images = [facts.write_image(part) for part in parts if isinstance(part, Image)]
    calls = [part for part in parts if isinstance(part, ToolCall)]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(texts) if texts or not (calls or refusals) else None,
        "refusal": "".join(refusals) or None,
    }
    think(message, [part for part in parts if isinstance(part, Reasoning)])
    if images:
        message["images"] = images
    if calls and legacy:
        message["function_call"] = {"name": calls[0].name, "arguments": calls[0].arguments}
    elif calls:
        message["tool_calls"] = [_call(call) for call in calls]
    return message


def think(message: dict[str, Any], thoughts: list[Reasoning]) -> None:
    """Puts thinking into a message."""
    text = "".join(thought.text for thought in thoughts)
    if text:
        message["reasoning_content"] = text
    details = to_details(thoughts)
    if details:
        message["reasoning_details"] = details


def _call(call: ToolCall) -> dict[str, Any]:
    written: dict[str, Any] = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
    if call.signature is not None:
        written["extra_content"] = {"google": {"thought_signature": call.signature}}
    return written
