"""What all readers of streams in server-sent events share."""

from __future__ import annotations

from corral.dialects.form import ChatEvent
from corral.dialects.sse import SseReader
from corral.kit.errors import CorralError


class SseEventReader:
    """Base of readers. A failure after other events of the same chunk is raised by the next call, so that those are not lost."""

    def __init__(self) -> None:
        self._sse = SseReader()
        self._failure: CorralError | None = None

    def feed(self, chunk: bytes) -> list[ChatEvent]:
        """The events that `chunk` completes. Raises CorralError for an error that the stream tells, UpstreamFailed for nonsense."""
        if self._failure is not None:
            raise self._failure
        events: list[ChatEvent] = []
        try:
            one = self._sse.one(chunk)
            if one is not None:
                self._take(one[0], one[1], events)
                return events
            for name, data in self._sse.feed(chunk):
                self._take(name, data, events)
        except CorralError as failure:
            self._failure = failure
            if not events:
                raise
        return events

    def skim(self, event: bytes) -> int:
        """See `EventReader`: a dialect that does not look gives none."""
        return 0

    def end(self) -> list[ChatEvent]:
        """The stream has ended. Raises UpstreamFailed unless it had said that the answer is whole."""
        if self._failure is not None:
            raise self._failure
        events: list[ChatEvent] = []
        self._close(events)
        return events

    def _take(self, name: bytes, data: bytes, events: list[ChatEvent]) -> None:
        """Adds to `events` what one server-sent event tells."""
        raise NotImplementedError

    def _close(self, events: list[ChatEvent]) -> None:
        """Adds what is known only now, or raises UpstreamFailed."""
        raise NotImplementedError
