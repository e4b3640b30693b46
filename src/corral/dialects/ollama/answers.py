"""Answers of Ollama's API: whole, and as lines of a stream, which have the same form."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec

from corral.dialects.decoding import read_told
from corral.dialects.fields import object_text, raw_object
from corral.dialects.form import (
    Answer,
    ChatEvent,
    Choice,
    Finished,
    Image,
    ImageDelta,
    Reasoning,
    ReasoningDelta,
    Refusal,
    Started,
    StopReason,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from corral.dialects.gathering import gather
from corral.dialects.ollama import errors, wire
from corral.dialects.ports import About
from corral.kit.errors import InvalidRequest, UpstreamFailed

ENCODE = msgspec.json.Encoder().encode
_LINE = msgspec.json.Decoder(wire.Line)


class Lines:
    """Turns answers and lines of streams into events; remembers what the lines have told so far."""

    def __init__(self) -> None:
        self._started = False
        self._calls = 0
        self.done = False

    def take(self, data: bytes, events: list[ChatEvent]) -> None:
        """Adds the events of one line. Raises the error that it tells, and UpstreamFailed for nonsense."""
        line = read_told(_LINE, data)
        if line.error is not None:
            raise errors.of(line.error)
        if not self._started:
            self._started = True
            events.append(Started("", line.model, _seconds(line.created_at)))
        message = line.message or wire.Message(content=line.response, thinking=line.thinking)
        if message.thinking:
            events.append(ReasoningDelta(message.thinking))
        logprobs = tuple(line.logprobs) if line.logprobs else None
        if message.content or logprobs:
            events.append(TextDelta(message.content or "", 0, logprobs))
        images = (*(message.images or ()), *((line.image,) if line.image else ()))
        events.extend(ImageDelta(Image(wire.image_kind(image), image)) for image in images)
        events.extend(self._call(call, line) for call in message.tool_calls or ())
        if line.done:
            self._finish(line, events)

    def _call(self, call: wire.Call, line: wire.Line) -> ToolCallDelta:
        name = call.function.name
        try:
            arguments = raw_object(call.function.arguments, "arguments")
        except InvalidRequest as error:
            raise UpstreamFailed(f"The provider's tool call is not as it must be: {error.message}") from None
        index = self._calls
        self._calls += 1
        identity = call.id
        if not identity:
            facts = "\0".join((line.model, line.created_at, str(index), name, arguments))
            identity = "call_" + hashlib.blake2s(facts.encode("utf-8", "replace"), digest_size=12).hexdigest()
        return ToolCallDelta(index, arguments, identity, name)

    def _finish(self, line: wire.Line, events: list[ChatEvent]) -> None:
        self.done = True
        usage = Usage(max(line.prompt_eval_count or 0, 0), max(line.eval_count or 0, 0))
        if usage != Usage(0, 0):
            events.append(usage)
        reason = wire.REASONS.get(line.done_reason or "stop", "stop")
        events.append(Finished("tool_calls" if reason == "stop" and self._calls else reason))


def read_answer(body: bytes) -> Answer:
    """Raises UpstreamFailed for nonsense or an answer without an end, and the error for one that is told inside a 200."""
    lines = Lines()
    events: list[ChatEvent] = []
    lines.take(body, events)
    if not lines.done:
        raise UpstreamFailed("The provider's answer has no end.")
    return gather(events)


def write_chat_answer(answer: Answer, about: About) -> bytes:
    """A whole answer of /api/chat. Raises UpstreamFailed for one that was broken off by its model."""
    choice = _choice(answer)
    text, thinking, images = _told(choice)
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if thinking:
        message["thinking"] = thinking
    if images:
        message["images"] = images
    calls = [write_call(part, number) for number, part in enumerate(_calls(choice))]
    if calls:
        message["tool_calls"] = calls
    return ENCODE({**head(about), "message": message, **_end(answer, choice, about)})


def write_generate_answer(answer: Answer, about: About) -> bytes:
    """A whole answer of /api/generate. Raises UpstreamFailed for one that was broken off by its model."""
    choice = _choice(answer)
    text, thinking, images = _told(choice)
    found: dict[str, Any] = {**head(about), "response": text}
    if thinking:
        found["thinking"] = thinking
    if images:
        found["image"] = images[0]
    return ENCODE({**found, **_end(answer, choice, about)})


def _choice(answer: Answer) -> Choice:
    choice = answer.choices[0] if answer.choices else Choice((), "stop")
    if choice.reason == "error":
        raise UpstreamFailed("The model broke off its answer.")
    return choice


def _calls(choice: Choice) -> list[ToolCall]:
    return [part for part in choice.parts if isinstance(part, ToolCall)]


def _told(choice: Choice) -> tuple[str, str, list[str]]:
    text = "".join(part.text for part in choice.parts if isinstance(part, Text | Refusal))
    thinking = "".join(part.text for part in choice.parts if isinstance(part, Reasoning))
    images = [part.data for part in choice.parts if isinstance(part, Image) and part.data is not None]
    return text, thinking, images


def _end(answer: Answer, choice: Choice, about: About) -> dict[str, Any]:
    found = ending(choice.reason, answer.usage, about, None)
    if choice.logprobs is not None:
        found["logprobs"] = choice.logprobs
    return found


def head(about: About) -> dict[str, Any]:
    """What every line begins with."""
    return {"model": about.model, "created_at": _time(about.created)}


def ending(reason: StopReason, usage: Usage | None, about: About, first: float | None) -> dict[str, Any]:
    """What the last line ends with. `first`: seconds until the first piece of the answer; durations are in nanoseconds."""
    found: dict[str, Any] = {"done": True, "done_reason": wire.REASONS_OUT.get(reason, "stop")}
    if about.elapsed is not None:
        total = int(about.elapsed() * 1e9)
        prompt = min(int(first * 1e9), total) if first is not None else 0
        found.update(total_duration=total, load_duration=0)
        durations = {"prompt_eval_duration": prompt, "eval_duration": total - prompt}
    else:
        durations = {}
    if usage is not None:
        found.update(prompt_eval_count=usage.prompt_tokens, eval_count=usage.completion_tokens)
    return {**found, **durations}


def write_call(call: ToolCall, number: int) -> dict[str, Any]:
    """A call in an answer."""
    arguments = object_text(call.arguments) or ENCODE({"INVALID_JSON": call.arguments})
    function = {"index": number, "name": call.name, "arguments": msgspec.Raw(arguments)}
    return {"id": call.id, "function": function}


def _time(created: int) -> str:
    return datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(told: str) -> int:
    try:
        return int(datetime.fromisoformat(told).timestamp())
    except (ValueError, OverflowError):
        return 0
