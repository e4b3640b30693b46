"""What a request to the Ollama surface must look like, and what keeps its streams open."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from corral.kit.clock import iso
from corral.surfaces.asgi import Scope, header
from corral.surfaces.bodies import decode
from corral.surfaces.calls import Asked
from corral.surfaces.table import Visitor

_Model = Annotated[str, msgspec.Meta(min_length=1)]


class Said(msgspec.Struct):
    """One message."""

    role: str
    content: str | None = None
    images: list[str] | None = None
    tool_calls: list[dict[str, Any]] | None = None


class _Asking(msgspec.Struct):
    model: _Model
    stream: bool | None = None
    format: str | dict[str, Any] | None = None
    options: dict[str, Any] | None = None
    keep_alive: str | float | None = None
    think: bool | str | None = None


class Chat(_Asking, kw_only=True):
    """`/api/chat`. Without messages it loads the model."""

    messages: list[Said] | None = None
    tools: list[dict[str, Any]] | None = None


class Generate(_Asking, kw_only=True):
    """`/api/generate`. Without a prompt it loads the model."""

    prompt: str | None = None
    suffix: str | None = None
    system: str | None = None
    template: str | None = None
    images: list[str] | None = None
    raw: bool | None = None


class Embed(msgspec.Struct):
    """`/api/embed`."""

    model: _Model
    input: str | list[str]
    truncate: bool | None = None
    dimensions: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    options: dict[str, Any] | None = None
    keep_alive: str | float | None = None


class Embedding(msgspec.Struct):
    """`/api/embeddings`, the older form."""

    model: _Model
    prompt: str
    options: dict[str, Any] | None = None
    keep_alive: str | float | None = None


chat = msgspec.json.Decoder(Chat)
generate = msgspec.json.Decoder(Generate)
embed = msgspec.json.Decoder(Embed)
embedding = msgspec.json.Decoder(Embedding)


def only_loads(body: bytes, decoder: msgspec.json.Decoder[Any]) -> str | None:
    """The model that a request without anything to answer wants to be loaded. Raises InvalidRequest."""
    asked: Chat | Generate = decode(decoder, body)
    if isinstance(asked, Chat):
        return None if asked.messages else asked.model
    return None if asked.prompt or asked.images else asked.model


def by_hand(scope: Scope) -> bool:
    """Whether no page sent this. Then a form is taken for JSON: Ollama's examples are for curl, and name no content type."""
    return header(scope, b"origin") is None


class Reader:
    """Reads the bodies of chats or of generations; `known` finds the name that a model has here."""

    def __init__(
        self,
        decoder: msgspec.json.Decoder[Any],
        known: Callable[[Visitor, str], str],
    ) -> None:
        self._decoder = decoder
        self._known = known

    def __call__(self, body: bytes, visitor: Visitor) -> Asked:
        """Raises InvalidRequest naming the field at fault."""
        asked: Chat | Generate = decode(self._decoder, body)
        # Ollama streams unless it is told not to.
        stream = asked.stream is not False
        kept = silence(asked.model, chat=isinstance(asked, Chat)) if stream else None
        return Asked(self._known(visitor, asked.model), stream, kept)


def silence(model: str, *, chat: bool) -> bytes:
    """A line that says nothing: lines have no comments, and clients join the pieces."""
    said: dict[str, Any] = {"message": {"role": "assistant", "content": ""}} if chat else {"response": ""}
    return msgspec.json.encode({"model": model, "created_at": iso(datetime.now(UTC)), **said, "done": False}) + b"\n"
