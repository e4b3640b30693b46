"""Writing streams of Anthropic's Messages API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from corral.dialects.anthropic import wire
from corral.dialects.anthropic.answers import image_text, read_usage, reason_out, write_usage
from corral.dialects.anthropic.errors import write_error
from corral.dialects.anthropic.reader import EVENT
from corral.dialects.anthropic.writing import tool_id
from corral.dialects.decoding import read_told
from corral.dialects.fields import object_text
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
from corral.dialects.ports import About
from corral.dialects.sse import SseReader, named
from corral.kit.errors import CorralError, UpstreamFailed

KEEP_ALIVE = b'event: ping\ndata: {"type": "ping"}\n\n'
MAX_ARGUMENTS = 8 * 1024 * 1024
"""Characters of the arguments of a tool call that is still being written."""

_ENCODE = msgspec.json.Encoder().encode


@dataclass(slots=True)
class _Call:
    """A tool call that is being written: its block, and what it has so far."""

    index: int
    pieces: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, piece: str) -> None:
        self.size += len(piece)
        if self.size > MAX_ARGUMENTS:
            raise UpstreamFailed("The arguments of a tool call are endless.")
        self.pieces.append(piece)

    @property
    def whole(self) -> bool:
        return bool(self.pieces) and object_text("".join(self.pieces)) is not None


class Writer:
    """Writes a stream for a client."""

    def __init__(self, about: About) -> None:
        self._about = about
        self._begun = False
        self._next = 0
        self._open: tuple[str, int] | None = None
        """The text or thinking that is being written, and its block."""
        self._text_head = b""
        self._calls: dict[int, _Call | None] = {}
        """Tool calls by their number; None for those that are closed."""
        self._usage: Usage | None = None
        self._finished: Finished | None = None
        self._reason_told = False
        self._ended = False

    def resume(self, sent: bytes) -> None:
        """Takes over a stream of which the client has got `sent`."""
        for _, data in SseReader().feed(sent):
            event = read_told(EVENT, data)
            if event.type == "message_start":
                self._begun = True
                self._usage = read_usage(event.message.usage if event.message else None, self._usage)
            elif event.type == "content_block_start":
                self._resume_block(event.index, event.content_block)
            elif event.type == "content_block_delta" and event.delta is not None:
                call = next((one for one in self._calls.values() if one is not None and one.index == event.index), None)
                if call is not None and event.delta.partial_json:
                    call.add(event.delta.partial_json)
            elif event.type == "content_block_stop":
                self._resume_stop(event.index)
            elif event.type == "message_delta":
                self._reason_told = self._reason_told or bool(event.delta and event.delta.stop_reason)
            elif event.type == "message_stop":
                self._ended = True

    def _resume_block(self, index: int, block: wire.Block | None) -> None:
        self._next = max(self._next, index + 1)
        kind = block.type if block is not None else ""
        if kind == "tool_use":
            self._calls[len(self._calls)] = _Call(index)
        elif kind in ("text", "thinking"):
            self._opened(kind, index)
        elif block is not None:
            # A block of the provider's own: nothing of ours goes into it, but it must be closed.
            self._opened("other", index)

    def _resume_stop(self, index: int) -> None:
        if self._open is not None and self._open[1] == index:
            self._open = None
        for number, call in self._calls.items():
            if call is not None and call.index == index:
                self._calls[number] = None

    def write(self, event: ChatEvent) -> bytes:
        """The bytes for one event. Raises UpstreamFailed for a piece of a tool call that has no beginning."""
        kind = type(event)
        if kind is TextDelta:
            return self._say(event)  # type: ignore[arg-type]
        if kind is Usage:
            self._usage = event  # type: ignore[assignment]
            return b""
        if kind is not Started and event.choice != 0:  # type: ignore[union-attr]
            return b""
        return self._WRITES[kind](self, event)

    def _say(self, event: TextDelta | RefusalDelta) -> bytes:
        return self._text(event.text) if event.text and event.choice == 0 else b""

    def _show(self, event: ImageDelta) -> bytes:
        return self._text(image_text(event.image))

    def end(self) -> bytes:
        """message_delta with the reason and the tokens, and message_stop."""
        if self._ended:
            return b""
        self._ended = True
        head = b"".join((self._start(), self._close_all()))
        if self._reason_told:
            return head + _STOP
        finished = self._finished or Finished("stop")
        delta = {
            "type": "message_delta",
            "delta": {
                "stop_reason": reason_out(finished.reason, bool(self._calls)),
                "stop_sequence": finished.stop_sequence,
            },
            "usage": write_usage(self._usage),
        }
        return b"".join((head, named(b"message_delta", _ENCODE(delta)), _STOP))

    def fail(self, error: CorralError) -> bytes:
        """An error event."""
        self._ended = True
        return named(b"error", write_error(error))

    def _start(self, event: Started | None = None) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        message: dict[str, Any] = {
            "id": self._about.id,
            "type": "message",
            "role": "assistant",
            "model": self._about.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(self._usage),
        }
        return named(b"message_start", _ENCODE({"type": "message_start", "message": message}))

    def _finish(self, event: Finished) -> bytes:
        if event.reason == "error":
            return self.fail(UpstreamFailed("The model broke off its answer."))
        self._finished = event
        return self._start() + self._close_all()

    def _opened(self, kind: str, index: int) -> None:
        self._open = (kind, index)
        delta = "thinking_delta" if kind == "thinking" else "text_delta"
        field = "thinking" if kind == "thinking" else "text"
        head = f'{{"type":"content_block_delta","index":{index},"delta":{{"type":"{delta}","{field}":'
        self._text_head = b"event: content_block_delta\ndata: " + head.encode()

    def _text(self, text: str) -> bytes:
        head = b"" if self._open is not None and self._open[0] == "text" else self._begin("text")
        return b"".join((head, self._text_head, _ENCODE(text), b"}}\n\n"))

    def _begin(self, kind: str) -> bytes:
        head = self._start() + self._close_ready()
        index = self._take_index()
        self._opened(kind, index)
        return head + _block_start(index, _EMPTY[kind])

    def _take_index(self) -> int:
        self._next += 1
        return self._next - 1

    def _reasoning(self, event: ReasoningDelta) -> bytes:
        if event.redacted is not None:
            head = self._start() + self._close_ready()
            index = self._take_index()
            block = _ENCODE({"type": "redacted_thinking", "data": event.redacted})
            return head + _block_start(index, block) + _block_stop(index)
        if not event.text and event.signature is None:
            return b""
        written = b"" if self._open is not None and self._open[0] == "thinking" else self._begin("thinking")
        if event.text:
            written += b"".join((self._text_head, _ENCODE(event.text), b"}}\n\n"))
        if event.signature is not None and self._open is not None:
            index = self._open[1]
            delta = {"type": "signature_delta", "signature": event.signature}
            body = {"type": "content_block_delta", "index": index, "delta": delta}
            written += named(b"content_block_delta", _ENCODE(body)) + _block_stop(index)
            self._open = None
        return written

    def _call(self, event: ToolCallDelta) -> bytes:
        written = b""
        if event.index not in self._calls:
            if event.id is None or event.name is None:
                raise UpstreamFailed("The answer has a piece of a tool call that never began.")
            written = self._start() + self._close_ready()
            self._calls[event.index] = _Call(self._take_index())
            block = {"type": "tool_use", "id": tool_id(event.id), "name": event.name, "input": {}}
            written += _block_start(self._next - 1, _ENCODE(block))
        if not event.arguments:
            return written
        call = self._calls[event.index]
        if call is None:
            if event.arguments.isspace():
                return written
            raise UpstreamFailed("The answer has a piece of a tool call that had ended.")
        call.add(event.arguments)
        head = (
            f'{{"type":"content_block_delta","index":{call.index},"delta":{{"type":"input_json_delta","partial_json":'
        )
        return b"".join(
            (written, b"event: content_block_delta\ndata: ", head.encode(), _ENCODE(event.arguments), b"}}\n\n")
        )

    def _close_ready(self) -> bytes:
        """Closes the text or thinking that is open and the tool calls that are whole: another block begins.

        A call that is not whole may still go on, since some providers write several at a time.
        """
        return self._close(all_calls=False)

    def _close_all(self) -> bytes:
        return self._close(all_calls=True)

    def _close(self, *, all_calls: bool) -> bytes:
        stops = []
        if self._open is not None:
            stops.append(_block_stop(self._open[1]))
            self._open = None
        for number, call in self._calls.items():
            if call is not None and (all_calls or call.whole):
                stops.append(_block_stop(call.index))
                self._calls[number] = None
        return b"".join(stops)

    _WRITES: ClassVar[Mapping[type, Callable[[Writer, Any], bytes]]] = {
        Started: _start,
        ReasoningDelta: _reasoning,
        RefusalDelta: _say,
        ToolCallDelta: _call,
        ImageDelta: _show,
        Finished: _finish,
    }


_STOP = named(b"message_stop", b'{"type":"message_stop"}')
_EMPTY = {"text": b'{"type":"text","text":""}', "thinking": b'{"type":"thinking","thinking":"","signature":""}'}


def _block_start(index: int, block: bytes) -> bytes:
    head = f'{{"type":"content_block_start","index":{index},"content_block":'.encode()
    return named(b"content_block_start", head + block + b"}")


def _block_stop(index: int) -> bytes:
    return named(b"content_block_stop", f'{{"type":"content_block_stop","index":{index}}}'.encode())
