"""A provider's stream of OpenAI's chat, as events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from corral.dialects.decoding import read_told
from corral.dialects.form import (
    ChatEvent,
    Finished,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
)
from corral.dialects.openai_chat import facts, wire
from corral.dialects.openai_chat.answers import CHUNK, json_text
from corral.dialects.openai_chat.errors import told_error
from corral.dialects.openai_chat.reasoning import from_details
from corral.dialects.openai_chat.requests import signature_of
from corral.dialects.reading import SseEventReader
from corral.kit.errors import UpstreamFailed

_PLAIN = msgspec.json.Decoder(wire.PlainChunk)
_MAX_CALLS = 256
_LEGACY = -1


_Logprobs = tuple[Mapping[str, Any], ...] | None


@dataclass(slots=True)
class _Call:
    """A tool call that is being told. Until its name is known what it says is kept."""

    index: int
    id: str
    begun: bool = False
    name: str = ""
    kept: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Choice:
    calls: dict[int, _Call] = field(default_factory=dict)
    count: int = 0
    last: int = 0
    finished: bool = False


class ChatReader(SseEventReader):
    """Reads a stream. It is whole when every choice that began has its `finish_reason`."""

    def __init__(self) -> None:
        super().__init__()
        self._id: str | None = None
        self._choices: dict[int, _Choice] = {}
        self._done = False

    @property
    def done(self) -> bool:
        """Whether `[DONE]` has come and every choice has ended."""
        return self._done and self._whole

    @property
    def _whole(self) -> bool:
        return bool(self._choices) and all(choice.finished for choice in self._choices.values())

    def skim(self, event: bytes) -> int:
        """See `EventReader`."""
        if not event.startswith(b"data: {") or not event.endswith(b"}\n\n") or event.count(b"\n") != 2:
            return 0
        try:
            told = _PLAIN.decode(event[6:-2])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return 0
        choice = told.choices[0]
        if choice.index not in self._choices or told.object == "error" or self._done:
            return 0
        delta = choice.delta
        thought = 1 if delta.reasoning_content or delta.reasoning else 0
        return thought + 1 if delta.content else thought

    def _take(self, name: bytes, data: bytes, events: list[ChatEvent]) -> None:
        if self._done:
            return
        if data == b"[DONE]":
            self._done = True
            return
        chunk = read_told(CHUNK, data)
        if chunk.error is not None or name == b"error" or chunk.object == "error":
            raise told_error(200, {}, msgspec.json.decode(data))
        if self._id is None and (chunk.id or chunk.choices):
            self._id = chunk.id or ""
            events.append(Started(self._id, chunk.model or "", int(chunk.created or 0)))
        for choice in chunk.choices or ():
            self._choice(choice, events)
        if chunk.usage is not None:
            events.append(facts.read_usage(chunk.usage, chunk.timings))

    def _close(self, events: list[ChatEvent]) -> None:
        if not self._whole:
            raise UpstreamFailed("The provider's answer ended before it was finished.")

    def _choice(self, told: wire.Choice, events: list[ChatEvent]) -> None:
        index = told.index
        known = self._choices.get(index)
        if known is None:
            known = self._choices[index] = _Choice()
        delta = told.delta if told.delta is not None else told.message
        logprobs = told.logprobs.content if told.logprobs is not None else None
        if delta is not None:
            self._delta(delta, index, known, tuple(logprobs) if logprobs else None, events)
        if told.finish_reason:
            called = known.count > 0
            for call in known.calls.values():
                if not call.begun:
                    raise UpstreamFailed("The provider called a tool without a name.")
            # Some tell the end twice; the first one counts.
            if not known.finished:
                reason, sequence = facts.read_reason(told.finish_reason, told.stop_reason, called=called)
                events.append(Finished(reason, index, sequence))
                known.finished = True

    def _delta(
        self, delta: wire.Delta, index: int, choice: _Choice, logprobs: _Logprobs, events: list[ChatEvent]
    ) -> None:
        content = delta.content
        thought = delta.reasoning_content or delta.reasoning
        if isinstance(content, list):
            content, more = facts.spoken(content)
            thought = thought or more
        if thought:
            events.append(ReasoningDelta(thought, index))
        if delta.reasoning_details:
            events += _signed(delta.reasoning_details, index, told=bool(thought))
        if content or logprobs:
            events.append(TextDelta(content or "", index, logprobs))
        if delta.refusal:
            events.append(RefusalDelta(delta.refusal, index))
        if delta.images:
            events += [ImageDelta(image, index) for image in facts.read_images(delta.images)]
        for told in delta.tool_calls or ():
            self._call(told, index, choice, events)
        if delta.function_call is not None:
            self._call(wire.DeltaCall(_LEGACY, None, delta.function_call), index, choice, events)

    def _call(self, told: wire.DeltaCall, index: int, choice: _Choice, events: list[ChatEvent]) -> None:
        """Finds the call that is meant: by its index, or by its id where the index is absent or always the same."""
        function = told.function
        name = (function.name or "") if function is not None else ""
        place = told.index if told.index is not None else choice.last
        call = choice.calls.get(place)
        if call is None or (told.id and name and call.begun and told.id != call.id):
            if choice.count >= _MAX_CALLS:
                raise UpstreamFailed("The provider calls too many tools at once.")
            call = _Call(choice.count, told.id or f"call_{self._id}_{index}_{choice.count}")
            choice.calls[place] = call
            choice.count += 1
        choice.last = place
        arguments = json_text(function.arguments) if function is not None else ""
        signature = signature_of(told.extra_content)
        if call.begun:
            if arguments or signature is not None:
                events.append(ToolCallDelta(call.index, arguments, choice=index, signature=signature))
            return
        if told.id:
            call.id = told.id
        call.kept.append(arguments)
        if name:
            call.begun, call.name = True, name
            events.append(ToolCallDelta(call.index, "".join(call.kept), call.id, name, index, signature))


def _signed(details: list[Any], index: int, *, told: bool) -> Iterator[ChatEvent]:
    """What the details tell beyond text; the text too where it was not `told` beside them."""
    for part in from_details(details):
        if part.redacted is not None:
            yield ReasoningDelta(choice=index, redacted=part.redacted)
        else:
            yield ReasoningDelta("" if told else part.text, index, part.signature)
