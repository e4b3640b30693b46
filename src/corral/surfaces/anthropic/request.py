"""What a request to the Anthropic surface must look like; what is not named here passes to a provider of the same dialect."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from corral.surfaces.bodies import decode
from corral.surfaces.calls import Asked
from corral.surfaces.table import Visitor

_Unit = Annotated[float, msgspec.Meta(ge=0, le=100)]
_Tokens = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class Said(msgspec.Struct):
    """One message."""

    role: str
    content: str | list[dict[str, Any]]


class Counted(msgspec.Struct):
    """`/v1/messages/count_tokens`."""

    model: str
    messages: Annotated[list[Said], msgspec.Meta(min_length=1)]
    system: str | list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None


class Messages(Counted, kw_only=True):
    """`/v1/messages`."""

    max_tokens: _Tokens | None = None
    stream: bool | None = None
    temperature: _Unit | None = None
    top_p: _Unit | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    metadata: dict[str, Any] | None = None


_messages = msgspec.json.Decoder(Messages)
_counted = msgspec.json.Decoder(Counted)


def read_messages(body: bytes, visitor: Visitor) -> Asked:
    """Raises InvalidRequest naming the field at fault."""
    asked = decode(_messages, body)
    return Asked(asked.model, bool(asked.stream))


def read_counted(body: bytes, visitor: Visitor) -> Asked:
    """Raises InvalidRequest naming the field at fault."""
    return Asked(decode(_counted, body).model, stream=False)
