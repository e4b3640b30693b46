"""From events to a whole answer, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from corral.dialects.form import (
    Answer,
    ChatEvent,
    Choice,
    Finished,
    Image,
    ImageDelta,
    Part,
    Reasoning,
    ReasoningDelta,
    Refusal,
    RefusalDelta,
    Started,
    StopReason,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from corral.kit.errors import UpstreamFailed


@dataclass(slots=True)
class _Open:
    """A choice that is still being written: its parts so far; texts as lists of pieces."""

    parts: list[tuple[str, list[str], dict[str, str | None]] | Part] = field(default_factory=list)
    calls: dict[int, tuple[list[str], dict[str, str | None]]] = field(default_factory=dict)
    logprobs: list[Mapping[str, Any]] | None = None
    reason: StopReason | None = None
    stop_sequence: str | None = None

    def pieces(self, kind: str) -> list[str]:
        """Where a piece of `kind` goes: to the last part when it is of the same kind, else to a new one."""
        if self.parts:
            last = self.parts[-1]
            if isinstance(last, tuple) and last[0] == kind:
                return last[1]
        pieces: list[str] = []
        self.parts.append((kind, pieces, {}))
        return pieces


class Gathering:
    """Puts an answer together from its events. What it has so far can be looked at at any time, which is what a
    continuation after a failure starts from."""

    def __init__(self) -> None:
        self._choices: dict[int, _Open] = {}
        self._started = Started()
        self._usage: Usage | None = None

    def add(self, event: ChatEvent) -> None:
        """Takes one event in. Raises UpstreamFailed for a piece of a tool call that never began."""
        if isinstance(event, Started):
            self._started = event
            return
        if isinstance(event, Usage):
            self._usage = event
            return
        choice = self._choices.setdefault(event.choice, _Open())
        if isinstance(event, TextDelta):
            choice.pieces("text").append(event.text)
            if event.logprobs is not None:
                choice.logprobs = [*(choice.logprobs or ()), *event.logprobs]
        elif isinstance(event, ReasoningDelta):
            self._reason(choice, event)
        elif isinstance(event, RefusalDelta):
            choice.pieces("refusal").append(event.text)
        elif isinstance(event, ToolCallDelta):
            self._call(choice, event)
        elif isinstance(event, ImageDelta):
            choice.parts.append(event.image)
        elif isinstance(event, Finished):
            choice.reason, choice.stop_sequence = event.reason, event.stop_sequence

    @property
    def finished(self) -> bool:
        """Whether every choice that began has ended, and one has."""
        return bool(self._choices) and all(choice.reason is not None for choice in self._choices.values())

    def parts(self, choice: int = 0) -> tuple[Part, ...]:
        """What a choice holds so far."""
        found = self._choices.get(choice)
        return tuple(_part(found, part) for part in found.parts) if found is not None else ()

    def answer(self) -> Answer:
        """The whole answer; a choice without an end counts as `stop`. Choices in their order."""
        choices = []
        for index in sorted(self._choices):
            found = self._choices[index]
            logprobs = tuple(found.logprobs) if found.logprobs is not None else None
            choices.append(Choice(self.parts(index), found.reason or "stop", found.stop_sequence, logprobs))
        started = self._started
        return Answer(tuple(choices), self._usage, started.id, started.model, started.created)

    def _reason(self, choice: _Open, event: ReasoningDelta) -> None:
        if event.redacted is not None:
            choice.parts.append(Reasoning(redacted=event.redacted))
            return
        pieces = choice.pieces("reasoning")
        pieces.append(event.text)
        if event.signature is not None:
            last = choice.parts[-1]
            assert isinstance(last, tuple)
            # A signature closes its piece of thinking: what comes next is another one.
            choice.parts[-1] = Reasoning("".join(pieces), event.signature)

    def _call(self, choice: _Open, event: ToolCallDelta) -> None:
        known = choice.calls.get(event.index)
        if known is None:
            if event.id is None or event.name is None:
                raise UpstreamFailed("The answer has a piece of a tool call that never began.")
            known = choice.calls[event.index] = ([], {"id": event.id, "name": event.name, "signature": None})
            choice.parts.append(("call", known[0], known[1]))
        known[0].append(event.arguments)
        if event.signature is not None:
            known[1]["signature"] = event.signature


def _part(choice: _Open, part: tuple[str, list[str], dict[str, str | None]] | Part) -> Part:
    if not isinstance(part, tuple):
        return part
    kind, pieces, facts = part
    text = "".join(pieces)
    if kind == "call":
        return ToolCall(facts["id"] or "", facts["name"] or "", text, facts["signature"])
    if kind == "reasoning":
        return Reasoning(text)
    return Refusal(text) if kind == "refusal" else Text(text)


def gather(events: Iterable[ChatEvent]) -> Answer:
    """The answer that `events` tell."""
    gathering = Gathering()
    for event in events:
        gathering.add(event)
    return gathering.answer()


def scatter(answer: Answer) -> Iterator[ChatEvent]:
    """The events that tell `answer`, one a part."""
    yield Started(answer.id, answer.model, answer.created)
    for index, choice in enumerate(answer.choices):
        calls, logprobs = 0, choice.logprobs
        for part in choice.parts:
            if isinstance(part, Text):
                yield TextDelta(part.text, index, logprobs)
                logprobs = None
            elif isinstance(part, Reasoning):
                yield ReasoningDelta(part.text, index, part.signature, part.redacted)
            elif isinstance(part, Refusal):
                yield RefusalDelta(part.text, index)
            elif isinstance(part, ToolCall):
                yield ToolCallDelta(calls, part.arguments, part.id, part.name, index, part.signature)
                calls += 1
            elif isinstance(part, Image):
                yield ImageDelta(part, index)
        yield Finished(choice.reason, index, choice.stop_sequence)
    if answer.usage is not None:
        yield answer.usage
