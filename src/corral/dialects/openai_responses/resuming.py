"""What a client knows of a stream of Responses that broke off, so that another writer can go on with it."""

from __future__ import annotations

from typing import Any

import msgspec

from corral.dialects.decoding import read_told
from corral.dialects.holding import one_line
from corral.dialects.openai_responses import wire
from corral.dialects.openai_responses.items import Item, OpenPart, PartKind
from corral.dialects.sse import SseReader

_EVENT = msgspec.json.Decoder(wire.Event)
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_PARTS: dict[str, PartKind] = {
    "response.output_text": "output_text",
    "response.refusal": "refusal",
    "response.reasoning_summary_text": "summary_text",
    "response.reasoning_text": "reasoning_text",
}
_KINDS: dict[str, PartKind] = {kind: kind for kind in _PARTS.values()}
_ADDED = ("response.content_part.added", "response.reasoning_summary_part.added")
_CLOSED = ("response.content_part.done", "response.reasoning_summary_part.done")


class Sent:
    """The items of a stream so far. Items of kinds that are not known here stay as they were told.

    Attributes:
        begun: whether `response.created` was sent.
        number: the sequence number that comes next.
        next_index: the output index that comes next.
        size: characters in all items.
    """

    def __init__(self, sent: bytes) -> None:
        self.begun = False
        self.number = 0
        self.size = 0
        self._items: dict[int, Item] = {}
        self._closed: set[int] = set()
        for _, data in SseReader().feed(sent):
            if data != b"[DONE]":
                self._take(read_told(_EVENT, data))

    @property
    def items(self) -> list[Item]:
        """In the order of the output."""
        return [self._items[index] for index in sorted(self._items)]

    @property
    def next_index(self) -> int:
        """The first output index that is free."""
        return max(self._items, default=-1) + 1

    @property
    def open_item(self) -> Item | None:
        """The message or the thinking that is not closed."""
        return next(
            (item for item in reversed(self.items) if item.done is None and item.kind in ("message", "reasoning")), None
        )

    @property
    def open_part(self) -> OpenPart | None:
        """The part of the open item that is not closed."""
        item = self.open_item
        last = item.parts[-1] if item is not None and item.parts else None
        return last if last is not None and id(last) not in self._closed else None

    def _take(self, event: wire.Event) -> None:
        if isinstance(event.sequence_number, int):
            self.number = max(self.number, event.sequence_number + 1)
        kind, index = event.type, event.output_index
        if kind in ("response.created", "response.in_progress"):
            self.begun = True
        elif index is None:
            return
        elif kind == "response.output_item.added" and event.item is not wire.ABSENT:
            self._items[index] = _item(event.item, index)
        elif index in self._items:
            self._within(self._items[index], event, kind)

    def _within(self, item: Item, event: wire.Event, kind: str) -> None:
        stem, _, verb = kind.rpartition(".")
        if kind == "response.output_item.done" and event.item is not wire.ABSENT:
            item.done = one_line(bytes(event.item))
        elif kind == "response.function_call_arguments.delta" and isinstance(event.delta, str):
            item.pieces.append(event.delta)
            self.size += len(event.delta)
        elif kind == "response.function_call_arguments.done":
            item.ended = True
        elif kind in _ADDED and event.part is not wire.ABSENT:
            part_kind = _KINDS.get(str(read_told(_OBJECT, bytes(event.part)).get("type")))
            if part_kind is not None:
                self._part(item, event, part_kind)
        elif kind in _CLOSED and item.parts:
            self._closed.add(id(item.parts[-1]))
        elif stem in _PARTS:
            part = self._part(item, event, _PARTS[stem])
            part.ended = part.ended or verb == "done"
            if verb == "delta" and isinstance(event.delta, str):
                part.pieces.append(event.delta)
                self.size += len(event.delta)
                if isinstance(event.logprobs, list):
                    part.logprobs += [one for one in event.logprobs if isinstance(one, dict)]

    def _part(self, item: Item, event: wire.Event, kind: PartKind) -> OpenPart:
        index = (event.summary_index if kind == "summary_text" else event.content_index) or 0
        known = next((part for part in item.parts if part.kind == kind and part.index == index), None)
        if known is None:
            known = OpenPart(kind, index)
            item.parts.append(known)
        return known


def _item(raw: msgspec.Raw, index: int) -> Item:
    facts = read_told(_OBJECT, bytes(raw))
    item = Item(str(facts.get("type")), str(facts.get("id") or ""), index)
    item.call_id, item.name = str(facts.get("call_id") or ""), str(facts.get("name") or "")
    arguments = facts.get("arguments")
    if isinstance(arguments, str) and arguments:
        item.pieces.append(arguments)
    return item
