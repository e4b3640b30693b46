"""A stream of Responses for a client, from events, in the order that clients rely on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from corral.dialects.form import (
    ChatEvent,
    Finished,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    StopReason,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from corral.dialects.openai_responses.frame import Frame, error_code
from corral.dialects.openai_responses.items import Item, OpenPart, PartKind, image_item
from corral.dialects.openai_responses.proofs import write_proof
from corral.dialects.openai_responses.resuming import Sent
from corral.dialects.ports import About
from corral.kit.errors import CorralError, UpstreamFailed

MAX_ANSWER = 64 * 1024 * 1024
"""Characters of an answer: its last event repeats all of it, so it is kept until then."""

_encode = msgspec.json.Encoder().encode
_DELTAS: dict[PartKind, str] = {
    "output_text": "response.output_text.delta",
    "refusal": "response.refusal.delta",
    "summary_text": "response.reasoning_summary_text.delta",
    "reasoning_text": "response.reasoning_text.delta",
}


class ResponsesWriter:
    """Writes a stream. Messages and thinking are told one after the other; calls of tools may be told side by side."""

    def __init__(self, about: About) -> None:
        self._frame = Frame(about)
        self._suffix = about.id.removeprefix("resp_")
        self._number = 0
        self._begun = False
        self._items: list[Item] = []
        self._calls: dict[int, Item] = {}
        self._item: Item | None = None
        self._part: OpenPart | None = None
        self._place = b""
        self._next_index = 0
        self._size = 0
        self._reason: StopReason = "stop"
        self._usage: Usage | None = None
        self._writing: dict[type[Any], Callable[[Any], bytes]] = {
            TextDelta: self._text,
            ReasoningDelta: self._reasoning,
            RefusalDelta: self._refusal,
            ToolCallDelta: self._call,
            ImageDelta: self._image,
            Usage: self._count,
            Finished: self._finish,
        }

    def resume(self, sent: bytes) -> None:
        """Takes over a stream of which the client has got `sent`, with the names that its items have there."""
        told = Sent(sent)
        self._begun, self._number, self._next_index = told.begun, told.number, told.next_index
        self._items = told.items
        self._calls = dict(enumerate(item for item in told.items if item.kind == "function_call"))
        self._item = told.open_item
        self._part = told.open_part
        self._size = told.size
        if self._item is not None and self._part is not None:
            self._place = _place(self._item, self._part)

    def write(self, event: ChatEvent) -> bytes:
        """The bytes for one event. This dialect has one choice. Raises UpstreamFailed for an answer without end."""
        writing = self._writing.get(type(event))
        choice = getattr(event, "choice", None)
        if writing is None or choice:
            return b""
        return writing(event)

    def end(self) -> bytes:
        """The bytes that end a whole answer."""
        out = self._begin() + self._close_all("completed")
        output = [item.done for item in self._items if item.done is not None]
        status, response = self._frame.ended(self._reason, output, self._usage)
        return out + self._event(f"response.{status}", b'"response":' + response)

    def fail(self, error: CorralError) -> bytes:
        """The bytes that tell a failure after the stream has begun."""
        told = {"code": error_code(error), "message": error.message, "param": error.param}
        out = self._begin() + self._event("error", _encode(told)[1:-1])
        output = [item.done for item in self._items if item.done is not None]
        return out + self._event("response.failed", b'"response":' + self._frame.failed(error, output))

    # Events

    def _event(self, kind: str, fields: bytes) -> bytes:
        name, number = kind.encode(), self._number
        self._number += 1
        return b'event: %b\ndata: {"type":"%b","sequence_number":%d,%b}\n\n' % (name, name, number, fields)

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        response = b'"response":' + self._frame.begun()
        return self._event("response.created", response) + self._event("response.in_progress", response)

    def _text(self, event: TextDelta) -> bytes:
        opened = self._into("message", "output_text")
        part = self._said(event.text)
        if event.logprobs:
            part.logprobs += event.logprobs
        tail = b',"logprobs":' + _encode(event.logprobs or ())
        return opened + self._delta(part, event.text, tail)

    def _refusal(self, event: RefusalDelta) -> bytes:
        opened = self._into("message", "refusal")
        return opened + self._delta(self._said(event.text), event.text)

    def _reasoning(self, event: ReasoningDelta) -> bytes:
        out = b""
        if event.redacted is not None:
            out += self._begin() + self._close_item("completed") + self._open("reasoning", "rs")
        elif event.text or self._item is None or self._item.kind != "reasoning":
            out += self._into("reasoning", "summary_text")
            out += self._delta(self._said(event.text), event.text) if event.text else b""
        if event.redacted is not None or event.signature is not None:
            assert self._item is not None
            self._item.proof = write_proof(event.signature, event.redacted)
            # A signature ends its piece of thinking.
            out += self._close_item("completed")
        return out

    def _call(self, event: ToolCallDelta) -> bytes:
        self._grow(event.arguments)
        item = self._calls.get(event.index)
        out = b""
        if item is None:
            if event.id is None or event.name is None:
                raise UpstreamFailed("The answer has a piece of a tool call that never began.")
            out = self._begin() + self._close_item("completed")
            item = self._new("function_call", "fc")
            item.call_id, item.name = event.id, event.name
            self._calls[event.index] = item
            out += self._added(item)
        if not event.arguments:
            return out
        item.pieces.append(event.arguments)
        fields = _item_place(item) + b',"delta":' + _encode(event.arguments)
        return out + self._event("response.function_call_arguments.delta", fields)

    def _image(self, event: ImageDelta) -> bytes:
        out = self._begin() + self._close_item("completed")
        item = self._new("image", "ig")
        image = event.image
        self._grow(image.data or "")
        begun = image_item(item.id, None, None, "in_progress")
        item.done = image_item(
            item.id, image.data if image.data is not None else image.url, image.media_type, "completed"
        )
        index = b'"output_index":%d,"item":' % item.index
        out += self._event("response.output_item.added", index + begun)
        return out + self._event("response.output_item.done", index + item.done)

    def _count(self, event: Usage) -> bytes:
        self._usage = event
        return b""

    def _finish(self, event: Finished) -> bytes:
        self._reason = event.reason
        return self._begin() + self._close_all("incomplete" if event.reason == "length" else "completed")

    # Items

    def _new(self, kind: str, prefix: str) -> Item:
        item = Item(kind, f"{prefix}_{self._suffix}_{self._next_index}", self._next_index)
        self._next_index += 1
        self._items.append(item)
        return item

    def _added(self, item: Item) -> bytes:
        return self._event(
            "response.output_item.added", b'"output_index":%d,"item":%b' % (item.index, item.told("in_progress"))
        )

    def _open(self, kind: str, prefix: str) -> bytes:
        self._item, self._part = self._new(kind, prefix), None
        return self._added(self._item)

    def _into(self, kind: str, part_kind: PartKind) -> bytes:
        """Opens what a piece goes into, unless it is open; closes what is open and is not it."""
        item, part = self._item, self._part
        within = item is not None and item.kind == kind
        # Thinking that somebody else began may be in parts of the other kind.
        if within and part is not None and (part.kind == part_kind or kind == "reasoning"):
            return b""
        out = self._begin()
        if not within:
            out += self._close_item("completed")
            out += self._open(kind, "msg" if kind == "message" else "rs")
        else:
            out += self._close_part()
        item = self._item
        assert item is not None
        index = sum(1 for one in item.parts if (one.kind == "reasoning_text") == (part_kind == "reasoning_text"))
        part = self._part = OpenPart(part_kind, index)
        item.parts.append(part)
        self._place = _place(item, part)
        name = "response.reasoning_summary_part.added" if part_kind == "summary_text" else "response.content_part.added"
        return out + self._event(name, self._place + b',"part":' + _encode(part.told()))

    def _said(self, text: str) -> OpenPart:
        part = self._part
        assert part is not None
        self._grow(text)
        part.pieces.append(text)
        return part

    def _grow(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_ANSWER:
            raise UpstreamFailed("The answer is endless.")

    def _delta(self, part: OpenPart, text: str, tail: bytes = b"") -> bytes:
        return self._event(_DELTAS[part.kind], self._place + b',"delta":' + _encode(text) + tail)

    def _close_part(self) -> bytes:
        part, self._part = self._part, None
        if part is None:
            return b""
        out, text, told = b"", part.text, part.told()
        if not part.ended:
            said: Mapping[str, Any] = {"refusal": text} if part.kind == "refusal" else {"text": text}
            if part.kind == "output_text":
                said = {**said, "logprobs": part.logprobs}
            name = _DELTAS[part.kind].removesuffix("delta") + "done"
            out = self._event(name, self._place + b"," + _encode(said)[1:-1])
        name = "response.reasoning_summary_part.done" if part.kind == "summary_text" else "response.content_part.done"
        return out + self._event(name, self._place + b',"part":' + _encode(told))

    def _close_item(self, status: str) -> bytes:
        """Closes the message or the thinking that is open."""
        item = self._item
        if item is None:
            return b""
        out = self._close_part()
        self._item = None
        return out + self._done(item, status)

    def _close_all(self, status: str) -> bytes:
        out = self._close_item(status)
        for item in self._calls.values():
            if item.done is None:
                if not item.ended:
                    fields = {"arguments": "".join(item.pieces), "name": item.name}
                    out += self._event(
                        "response.function_call_arguments.done", _item_place(item) + b"," + _encode(fields)[1:-1]
                    )
                out += self._done(item, status)
        return out

    def _done(self, item: Item, status: str) -> bytes:
        item.done = item.told(status)
        item.pieces, item.parts = [], []
        return self._event("response.output_item.done", b'"output_index":%d,"item":%b' % (item.index, item.done))


def _item_place(item: Item) -> bytes:
    return b'"item_id":%b,"output_index":%d' % (_encode(item.id), item.index)


def _place(item: Item, part: OpenPart) -> bytes:
    name = b"summary_index" if part.kind == "summary_text" else b"content_index"
    return b'%b,"%b":%d' % (_item_place(item), name, part.index)
