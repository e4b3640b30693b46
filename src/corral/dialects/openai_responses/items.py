"""Items of an answer's output while they are written, and whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

PartKind = Literal["output_text", "refusal", "summary_text", "reasoning_text"]

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class OpenPart:
    """A part of a message or of thinking. `ended`: its text was told whole already."""

    kind: PartKind
    index: int
    pieces: list[str] = field(default_factory=list)
    logprobs: list[Mapping[str, Any]] = field(default_factory=list)
    ended: bool = False

    @property
    def text(self) -> str:
        """What it says so far."""
        return "".join(self.pieces)

    def told(self) -> dict[str, Any]:
        """The part as an object."""
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": self.text}
        if self.kind == "output_text":
            return {"type": "output_text", "text": self.text, "annotations": [], "logprobs": self.logprobs}
        return {"type": self.kind, "text": self.text}


@dataclass(slots=True)
class Item:
    """An item that is being written. `done` is what it was in the end."""

    kind: str
    id: str
    index: int
    parts: list[OpenPart] = field(default_factory=list)
    call_id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    proof: str | None = None
    ended: bool = False
    done: bytes | None = None

    def told(self, status: str) -> bytes:
        """The item as an object."""
        if self.kind == "message":
            return message_item(self.id, [part.told() for part in self.parts], status)
        if self.kind == "function_call":
            return call_item(self.id, self.call_id, self.name, "".join(self.pieces), status)
        return reasoning_item(self.id, self.parts, self.proof)


def message_item(identity: str, content: Sequence[Mapping[str, Any]], status: str) -> bytes:
    """A message of the assistant."""
    return _encode({"id": identity, "type": "message", "status": status, "role": "assistant", "content": content})


def call_item(identity: str, call_id: str, name: str, arguments: str, status: str) -> bytes:
    """A call of a function."""
    return _encode(
        {
            "id": identity,
            "type": "function_call",
            "status": status,
            "call_id": call_id,
            "name": name,
            "arguments": arguments,
        }
    )


def reasoning_item(identity: str, parts: Sequence[OpenPart], proof: str | None) -> bytes:
    """Thinking."""
    told: dict[str, Any] = {
        "id": identity,
        "type": "reasoning",
        "summary": [part.told() for part in parts if part.kind == "summary_text"],
    }
    content = [part.told() for part in parts if part.kind == "reasoning_text"]
    if content:
        told["content"] = content
    if proof is not None:
        told["encrypted_content"] = proof
    return _encode(told)


def image_item(identity: str, data: str | None, media_type: str | None, status: str) -> bytes:
    """An image that the model made."""
    told = {"id": identity, "type": "image_generation_call", "status": status, "result": data}
    if media_type is not None and media_type.startswith("image/"):
        told["output_format"] = media_type.removeprefix("image/")
    return _encode(told)
