"""Responses of OpenAI as bytes and back, for tests."""

from __future__ import annotations

import json
from typing import Any

from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from corral.dialects.form import (
    ChatEvent,
    ChatRequest,
    Message,
    text_message,
)
from corral.dialects.openai_responses import DIALECT
from corral.dialects.ports import About, EventWriter

EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def asked(**fields: Any) -> ChatRequest:
    """What a client asks with `fields`."""
    return DIALECT.read_request(json.dumps({"model": "m", "input": "Hello", **fields}).encode())


def about(**fields: Any) -> About:
    """The facts of an answer to a request with `fields`."""
    request = ChatRequest(model="m", messages=(text_message("user", "Hello"),), stream=True, **fields)
    return About("resp_1", "m", 1700000000, request)


def foreign(*messages: Message, **fields: Any) -> dict[str, Any]:
    """The body for a provider of a request that came in another dialect."""
    request = ChatRequest(
        model="m", messages=messages or (text_message("user", "Hello"),), dialect="anthropic", **fields
    )
    body: dict[str, Any] = json.loads(DIALECT.write_request(request, "theirs").body)
    return body


def told(data: bytes) -> list[dict[str, Any]]:
    """The JSON of each event, whose name must be its type."""
    found = []
    for event in data.decode().split("\n\n"):
        if event:
            name, line = event.split("\n")
            found.append(json.loads(line.removeprefix("data: ")))
            assert name == f"event: {found[-1]['type']}"
    return found


def all_of(out: EventWriter, *events: ChatEvent) -> list[dict[str, Any]]:
    """The events of a whole answer."""
    return told(b"".join([*(out.write(event) for event in events), out.end()]))


def event(kind: str, number: int, **fields: Any) -> bytes:
    """An event as a provider sends it."""
    data = {"type": kind, "sequence_number": number, **fields}
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def response(status: str, **fields: Any) -> dict[str, Any]:
    """The object of an answer."""
    return {
        "id": "resp_up",
        "object": "response",
        "created_at": 5,
        "model": "gpt",
        "status": status,
        "output": [],
        **fields,
    }


BEGIN = event("response.created", 0, response=response("in_progress")) + event(
    "response.in_progress", 1, response=response("in_progress")
)
