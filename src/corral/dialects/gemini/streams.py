"""Streams of Gemini's streamGenerateContent with alt=sse: every event is an answer with what is new."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from corral.dialects.form import (
    ChatEvent,
    Finished,
    ImageDelta,
    Part,
    Reasoning,
    ReasoningDelta,
    RefusalDelta,
    Started,
    Text,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from corral.dialects.gemini import wire
from corral.dialects.gemini.answers import ENCODE, Chunks, response, write_logprobs, write_part
from corral.dialects.gemini.errors import write_error
from corral.dialects.holding import HeldCalls, one_line
from corral.dialects.ports import About
from corral.dialects.reading import SseEventReader
from corral.dialects.sse import event as sse_event
from corral.kit.errors import CorralError, UpstreamFailed


class Reader(SseEventReader):
    """Reads a stream. It has no end mark of its own: it is whole when every candidate has told its reason."""

    def __init__(self) -> None:
        super().__init__()
        self._chunks = Chunks()

    @property
    def done(self) -> bool:
        """Whether every candidate that began has ended."""
        return self._chunks.finished

    def _take(self, name: bytes, data: bytes, events: list[ChatEvent]) -> None:
        if not data or (self.done and data == b"[DONE]"):
            return
        self._chunks.take(data, events)

    def _close(self, events: list[ChatEvent]) -> None:
        if not self.done:
            raise UpstreamFailed("The provider's answer ended before it was finished.")


class Writer:
    """Writes a stream for a client."""

    def __init__(self, about: About) -> None:
        self._about = about
        self._calls = HeldCalls()
        self._finished: list[Finished] = []
        self._usage: Usage | None = None

    def resume(self, sent: bytes) -> None:
        """Takes over a stream of which the client has got `sent`."""
        reader = Reader()
        for event in reader.feed(sent):
            if isinstance(event, ToolCallDelta):
                self._calls.told(event.choice, event.index)
            elif isinstance(event, Usage):
                self._usage = event

    def write(self, event: ChatEvent) -> bytes:
        """The bytes for one event; tool calls are held back until they are whole. Raises UpstreamFailed."""
        return self._WRITES[type(event)](self, event)

    def end(self) -> bytes:
        """The last chunk, with the reasons and the tokens."""
        candidates = [
            {"finishReason": wire.REASONS_OUT[event.reason], "index": event.choice} for event in self._finished
        ]
        return sse_event(ENCODE(response(candidates, self._usage, self._about)))

    def fail(self, error: CorralError) -> bytes:
        """An event with the error."""
        return sse_event(write_error(error))

    def _nothing(self, event: Started) -> bytes:
        return b""

    def _count(self, event: Usage) -> bytes:
        self._usage = event
        return b""

    def _finish(self, event: Finished) -> bytes:
        self._finished.append(event)
        return self._flush(ended=event.choice)

    def _text(self, event: TextDelta) -> bytes:
        if event.logprobs is None:
            return self._tell(Text(event.text), event.choice) if event.text else b""
        candidate = self._candidate([Text(event.text)], event.choice)
        candidate["logprobsResult"] = write_logprobs(event.logprobs)
        return self._flush() + sse_event(ENCODE(response([candidate], None, self._about)))

    def _refusal(self, event: RefusalDelta) -> bytes:
        return self._tell(Text(event.text), event.choice) if event.text else b""

    def _image(self, event: ImageDelta) -> bytes:
        return self._tell(event.image, event.choice)

    def _reasoning(self, event: ReasoningDelta) -> bytes:
        return self._tell(Reasoning(event.text, event.signature), event.choice)

    def _call(self, event: ToolCallDelta) -> bytes:
        written = self._flush() if self._calls.begins(event) else b""
        call = self._calls.add(event)
        return written + self._tell(call, event.choice) if call is not None else written

    def _tell(self, part: Part, choice: int) -> bytes:
        return self._flush() + self._chunk([part], choice) if write_part(part) is not None else b""

    def _chunk(self, parts: list[Part], choice: int) -> bytes:
        return sse_event(one_line(ENCODE(response([self._candidate(parts, choice)], None, self._about))))

    @staticmethod
    def _candidate(parts: list[Part], choice: int) -> dict[str, Any]:
        written = [one for part in parts if (one := write_part(part)) is not None]
        return {"content": {"parts": written, "role": "model"}, "index": choice}

    def _flush(self, *, ended: int | None = None) -> bytes:
        """Tells the calls that are whole: something else begins."""
        if not self._calls:
            return b""
        whole = self._calls.take(ended=ended)
        return b"".join(self._chunk([call], choice) for choice, call in whole)

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
