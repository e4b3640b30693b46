"""Streams of Ollama's API: a JSON object a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from corral.dialects.form import (
    ChatEvent,
    Finished,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from corral.dialects.holding import HeldCalls, one_line
from corral.dialects.ollama.answers import ENCODE, Lines, ending, head, write_call
from corral.dialects.ollama.errors import write_error
from corral.dialects.ports import About
from corral.kit.errors import CorralError, UpstreamFailed

MAX_LINE = 8 * 1024 * 1024
"""Bytes of a line."""


class Reader:
    """Reads a stream of /api/chat or /api/generate."""

    def __init__(self) -> None:
        self._lines = Lines()
        self._rest: list[bytes] = []
        self._size = 0
        self._failure: CorralError | None = None

    @property
    def done(self) -> bool:
        """Whether the line that ends an answer has come."""
        return self._lines.done

    def skim(self, event: bytes) -> int:
        """See `EventReader`: every line is read."""
        return 0

    def feed(self, chunk: bytes) -> list[ChatEvent]:
        """The events that `chunk` completes. Raises as the port says."""
        if self._failure is not None:
            raise self._failure
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if lines:
            lines[0] = b"".join((*self._rest, lines[0]))
            self._rest, self._size = [], 0
        events: list[ChatEvent] = []
        try:
            self._take(lines, events)
            if rest:
                self._rest.append(rest)
                self._size += len(rest)
                if self._size > MAX_LINE and not self.done:
                    raise UpstreamFailed("A line of the stream is endless.")
        except CorralError as failure:
            self._failure = failure
            if not events:
                raise
        return events

    def end(self) -> list[ChatEvent]:
        """The stream has ended; its last line may be without a line feed. Raises UpstreamFailed unless the answer is whole."""
        if self._failure is not None:
            raise self._failure
        events: list[ChatEvent] = []
        rest, self._rest = b"".join(self._rest), []
        self._take([rest], events)
        if not self.done:
            raise UpstreamFailed("The provider's answer ended before it was finished.")
        return events

    def _take(self, lines: list[bytes], events: list[ChatEvent]) -> None:
        for line in lines:
            if not self.done and line and not line.isspace():
                self._lines.take(line, events)


class Writer:
    """Writes a stream of /api/chat; that of /api/generate says the same with other words."""

    def __init__(self, about: About) -> None:
        self._about = about
        self._calls = HeldCalls()
        self._told = 0
        self._finished: Finished | None = None
        self._usage: Usage | None = None
        self._first: float | None = None
        head_bytes = ENCODE(head(about))[:-1]
        self._head = head_bytes + b"," + self._OPEN
        self._tail = self._CLOSE + b',"done":false}\n'

    _OPEN = b'"message":{"role":"assistant"'
    _CLOSE = b"}"
    _TEXT = b',"content":'
    _THINKING = b',"content":"","thinking":'

    def resume(self, sent: bytes) -> None:
        """Takes over a stream of which the client has got `sent`."""
        for event in Reader().feed(sent):
            if isinstance(event, ToolCallDelta):
                self._calls.told(event.choice, event.index)
                self._told += 1
            elif isinstance(event, Usage):
                self._usage = event

    def write(self, event: ChatEvent) -> bytes:
        """The bytes for one event; tool calls are held back until they are whole. Raises UpstreamFailed."""
        kind = type(event)
        if kind is not Started and kind is not Usage:
            if event.choice != 0:  # type: ignore[union-attr]
                return b""
            if self._first is None and self._about.elapsed is not None:
                self._first = self._about.elapsed()
        return self._WRITES[kind](self, event)

    def end(self) -> bytes:
        """The last line, with the reason, the tokens and the durations."""
        finished = self._finished or Finished("stop")
        last = ENCODE(ending(finished.reason, self._usage, self._about, self._first))[1:]
        return b"".join((self._head, self._EMPTY, self._CLOSE, b",", last, b"\n"))

    _EMPTY = b',"content":""'

    def fail(self, error: CorralError) -> bytes:
        """A line with the error."""
        return write_error(error) + b"\n"

    def _nothing(self, event: Started) -> bytes:
        return b""

    def _count(self, event: Usage) -> bytes:
        self._usage = event
        return b""

    def _finish(self, event: Finished) -> bytes:
        if event.reason == "error":
            return self.fail(UpstreamFailed("The model broke off its answer."))
        self._finished = event
        return self._flush(ended=0)

    def _text(self, event: TextDelta) -> bytes:
        if not event.text and event.logprobs is None:
            return b""
        tail = self._tail
        if event.logprobs is not None:
            tail = b"".join((self._CLOSE, b',"logprobs":', ENCODE(event.logprobs), b',"done":false}\n'))
        return b"".join((self._flush(), self._head, self._TEXT, ENCODE(event.text), tail))

    def _refusal(self, event: RefusalDelta) -> bytes:
        return self._text(TextDelta(event.text)) if event.text else b""

    def _reasoning(self, event: ReasoningDelta) -> bytes:
        if not event.text:
            return b""
        return b"".join((self._flush(), self._head, self._THINKING, ENCODE(event.text), self._tail))

    def _image(self, event: ImageDelta) -> bytes:
        if event.image.data is None:
            return self._text(TextDelta(f"![image]({event.image.url or ''})"))
        return b"".join((self._flush(), self._head, self._image_field(event.image.data), self._tail))

    def _image_field(self, data: str) -> bytes:
        return self._EMPTY + b',"images":' + ENCODE([data])

    def _call(self, event: ToolCallDelta) -> bytes:
        written = self._flush() if self._calls.begins(event) else b""
        call = self._calls.add(event)
        return written + self._line_of(call) if call is not None else written

    def _flush(self, *, ended: int | None = None) -> bytes:
        if not self._calls:
            return b""
        return b"".join(self._line_of(call) for _, call in self._calls.take(ended=ended))

    def _line_of(self, call: ToolCall) -> bytes:
        written = one_line(ENCODE([write_call(call, self._told)]))
        self._told += 1
        return b"".join((self._head, self._EMPTY, b',"tool_calls":', written, self._tail))

    _WRITES: ClassVar[Mapping[type, Callable[[Writer, Any], bytes]]] = {
        Started: _nothing,
        TextDelta: _text,
        ReasoningDelta: _reasoning,
        RefusalDelta: _refusal,
        ToolCallDelta: _call,
        ImageDelta: _image,
        Usage: _count,
        Finished: _finish,
    }


class GenerateWriter(Writer):
    """Writes a stream of /api/generate, which has no tools."""

    _OPEN = b'"response":'
    _CLOSE = b""
    _TEXT = b""
    _THINKING = b'"","thinking":'
    _EMPTY = b'""'

    def _image_field(self, data: str) -> bytes:
        return self._EMPTY + b',"image":' + ENCODE(data)

    def _line_of(self, call: ToolCall) -> bytes:
        raise UpstreamFailed("The model called a tool, which /api/generate has no word for.")
