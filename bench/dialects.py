"""What translating costs: a request from each client's dialect to each provider's, and a chunk of the stream back."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.frame import Result
from corral.dialects.form import (
    ChatRequest,
    Image,
    Message,
    Started,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolResult,
    text_message,
)
from corral.dialects.ports import About, Dialect
from corral.dialects.registry import DIALECTS

_ROUNDS = 5
_REQUEST_LIMIT = 400.0
_CHUNK_LIMIT = 80.0
_SCHEMA = {
    "type": "object",
    "properties": {
        name: {"type": "string", "description": f"The {name} of the file."} for name in ("path", "text", "mode")
    },
    "required": ["path"],
}


def _conversation(*, tools: bool, images: bool) -> ChatRequest:
    """A request as a coding agent sends it: instructions, tools, calls with their results, and an image."""
    picture = (Image("image/png", "QUJD" * 256),) if images else ()
    messages = [text_message("system", "You are careful. " * 120), Message("user", (Text("Look at this."), *picture))]
    for turn in range(4 if tools else 0):
        call = ToolCall(f"call_{turn}", "read_file", '{"path":"src/main.py","mode":"r"}')
        messages.append(Message("assistant", (Text("I read it."), call)))
        messages.append(Message("tool", (ToolResult(call.id, (Text("def main() -> None: ...\n" * 20),)),)))
    if tools:
        messages.append(text_message("user", "Go on."))
    offered = tuple(Tool(f"tool_{number}", "Does one thing.", _SCHEMA) for number in range(8)) if tools else ()
    return ChatRequest(
        "model", tuple(messages), tools=offered, stream=True, include_usage=True, max_tokens=1000, temperature=0.5
    )


def _best(work: Callable[[], object], count: int) -> float:
    """Microseconds of processor time a call, of the best round."""
    found = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        for _ in range(count):
            work()
        found.append((time.process_time() - began) / count * 1e6)
    return min(found)


def _request(client: Dialect, provider: Dialect, count: int) -> float:
    # /api/generate takes one prompt.
    whole = not any(dialect.name == "ollama_generate" for dialect in (client, provider))
    body = client.write_request(_conversation(tools=whole, images=whole), "model").body
    return _best(lambda: provider.write_request(client.read_request(body), "model"), count)


def _chunk(client: Dialect, provider: Dialect, count: int) -> float:
    request = _conversation(tools=False, images=False)
    about = About("id_1", "model", 1, request, lambda: 1.0)
    told = provider.writer(about)
    first = told.write(Started("id_1", "model", 1)) + told.write(TextDelta("first"))
    chunks = [told.write(TextDelta(f" word{number}")) for number in range(count)]

    def stream() -> None:
        reader, writer = provider.reader(), client.writer(about)
        for event in reader.feed(first):
            writer.write(event)
        for chunk in chunks:
            for event in reader.feed(chunk):
                writer.write(event)

    return _best(stream, 1) / count


def run(*, quick: bool = False) -> list[Result]:
    """The dearest pair of each, and all others in the note of it."""
    count = 100 if quick else 500
    pairs = [
        (client, provider) for client in DIALECTS.values() for provider in DIALECTS.values() if client is not provider
    ]
    results = []
    for name, measure, limit in (("request", _request, _REQUEST_LIMIT), ("chunk", _chunk, _CHUNK_LIMIT)):
        found = sorted((measure(client, provider, count), client.name, provider.name) for client, provider in pairs)
        middle, (most, client_name, provider_name) = found[len(found) // 2][0], found[-1]
        note = f"{client_name} to {provider_name}; the middle of {len(found)} pairs: {middle:.1f}"
        results.append(Result(f"translating a {name}, the dearest pair", most, "µs", limit, note))
    return results
