"""What of a candidate's stream goes to the client, piece by piece. State machines without I/O.

A relay takes bytes as they arrive and gives what is passed on. A failure that comes behind good events is kept in `failure`, so that
the good ones are passed on first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from corral.dialects.form import (
    ChatEvent,
    Finished,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from corral.dialects.ports import Dialect
from corral.inference.continuing import Shaper
from corral.inference.outlets import BytesOutlet, Outlet, PlainOutlet
from corral.inference.splitting import Splitter
from corral.inference.tap import StreamTap
from corral.kit.errors import CorralError, UpstreamFailed

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
_PLAIN = frozenset({TextDelta, ReasoningDelta})
_CONTENT = frozenset({TextDelta, ReasoningDelta, RefusalDelta, ToolCallDelta, ImageDelta})
ENDED_EARLY = "The provider's answer ended before it was finished."


class Relay(Protocol[T_co]):
    """One candidate's stream on its way to an outlet."""

    @property
    def done(self) -> bool:
        """Whether the answer is whole; whatever still comes is nothing."""
        ...

    @property
    def failure(self) -> CorralError | None:
        """What went wrong behind what was passed on."""
        ...

    @property
    def usage(self) -> Usage | None:
        """What the provider said of it."""
        ...

    @property
    def count(self) -> int:
        """Events of content that came, about a token each."""
        ...

    @property
    def told(self) -> int:
        """Those of them that were passed on."""
        ...

    def take(self, chunk: bytes) -> T_co | None:
        """What of it is passed on. Raises CorralError when nothing of it is good."""
        ...

    def finish(self) -> Sequence[T_co]:
        """The stream has ended: what is left to pass on. Raises UpstreamFailed when the answer is not whole."""
        ...


class NativeRelay:
    """Bytes untouched, in whole events, each of which was read and found good."""

    def __init__(self, dialect: Dialect, outlet: BytesOutlet) -> None:
        self._reader = dialect.reader()
        self._splitter = Splitter(dialect.media_type)
        self._outlet = outlet
        self._plain = False
        """Whether the last event told nothing but text, so that the next one may be no more than that."""
        self.done = False
        self.failure: CorralError | None = None
        self.usage: Usage | None = None
        self.count = 0

    @property
    def told(self) -> int:
        """See `Relay.told`: all of them."""
        return self.count

    def take(self, chunk: bytes) -> bytes | None:
        """See `Relay.take`."""
        if self._plain and not self._splitter.waits:
            count = self._reader.skim(chunk)
            if count:
                # Nearly always: one event a chunk, and a piece of text in it.
                self.count += count
                return self._outlet.relay(chunk)
        pieces = self._splitter.feed(chunk)
        if len(pieces) == 1:
            self._read(pieces[0])
            return self._outlet.relay(pieces[0])
        good: list[bytes] = []
        for piece in pieces:
            try:
                count = self._reader.skim(piece) if self._plain else 0
                self.count += count
                if not count:
                    self._read(piece)
            except CorralError as error:
                if not good:
                    raise
                self.failure = error
                break
            good.append(piece)
            if self.done:
                break
        return self._outlet.relay(b"".join(good)) if good else None

    def finish(self) -> Sequence[bytes]:
        """See `Relay.finish`."""
        told = []
        rest = self._splitter.rest() if not self.done else b""
        if rest.strip():
            # Some leave out the empty line behind the last event.
            whole = rest.rstrip() + b"\n\n"
            self._read(whole)
            told.append(self._outlet.relay(whole))
        if not self.done:
            self._reader.end()
            told.append(self._outlet.end())
        return told

    def _read(self, piece: bytes) -> None:
        reader = self._reader
        events = reader.feed(piece)
        for event in events:
            if isinstance(event, Usage):
                self.usage = event
            elif type(event) in _CONTENT:
                self.count += 1
        self._plain = len(events) == 1 and type(events[0]) in _PLAIN
        if reader.done:
            self.done = True
        elif not events and b"[DONE]" in piece and piece.strip() == b"data: [DONE]":
            # An end was said to an answer that has none.
            raise UpstreamFailed(ENDED_EARLY)


