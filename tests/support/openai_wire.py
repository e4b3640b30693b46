"""Chats of OpenAI as bytes and back, for tests."""

from __future__ import annotations

import json
from typing import Any

from corral.dialects.form import (
    ChatRequest,
    Message,
    text_message,
)
from corral.dialects.openai_chat import DIALECT, Flavour, OpenAIChat
from corral.dialects.ports import About

HELLO = {"role": "user", "content": "Hello"}


def asked(**fields: Any) -> ChatRequest:
    """What a client asks with a message and `fields`."""
    return DIALECT.read_request(json.dumps({"model": "m", "messages": [HELLO], **fields}).encode())


def about(**fields: Any) -> About:
    """The facts of an answer to a request with `fields`."""
    request = ChatRequest(model="m", messages=(text_message("user", "Hello"),), stream=True, **fields)
    return About("chatcmpl-1", "m", 1700000000, request)


def written(request: ChatRequest, flavour: Flavour | None = None) -> dict[str, Any]:
    """The body for a provider."""
    body: dict[str, Any] = json.loads(OpenAIChat(flavour).write_request(request, "theirs").body)
    return body


def foreign(*messages: Message, **fields: Any) -> ChatRequest:
    """A request that came in another dialect."""
    return ChatRequest(model="m", messages=messages or (text_message("user", "Hello"),), dialect="anthropic", **fields)


def stream(*events: Any) -> bytes:
    """A stream of these events; bytes go as they are."""
    return b"".join(
        b"data: " + (event if isinstance(event, bytes) else json.dumps(event).encode()) + b"\n\n" for event in events
    )


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """An event with one choice."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "m", "choices": [choice], **fields}


def told(data: bytes) -> list[dict[str, Any]]:
    """The JSON of each event of a stream."""
    events = [event.removeprefix("data: ") for event in data.decode().split("\n\n") if event]
    return [json.loads(event) for event in events if event != "[DONE]"]


def call(index: int | None, identity: str | None, name: str | None, arguments: Any) -> dict[str, Any]:
    """A tool call of a delta."""
    found: dict[str, Any] = {"function": {"arguments": arguments}}
    if index is not None:
        found["index"] = index
    if identity is not None:
        found |= {"id": identity, "type": "function"}
    if name is not None:
        found["function"]["name"] = name
    return found
