"""Where an answer goes: to a client in its dialect, or as events. What has been told is kept (bounded), for a continuation."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from corral.dialects.form import ChatEvent, Started
from corral.dialects.gathering import Gathering
from corral.dialects.ports import About, Dialect, EventWriter
from corral.dialects.registry import DIALECTS
from corral.kit.errors import CorralError

MAX_KEPT = 8 * 1024 * 1024
"""Bytes, or about as much in events, that are kept of one answer."""
_EVENT_BYTES = 64
_BLOCK = 16
"""Pieces that are deflated together."""
_DICTIONARY_BYTES = 4096
"""What of the first piece the deflating of all blocks begins with: small blocks become as small as large ones by that."""
T_co = TypeVar("T_co", covariant=True)


class Outlet(Protocol[T_co]):
    """Takes an answer, gives what is passed on. It has begun with the first thing that is passed on."""

    @property
    def begun(self) -> bool:
        """Whether anything was passed on."""
        ...

    def write(self, events: Sequence[ChatEvent]) -> T_co:
        """What tells these events."""
        ...

    def end(self) -> T_co:
        """What ends a whole answer."""
        ...

    def fail(self, error: CorralError) -> T_co:
        """What tells a failure; nothing follows. Raises `error` where only raising tells it."""
        ...

    def told(self) -> Gathering | None:
        """The answer so far; None when it was too long to be kept."""
        ...

    def forget(self) -> None:
        """What was written and held back is nothing: another answer begins. Only before it has begun."""
        ...


class Transcript:
    """The bytes of a stream so far. Their events are much alike, and nobody reads them unless the stream is cut: blocks of
    them are kept deflated, in a twentieth of the memory for about a third of a microsecond an event."""

    __slots__ = ("_blocks", "_dictionary", "_new")

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._new: list[bytes] = []
        self._dictionary = b""

    def __bool__(self) -> bool:
        return bool(self._new or self._blocks)

    def add(self, piece: bytes) -> None:
        """Keeps the next piece."""
        self._new.append(piece)
        if len(self._new) >= _BLOCK:
            self._dictionary = self._dictionary or self._new[0][:_DICTIONARY_BYTES]
            # A window of 4 KiB holds a block of usual events and is made ready in no time.
            deflating = zlib.compressobj(1, zlib.DEFLATED, -12, 5, zlib.Z_DEFAULT_STRATEGY, self._dictionary)
            self._blocks.append(deflating.compress(b"".join(self._new)) + deflating.flush())
            self._new.clear()

    def read(self) -> bytes:
        """All of them in one."""
        return b"".join([*map(self._inflated, self._blocks), *self._new])

    def _inflated(self, block: bytes) -> bytes:
        return zlib.decompressobj(-12, self._dictionary).decompress(block)


class BytesOutlet:
    """To a client in its dialect: a provider's bytes as they are (`relay`), or what the dialect's writer makes of events.

    `about` is asked for when the writer is first needed. After bytes of a provider the writer takes over their stream, with the
    same id, model and time.
    """

    def __init__(self, dialect: Dialect, about: Callable[[], About]) -> None:
        self._dialect = dialect
        self._about = about
        self._raw = Transcript()
        self._events: list[ChatEvent] = []
        self._kept = 0
        self._writer: EventWriter | None = None
        self.begun = False

    @property
    def dialect(self) -> str:
        """The dialect's name."""
        return self._dialect.name

    def relay(self, piece: bytes) -> bytes:
        """Bytes of a provider, whole events. Only before the first `write`."""
        self.begun = True
        self._kept += len(piece)
        if self._kept <= MAX_KEPT:
            self._raw.add(piece)
        elif self._raw:
            self._raw = Transcript()
        return piece

    def write(self, events: Sequence[ChatEvent]) -> bytes:
        """See `Outlet.write`."""
        writer = self._writer or self._take_over()
        self._kept += sum(_size(event) for event in events)
        if self._kept <= MAX_KEPT:
            self._events.extend(events)
        elif self._events:
            self._events = []
        told = writer.write(events[0]) if len(events) == 1 else b"".join([writer.write(event) for event in events])
        self.begun = self.begun or bool(told)
        return told

    def end(self) -> bytes:
        """See `Outlet.end`."""
        return (self._writer or self._take_over()).end()

    def fail(self, error: CorralError) -> bytes:
        """See `Outlet.fail`."""
        return (self._writer or self._take_over()).fail(error)

    def told(self) -> Gathering | None:
        """See `Outlet.told`."""
        if self._kept > MAX_KEPT:
            return None
        gathering = Gathering()
        for event in [*self._read(), *self._events]:
            gathering.add(event)
        return gathering

    def forget(self) -> None:
        """See `Outlet.forget`: a dialect that tells a call in one piece may hold the half of one."""
        self._raw, self._events, self._kept, self._writer = Transcript(), [], 0, None

    def _read(self) -> list[ChatEvent]:
        return self._dialect.reader().feed(self._raw.read()) if self._raw else []

    def _take_over(self) -> EventWriter:
        about, events = self._about(), self._read()
        started = next((event for event in events if isinstance(event, Started)), None)
        if started is not None and started.id:
            about = about._replace(id=started.id, model=started.model or about.model, created=started.created)
        writer = self._writer = self._dialect.writer(about)
        if self._raw:
            writer.resume(self._raw.read())
        return writer


class EventsOutlet:
    """To somebody of ours, who takes events."""

    def __init__(self) -> None:
        self._events: list[ChatEvent] = []
        self._kept = 0
        self.begun = False

    def write(self, events: Sequence[ChatEvent]) -> Sequence[ChatEvent]:
        """See `Outlet.write`."""
        self.begun = self.begun or any(not isinstance(event, Started) for event in events)
        self._kept += sum(_size(event) for event in events)
        if self._kept <= MAX_KEPT:
            self._events.extend(events)
        elif self._events:
            self._events = []
        return events

    def end(self) -> Sequence[ChatEvent]:
        """See `Outlet.end`."""
        return ()

    def fail(self, error: CorralError) -> Sequence[ChatEvent]:
        """See `Outlet.fail`."""
        raise error

    def told(self) -> Gathering | None:
        """See `Outlet.told`."""
        if self._kept > MAX_KEPT:
            return None
        gathering = Gathering()
        for event in self._events:
            gathering.add(event)
        return gathering

    def forget(self) -> None:
        """See `Outlet.forget`."""
        self._events, self._kept = [], 0


class PlainOutlet:
    """To a client, of a stream that is no chat: what is passed on was written by the provider."""

    def __init__(self) -> None:
        self.begun = False

    def relay(self, piece: bytes) -> bytes:
        """Bytes of a provider, whole events."""
        self.begun = True
        return piece

    def write(self, events: Sequence[ChatEvent]) -> bytes:
        """Nothing is written here."""
        raise AssertionError("a stream that is no chat has no events")

    def end(self) -> bytes:
        """See `Outlet.end`."""
        return b""

    def fail(self, error: CorralError) -> bytes:
        """See `Outlet.fail`."""
        return b"data: " + DIALECTS["openai_chat"].write_error(error) + b"\n\n"

    def told(self) -> Gathering | None:
        """See `Outlet.told`."""
        return None

    def forget(self) -> None:
        """See `Outlet.forget`: nothing is held back."""


def _size(event: ChatEvent) -> int:
    text = getattr(event, "text", None) or getattr(event, "arguments", None)
    return _EVENT_BYTES + (len(text) if isinstance(text, str) else 0)