class EventRelay(Generic[T]):
    """Events of one dialect, written in another (or given as they are)."""

    def __init__(self, dialect: Dialect, outlet: Outlet[T]) -> None:
        self._reader = dialect.reader()
        self._outlet = outlet
        self.failure: CorralError | None = None
        self.usage: Usage | None = None
        self.count = 0

    @property
    def done(self) -> bool:
        """See `Relay.done`."""
        return self._reader.done

    @property
    def told(self) -> int:
        """See `Relay.told`: all of them."""
        return self.count

    def take(self, chunk: bytes) -> T | None:
        """See `Relay.take`."""
        events = self._reader.feed(chunk)
        return self._write(events) if events else None

    def finish(self) -> Sequence[T]:
        """See `Relay.finish`."""
        events = self._reader.end()
        last = [self._write(events)] if events else []
        return [*last, self._outlet.end()]

    def _write(self, events: Sequence[ChatEvent]) -> T:
        for event in events:
            if isinstance(event, Usage):
                self.usage = event
            elif type(event) in _CONTENT:
                self.count += 1
        return self._outlet.write(events)


class ContinuedRelay(Generic[T]):
    """Events that go on with what was told before. `total`: the usage to tell in the end, by that of this stream."""

    def __init__(
        self, dialect: Dialect, outlet: Outlet[T], shaper: Shaper, total: Callable[[Usage | None], Usage | None]
    ) -> None:
        self._reader = dialect.reader()
        self._outlet = outlet
        self._shaper = shaper
        self._total = total
        self.failure: CorralError | None = None
        self.usage: Usage | None = None
        self.count = 0
        self.told = 0

    @property
    def done(self) -> bool:
        """See `Relay.done`."""
        return self._reader.done

    def take(self, chunk: bytes) -> T | None:
        """See `Relay.take`."""
        told: list[ChatEvent] = []
        try:
            self._shape(self._reader.feed(chunk), told)
        except CorralError as error:
            if not told:
                raise
            self.failure = error
        self.told += len(told)
        return self._outlet.write(told) if told else None

    def finish(self) -> Sequence[T]:
        """See `Relay.finish`."""
        told: list[ChatEvent] = []
        self._shape(self._reader.end(), told)
        told += self._shaper.end()
        self.told += sum(type(event) in _CONTENT for event in told)
        usage = self._total(self.usage)
        if usage is not None:
            place = len(told) - 1 if told and isinstance(told[-1], Finished) else len(told)
            told.insert(place, usage)
        return [self._outlet.write(told), self._outlet.end()]

    def _shape(self, events: Sequence[ChatEvent], told: list[ChatEvent]) -> None:
        for event in events:
            if isinstance(event, Usage):
                self.usage = event
            elif not isinstance(event, Started):
                self.count += type(event) in _CONTENT
                told += self._shaper.take(event)


class PlainRelay:
    """A stream that is no chat (completions), untouched. Nobody can go on with it."""

    done = False

    def __init__(self, outlet: PlainOutlet) -> None:
        self._outlet = outlet
        self._splitter = Splitter("text/event-stream")
        self._tap = StreamTap()
        self.failure: CorralError | None = None
        self.count = 0

    @property
    def usage(self) -> Usage | None:
        """See `Relay.usage`."""
        told = self._tap.usage()
        return Usage(*told) if told is not None else None

    @property
    def told(self) -> int:
        """See `Relay.told`: all of them."""
        return self.count

    def take(self, chunk: bytes) -> bytes | None:
        """See `Relay.take`."""
        good: list[bytes] = []
        for piece in self._splitter.feed(chunk):
            error = told_error(piece)
            if error is not None:
                if not good:
                    raise error
                self.failure = error
                break
            good.append(piece)
            self.count += 1
        if not good:
            return None
        whole = b"".join(good)
        self._tap.feed(whole)
        return self._outlet.relay(whole)

    def finish(self) -> Sequence[bytes]:
        """See `Relay.finish`."""
        if not self._tap.done():
            raise UpstreamFailed(ENDED_EARLY)
        return ()


class _Told(msgspec.Struct):
    error: dict[str, Any] | str | None = None


_TOLD = msgspec.json.Decoder(_Told)


def told_error(piece: bytes) -> UpstreamFailed | None:
    """The error that an event of OpenAI's kind tells, or is for want of being JSON; None when it tells none."""
    data = b"".join([line[5:].strip() for line in piece.splitlines() if line.startswith(b"data:")])
    if not data or data == b"[DONE]":
        return None
    try:
        error = _TOLD.decode(data).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return UpstreamFailed("The provider sent an event that is no JSON object.")
    if error is None:
        return None
    message = error.get("message") if isinstance(error, dict) else error
    return UpstreamFailed(f"The provider failed: {message or 'no reason given'}"[:1000])
