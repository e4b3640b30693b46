"""A provider's stream of Responses, as events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from corral.dialects.decoding import read_told
from corral.dialects.form import (
    ChatEvent,
    Finished,
    ImageDelta,
    ReasoningDelta,
    Refusal,
    RefusalDelta,
    Started,
    Text,
    TextDelta,
    ToolCallDelta,
)
from corral.dialects.openai_chat.errors import told_error
from corral.dialects.openai_responses import wire
from corral.dialects.openai_responses.answers import (
    KIND,
    RESPONSE,
    read_image,
    read_item,
    read_reason,
    read_reasoning,
)
from corral.dialects.openai_responses.frame import read_usage
from corral.dialects.openai_responses.requests import BETWEEN
from corral.dialects.reading import SseEventReader
from corral.kit.errors import UpstreamFailed

_EVENT = msgspec.json.Decoder(wire.Event)
_CALL = msgspec.json.Decoder(wire.CallItem)
_MAX_ITEMS = 1024
_ENDS = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
_TEXTS = {
    "response.output_text.delta": TextDelta,
    "response.refusal.delta": RefusalDelta,
    "response.reasoning_summary_text.delta": ReasoningDelta,
    "response.reasoning_text.delta": ReasoningDelta,
}


@dataclass(slots=True)
class _Item:
    """An item of the output. `told`: some of what it says was told by deltas; `thinking`: the kind of the first such delta."""

    call: int | None = None
    told: bool = False
    done: bool = False
    thinking: str = ""
    part: int = 0


class ResponsesReader(SseEventReader):
    """Reads a stream. It is whole when `response.completed` or `response.incomplete` has come."""

    def __init__(self) -> None:
        super().__init__()
        self._started = False
        self._done = False
        self._items: dict[int, _Item] = {}
        self._calls = 0

    @property
    def done(self) -> bool:
        """Whether the answer's last event has come."""
        return self._done

    def _take(self, name: bytes, data: bytes, events: list[ChatEvent]) -> None:
        if self._done or data == b"[DONE]":
            return
        told = read_told(_EVENT, data)
        kind = told.type or name.decode("utf-8", "replace")
        if kind in _TEXTS:
            self._text(kind, told, events)
        elif kind == "response.function_call_arguments.delta":
            self._arguments(told, events)
        elif kind == "response.output_item.added" and told.item is not wire.ABSENT:
            self._added(self._index(told), told.item, events)
        elif kind == "response.output_item.done" and told.item is not wire.ABSENT:
            self._item_done(self._index(told), told.item, events)
        elif told.response is not wire.ABSENT:
            self._state(kind, told.response, events)
        elif kind == "error" or told.error is not None:
            raise told_error(200, {}, msgspec.json.decode(data))

    def _state(self, kind: str, raw: msgspec.Raw, events: list[ChatEvent]) -> None:
        """What an event about the whole answer says."""
        if kind == "response.created":
            self._start(read_told(RESPONSE, bytes(raw)), events)
        elif kind in _ENDS:
            self._end(read_told(RESPONSE, bytes(raw)), events)

    def _close(self, events: list[ChatEvent]) -> None:
        if not self._done:
            raise UpstreamFailed("The provider's answer ended before it was finished.")

    def _start(self, told: wire.Response, events: list[ChatEvent]) -> None:
        if not self._started:
            self._started = True
            events.append(Started(told.id or "", told.model or "", int(told.created_at or 0)))

    def _index(self, told: wire.Event) -> int:
        return told.output_index if told.output_index is not None else 0

    def _item(self, index: int) -> _Item:
        item = self._items.get(index)
        if item is None:
            if len(self._items) >= _MAX_ITEMS:
                raise UpstreamFailed("The answer has too many items.")
            item = self._items[index] = _Item()
        return item

    def _text(self, kind: str, told: wire.Event, events: list[ChatEvent]) -> None:
        item = self._item(self._index(told))
        item.told = True
        text = _string(told.delta)
        if _TEXTS[kind] is ReasoningDelta:
            # Thinking may be told twice, whole and as a summary; the kind that came first counts.
            item.thinking = item.thinking or kind
            if item.thinking == kind and text:
                part = told.summary_index or 0
                events.append(ReasoningDelta(BETWEEN + text if part > item.part else text))
                item.part = part
        elif kind == "response.refusal.delta":
            events.append(RefusalDelta(text))
        else:
            logprobs = (
                tuple(one for one in told.logprobs if isinstance(one, dict)) if isinstance(told.logprobs, list) else ()
            )
            if text or logprobs:
                events.append(TextDelta(text, 0, logprobs or None))

    def _arguments(self, told: wire.Event, events: list[ChatEvent]) -> None:
        item = self._items.get(self._index(told))
        if item is None or item.call is None:
            raise UpstreamFailed("The answer has a piece of a tool call that never began.")
        item.told = True
        if told.delta:
            events.append(ToolCallDelta(item.call, _string(told.delta)))

    def _added(self, index: int, raw: msgspec.Raw, events: list[ChatEvent]) -> None:
        item = self._item(index)
        if item.call is None and read_told(KIND, bytes(raw)).type == "function_call":
            call = read_told(_CALL, bytes(raw))
            item.call = self._calls
            self._calls += 1
            item.told = bool(call.arguments)
            events.append(ToolCallDelta(item.call, call.arguments, call.call_id, call.name))

    def _item_done(self, index: int, raw: msgspec.Raw, events: list[ChatEvent]) -> None:
        """What was not told by deltas is told now."""
        item = self._item(index)
        if item.done:
            return
        item.done = True
        data = bytes(raw)
        kind = read_told(KIND, data).type
        if kind == "function_call":
            self._call_done(item, index, raw, events)
        elif kind == "reasoning":
            events += _thinking(data, told=item.told)
        elif kind == "image_generation_call":
            events += [ImageDelta(image) for image in read_image(data)]
        elif kind == "message" and not item.told:
            events += _message(raw)

    def _call_done(self, item: _Item, index: int, raw: msgspec.Raw, events: list[ChatEvent]) -> None:
        if item.call is None:
            self._added(index, raw, events)
        elif not item.told:
            arguments = read_told(_CALL, bytes(raw)).arguments
            if arguments:
                events.append(ToolCallDelta(item.call, arguments))

    def _end(self, told: wire.Response, events: list[ChatEvent]) -> None:
        if told.error is not None:
            raise told_error(200, {}, told.error)
        self._start(told, events)
        if not self._items:
            # A server that tells all at the end.
            for index, item in enumerate(told.output or ()):
                self._item_done(index, item, events)
        events.append(Finished(read_reason(told, called=self._calls > 0)))
        if told.usage is not None:
            events.append(read_usage(told.usage))
        self._done = True


def _thinking(data: bytes, *, told: bool) -> Iterator[ChatEvent]:
    """What a reasoning item says that was not `told`."""
    for thought in read_reasoning(data, told=told):
        text = "" if told else thought.text
        if thought.redacted is not None and not told:
            yield ReasoningDelta(redacted=thought.redacted)
        elif text or thought.signature is not None:
            yield ReasoningDelta(text, 0, thought.signature)


def _message(raw: msgspec.Raw) -> Iterator[ChatEvent]:
    """What a message says."""
    for part in read_item(raw):
        if isinstance(part, Text):
            yield TextDelta(part.text)
        elif isinstance(part, Refusal):
            yield RefusalDelta(part.text)


def _string(delta: object) -> str:
    if not isinstance(delta, str):
        raise UpstreamFailed("The provider sent an event whose delta is no text.")
    return delta
