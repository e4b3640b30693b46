"""What of a continuation goes to the client. Pure state machines, one for each kind of cut.

A shaper takes the events of the new candidate's answer and gives those that are to be told. Usage and the start are not its business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from corral.dialects.form import (
    ChatEvent,
    Finished,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
)
from corral.dialects.gathering import Gathering
from corral.inference.continuing.fitting import Unfit
from corral.inference.continuing.joining import Continued, Joined
from corral.kit.errors import UpstreamFailed

MAX_HELD = 4 * 1024 * 1024
"""Characters of an answer that are held back until it is known to fit."""


class Shaper(Protocol):
    """Takes a continuation's events, gives what the client gets."""

    def take(self, event: ChatEvent) -> list[ChatEvent]:
        """What can be told now. Raises Unfit when it does not go on with what was sent."""
        ...

    def end(self) -> list[ChatEvent]:
        """The continuation is whole: what is left to tell, `Finished` at last. Raises Unfit when it does not fit."""
        ...


class Rethought:
    """Thinking, done again after `sent` of it was told: what says the same is gone on with, anything else is not told."""

    def __init__(self, sent: str) -> None:
        self._sent = sent
        self._place = 0
        self._differs = False

    def take(self, event: ReasoningDelta) -> list[ChatEvent]:
        """What of it is new."""
        if self._differs:
            return []
        left = len(self._sent) - self._place
        if left > 0:
            same = event.text[:left]
            if not self._sent.startswith(same, self._place) or (event.signature and len(same) < left) or event.redacted:
                self._differs = True
                return []
            self._place += len(same)
            event = ReasoningDelta(event.text[left:], event.choice, event.signature)
        return [event] if event.text or event.signature or event.redacted else []


class TextShaper:
    """Text that goes on. `calls`: tool calls that the client has got already. `thought`: what may be told of thinking, None for nothing."""

    def __init__(self, joiner: Continued | Joined, calls: int = 0, thought: Rethought | None = None) -> None:
        self._joiner = joiner
        self._calls = calls
        self._thought = thought
        self._finished: Finished | None = None

    def take(self, event: ChatEvent) -> list[ChatEvent]:
        """See `Shaper.take`."""
        if isinstance(event, TextDelta):
            new = self._joiner.add(event.text)
            return [TextDelta(new, logprobs=event.logprobs if new == event.text else None)] if new else []
        if isinstance(event, ReasoningDelta):
            return self._thought.take(event) if self._thought is not None else []
        if isinstance(event, ToolCallDelta):
            moved = ToolCallDelta(
                event.index + self._calls, event.arguments, event.id, event.name, signature=event.signature
            )
            return [*self._held(), moved]
        if isinstance(event, RefusalDelta):
            raise Unfit("The answer could not be continued: the next candidate refused to.")
        if isinstance(event, Finished):
            self._finished = event
            return []
        if isinstance(event, ImageDelta):
            return [*self._held(), event]
        return []

    def end(self) -> list[ChatEvent]:
        """See `Shaper.end`."""
        if self._finished is None:
            raise UpstreamFailed("The continuation ended before it was finished.")
        return [*self._held(), self._finished]

    def _held(self) -> list[ChatEvent]:
        text = self._joiner.end()
        return [TextDelta(text)] if text else []


class HeldShaper:
    """Holds all back until the answer is whole; `finish` then says what of it fits."""

    def __init__(self, finish: Callable[[Gathering], list[ChatEvent]]) -> None:
        self._finish = finish
        self._gathering = Gathering()
        self._size = 0

    def take(self, event: ChatEvent) -> list[ChatEvent]:
        """See `Shaper.take`."""
        if isinstance(event, TextDelta):
            self._size += len(event.text)
        elif isinstance(event, ToolCallDelta):
            self._size += len(event.arguments)
        if self._size > MAX_HELD:
            raise Unfit("The answer could not be continued: what came is too long.")
        self._gathering.add(event)
        return []

    def end(self) -> list[ChatEvent]:
        """See `Shaper.end`."""
        if not self._gathering.finished:
            raise UpstreamFailed("The continuation ended before it was finished.")
        return self._finish(self._gathering)
