"""Reading streams of Anthropic's Messages API: message_start, blocks with their deltas, message_delta, message_stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import msgspec

from corral.dialects.anthropic import wire
from corral.dialects.anthropic.answers import read_usage, stop_reason
from corral.dialects.anthropic.errors import read_event_error
from corral.dialects.decoding import read_told
from corral.dialects.fields import object_text
from corral.dialects.form import (
    ChatEvent,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from corral.dialects.reading import SseEventReader
from corral.kit.errors import UpstreamFailed


class Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None


class Event(msgspec.Struct):
    type: str
    index: int = 0
    delta: Delta | None = None
    content_block: wire.Block | None = None
    message: wire.Whole | None = None
    usage: wire.Usage | None = None


EVENT = msgspec.json.Decoder(Event)


class PlainDelta(msgspec.Struct):
    type: Literal["text_delta", "thinking_delta"]
    text: str = ""
    thinking: str = ""


class Plain(msgspec.Struct):
    """An event that does nothing but go on with a text or with thinking."""

    type: Literal["content_block_delta"]
    delta: PlainDelta
    index: int = 0


_PLAIN = msgspec.json.Decoder(Plain)
_PLAIN_NAME = b"event: content_block_delta\ndata: {"
_PLAIN_DATA = len(_PLAIN_NAME) - 1


@dataclass(slots=True)
class _Block:
    """A block that is being read. `call`: its number among the tool calls. `begun`: a piece of its input has come."""

    kind: str
    call: int = 0
    begun: bool = False
    input: str = ""
    signature: str = ""


class Reader(SseEventReader):
    """Reads a stream of the API or of a service that speaks like it."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: dict[int, _Block] = {}
        self._calls = 0
        self._usage: Usage | None = None
        self._finished = False
        self.done = False

    def skim(self, event: bytes) -> int:
        """See `EventReader`."""
        if not event.startswith(_PLAIN_NAME) or not event.endswith(b"}\n\n") or event.count(b"\n") != 3:
            return 0
        try:
            delta = _PLAIN.decode(event[_PLAIN_DATA:-2]).delta
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return 0
        return 0 if self.done else int(bool(delta.text if delta.type == "text_delta" else delta.thinking))

    def _take(self, name: bytes, data: bytes, events: list[ChatEvent]) -> None:
        if self.done:
            return
        if name == b"error":
            raise read_event_error(data)
        event = read_told(EVENT, data)
        if event.type == "error":
            raise read_event_error(data)
        take = self._TAKES.get(event.type)
        if take is not None:
            take(self, event, events)

    def _begin(self, event: Event, events: list[ChatEvent]) -> None:
        message = event.message or wire.Whole()
        events.append(Started(message.id, message.model))
        self._count(message.usage, events)

    def _end(self, event: Event, events: list[ChatEvent]) -> None:
        if not self._finished:
            raise UpstreamFailed("The provider ended its answer without a reason.")
        self.done = True

    def _start(self, event: Event, events: list[ChatEvent]) -> None:
        index, block = event.index, event.content_block or wire.Block("")
        known = self._blocks[index] = _Block(block.type)
        if block.type == "text" and block.text:
            events.append(TextDelta(block.text))
        elif block.type == "thinking":
            known.signature = block.signature or ""
            if block.thinking:
                events.append(ReasoningDelta(block.thinking))
        elif block.type == "redacted_thinking":
            events.append(ReasoningDelta(redacted=block.data or ""))
        elif block.type == "tool_use":
            known.call = self._calls
            self._calls += 1
            known.input = bytes(block.input).decode("utf-8", "replace")
            events.append(ToolCallDelta(known.call, "", block.id or "", block.name or ""))

    def _delta(self, event: Event, events: list[ChatEvent]) -> None:
        delta = event.delta or Delta()
        if delta.type == "text_delta":
            if delta.text:
                events.append(TextDelta(delta.text))
            return
        block = self._blocks.get(event.index)
        if delta.type == "thinking_delta":
            if delta.thinking:
                events.append(ReasoningDelta(delta.thinking))
        elif delta.type == "input_json_delta":
            if block is None:
                raise UpstreamFailed("The provider sent a piece of a tool call that never began.")
            if block.kind == "tool_use" and delta.partial_json:
                block.begun = True
                events.append(ToolCallDelta(block.call, delta.partial_json))
        elif delta.type == "signature_delta" and block is not None:
            block.signature += delta.signature

    def _stop(self, event: Event, events: list[ChatEvent]) -> None:
        self._close_block(event.index, events)

    def _close_block(self, index: int, events: list[ChatEvent]) -> None:
        block = self._blocks.pop(index, None)
        if block is None:
            return
        if block.kind == "thinking" and block.signature:
            events.append(ReasoningDelta(signature=block.signature))
        elif block.kind == "tool_use" and not block.begun:
            # No piece of input came: it is empty, or a service put it whole into the start.
            events.append(ToolCallDelta(block.call, block.input if object_text(block.input) and block.input else "{}"))

    def _ending(self, event: Event, events: list[ChatEvent]) -> None:
        self._count(event.usage, events)
        if event.delta is not None and event.delta.stop_reason is not None and not self._finished:
            for index in sorted(self._blocks):
                self._close_block(index, events)
            self._finished = True
            events.append(Finished(stop_reason(event.delta.stop_reason), 0, event.delta.stop_sequence))

    def _count(self, told: wire.Usage | None, events: list[ChatEvent]) -> None:
        usage = read_usage(told, self._usage)
        if usage is not None and usage != self._usage:
            self._usage = usage
            events.append(usage)

    def _close(self, events: list[ChatEvent]) -> None:
        if not self._finished:
            raise UpstreamFailed("The provider's answer ended before it was finished.")

    _TAKES: ClassVar[Mapping[str, Callable[[Reader, Event, list[ChatEvent]], None]]] = {
        "message_start": _begin,
        "content_block_start": _start,
        "content_block_delta": _delta,
        "content_block_stop": _stop,
        "message_delta": _ending,
        "message_stop": _end,
    }
