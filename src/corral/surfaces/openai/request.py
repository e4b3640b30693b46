"""What a request to the OpenAI surface must look like; what is not named here passes as it is."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from corral.surfaces.bodies import decode
from corral.surfaces.calls import Asked
from corral.surfaces.table import Visitor

_Amount = Annotated[float, msgspec.Meta(ge=0, le=100)]
_Penalty = Annotated[float, msgspec.Meta(ge=-100, le=100)]
_Tokens = Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)]
_Count = Annotated[int, msgspec.Meta(ge=1, le=128)]
_Seed = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _Fields(msgspec.Struct):
    """The fields that Corral itself needs."""

    model: str | None = None
    stream: bool | None = None


class Generation(_Fields):
    """The fields that chats and completions share."""

    temperature: _Amount | None = None
    top_p: _Amount | None = None
    n: _Count | None = None
    max_tokens: _Tokens | None = None
    seed: _Seed | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    stop: str | list[str] | None = None
    stream_options: dict[str, Any] | None = None


class Message(msgspec.Struct):
    """One message of a chat."""

    role: str
    content: str | list[Any] | None = None


class Chat(Generation, kw_only=True):
    """`/v1/chat/completions`."""

    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    max_completion_tokens: _Tokens | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None


class Completion(Generation, kw_only=True):
    """`/v1/completions`."""

    prompt: str | list[Any]


class Responses(_Fields, kw_only=True):
    """`/v1/responses`."""

    input: str | list[dict[str, Any]]
    instructions: str | None = None
    max_output_tokens: _Tokens | None = None
    temperature: _Amount | None = None
    top_p: _Amount | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    text: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    previous_response_id: str | None = None


class Embedding(_Fields, kw_only=True):
    """`/v1/embeddings`."""

    input: str | list[Any]


class Ranking(_Fields, kw_only=True):
    """`/v1/rerank`."""

    query: str
    documents: Annotated[list[str | dict[str, Any]], msgspec.Meta(min_length=1)]
    top_n: _Tokens | None = None


_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "/v1/chat/completions": msgspec.json.Decoder(Chat),
    "/v1/completions": msgspec.json.Decoder(Completion),
    "/v1/responses": msgspec.json.Decoder(Responses),
    "/v1/embeddings": msgspec.json.Decoder(Embedding),
    "/v1/rerank": msgspec.json.Decoder(Ranking),
}


class Parser:
    """Reads the bodies of one path. What is answered with numbers, in one piece, never `streams`."""

    def __init__(self, path: str, *, streams: bool = True) -> None:
        self._decoder = _DECODERS[path]
        self._streams = streams

    def __call__(self, body: bytes, visitor: Visitor) -> Asked:
        """What the surface needs of `body`. Raises InvalidRequest naming the field at fault."""
        found: _Fields = decode(self._decoder, body)
        return Asked(found.model, self._streams and bool(found.stream))
