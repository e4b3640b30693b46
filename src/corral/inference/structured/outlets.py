"""Answers that pass on as they come: their end is held back until the whole is known to be in its form."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from corral.dialects.form import ChatEvent, Finished, RefusalDelta, TextDelta, ToolCallDelta
from corral.dialects.gathering import Gathering
from corral.dialects.ports import About, Dialect, EventReader
from corral.inference.attempts.relays import NativeRelay
from corral.inference.outlets import BytesOutlet, EventsOutlet
from corral.inference.structured.wanting import MAX_TEXT, Wanted, flaws
from corral.kit.errors import OutputInvalid, UpstreamFailed

MAX_HELD = 8 * 1024 * 1024
"""Bytes that are held back once the first choice has ended."""
_LOOKED_AT = (TextDelta, RefusalDelta, ToolCallDelta, Finished)


class _Watch:
    """What is known of an answer on its way."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._gathering = Gathering()
        self._size = 0
        self.ending = False
        """The first choice has ended: from here on nothing passes."""
        self.spoilt = False

    def see(self, events: Sequence[ChatEvent]) -> None:
        for event in events:
            if isinstance(event, Finished):
                self.ending = True
            elif isinstance(event, TextDelta | RefusalDelta | ToolCallDelta):
                self._size += len(event.arguments if isinstance(event, ToolCallDelta) else event.text)
                if self._size > MAX_TEXT:
                    continue
            if isinstance(event, _LOOKED_AT):
                self._gathering.add(event)

    def check(self) -> None:
        """Raises OutputInvalid for an answer that is not in its form."""
        for choice in self._gathering.answer().choices:
            wrong, text = flaws(choice, self._wanted)
            if self._size > MAX_TEXT:
                wrong = ["$: is too long to be checked"]
            if wrong:
                self.spoilt = True
                raise invalid(wrong, text, 0)


def invalid(problems: Sequence[str], text: str, repairs: int, more: str = "") -> OutputInvalid:
    """The error for an answer that is not in its form, `text`, after it was asked for again `repairs` times."""
    asked = f" after it was asked for again {'once' if repairs == 1 else f'{repairs} times'}" if repairs else ""
    return OutputInvalid(
        f"The answer is not in the form that was asked for{asked}: {problems[0]}.{more}"[:1000],
        details={"problems": list(problems), "repairs": repairs, "text": text[:2000]},
    )


class CheckedBytes(BytesOutlet):
    """To a client in its dialect."""

    def __init__(self, dialect: Dialect, about: Callable[[], About], wanted: Wanted) -> None:
        super().__init__(dialect, about)
        self._made = dialect
        self._wanted = wanted
        self._begin()

    def _begin(self) -> None:
        self._watch = _Watch(self._wanted)
        self._relayed: EventReader | None = None
        self._held = 0
        self._held_pieces: list[bytes] = []
        self._held_events: list[ChatEvent] = []
        self.released = False

    def relay(self, piece: bytes) -> bytes:
        """See `BytesOutlet.relay`."""
        reader = self._relayed or self._made.reader()
        self._relayed = reader
        self._watch.see(reader.feed(piece))
        if self._watch.ending:
            self._held += len(piece)
            if self._held > MAX_HELD:
                raise UpstreamFailed("The answer has ended, and its stream does not.")
            self._held_pieces.append(piece)
            return b""
        return super().relay(piece)

    def write(self, events: Sequence[ChatEvent]) -> bytes:
        """See `Outlet.write`."""
        passed, held = _parted(events, self._watch)
        self._held_events += held
        return super().write(passed) if passed else b""

    def release(self) -> bytes:
        """What was held back. Raises OutputInvalid."""
        self._watch.check()
        self.released = True
        told = [super(CheckedBytes, self).relay(piece) for piece in self._held_pieces]
        if self._held_events:
            told.append(super().write(self._held_events))
        return b"".join(told)

    def end(self) -> bytes:
        """See `Outlet.end`. Raises OutputInvalid."""
        return self.release() + super().end()

    def told(self) -> Gathering | None:
        """See `Outlet.told`; nobody can go on with what is whole and wrong."""
        return None if self._watch.spoilt else super().told()

    def forget(self) -> None:
        """See `Outlet.forget`."""
        super().forget()
        self._begin()


class CheckedEvents(EventsOutlet):
    """To somebody of ours, who takes events."""

    def __init__(self, wanted: Wanted) -> None:
        super().__init__()
        self._wanted = wanted
        self._watch = _Watch(wanted)
        self._held: list[ChatEvent] = []

    def write(self, events: Sequence[ChatEvent]) -> Sequence[ChatEvent]:
        """See `Outlet.write`."""
        passed, held = _parted(events, self._watch)
        self._held += held
        return super().write(passed) if passed else ()

    def end(self) -> Sequence[ChatEvent]:
        """See `Outlet.end`. Raises OutputInvalid."""
        self._watch.check()
        return [*super().write(self._held), *super().end()]

    def told(self) -> Gathering | None:
        """See `Outlet.told`."""
        return None if self._watch.spoilt else super().told()

    def forget(self) -> None:
        """See `Outlet.forget`."""
        super().forget()
        self._watch, self._held = _Watch(self._wanted), []


def _parted(events: Sequence[ChatEvent], watch: _Watch) -> tuple[Sequence[ChatEvent], Sequence[ChatEvent]]:
    """What may pass, and what is held back with the end."""
    place = 0
    if not watch.ending:
        place = next((index for index, event in enumerate(events) if isinstance(event, Finished)), len(events))
    watch.see(events)
    return events[:place], events[place:]


class CheckedRelay(NativeRelay):
    """Bytes untouched, of which the end passes when the whole is good."""

    def __init__(self, dialect: Dialect, outlet: CheckedBytes) -> None:
        super().__init__(dialect, outlet)
        self._checked = outlet

    def finish(self) -> Sequence[bytes]:
        """See `Relay.finish`. Raises OutputInvalid."""
        told = super().finish()
        return told if self._checked.released else [*told, self._checked.release()]
