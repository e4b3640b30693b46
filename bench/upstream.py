"""A synthetic OpenAI-compatible upstream that costs next to nothing: the floor the data plane is measured against.

The request says what it wants in a `bench` object: `{"chunks": n, "interval": seconds, "stamp": bool}`, its own or as the text of
its newest user message. Streams send
one event a chunk; with `stamp` its text is the system's monotonic clock in nanoseconds, else the chunk's number.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any, cast

import httptools
import msgspec
import uvloop

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\n"
_WHOLE = msgspec.json.encode(
    {
        "id": "chatcmpl-bench", "object": "chat.completion", "created": 1, "model": "bench",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "A short answer of some words."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19},
    }
)  # fmt: skip
_CHUNK = b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1,"model":"bench","choices":[{"index":0,"delta":{"content":"%s "},"finish_reason":null}]}\n\n'
_LAST = (
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1,"model":"bench","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1,"model":"bench","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":%d,"total_tokens":12}}\n\n'
    b"data: [DONE]\n\n"
)
_SLOTS = msgspec.json.encode(
    [
        {
            "id": number, "n_ctx": 4096, "speculative": False, "is_processing": number < 2, "id_task": number, "n_prompt_tokens": 900,
            "params": {"temperature": 0.8, "top_k": 40, "samplers": ["penalties", "dry", "top_k", "typ_p", "top_p", "min_p", "xtc"]},
            "next_token": [{"has_next_token": True, "n_remain": -1, "n_decoded": 40}],
        }
        for number in range(8)
    ]
)  # fmt: skip


def _figures(moment: float) -> bytes:
    """What an engine at work tells of itself: 50 tokens a second for ever."""
    counted = {
        "prompt_tokens_total": moment * 20, "prompt_seconds_total": moment, "tokens_predicted_total": moment * 50,
        "tokens_predicted_seconds_total": moment, "n_decode_total": moment * 50, "requests_processing": 2, "requests_deferred": 0,
    }  # fmt: skip
    lines = (
        f"# HELP llamacpp:{name} A figure.\n# TYPE llamacpp:{name} gauge\nllamacpp:{name} {value:.0f}\n"
        for name, value in counted.items()
    )
    return "".join(lines).encode()


class Peer(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._path = b""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._body = b""

    def on_url(self, url: bytes) -> None:
        self._path = url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        asked: dict[str, Any] = msgspec.json.decode(self._body) if self._body else {}
        if asked.get("stream"):
            asyncio.get_running_loop().create_task(self._stream(wanted(asked)))
        elif self._path == b"/metrics":
            self._answer(_figures(time.monotonic()))
        elif self._path == b"/slots":
            self._answer(_SLOTS)
        elif self._path.startswith(b"/v1/models"):
            self._answer(b'{"object":"list","data":[{"id":"bench","object":"model"}]}')
        else:
            self._answer(_WHOLE if self._body else b'{"status":"ok"}')

    def _answer(self, body: bytes) -> None:
        assert self._transport is not None
        self._transport.write(_HEAD % b"application/json" + b"content-length: %d\r\n\r\n" % len(body) + body)

    async def _stream(self, asked: dict[str, Any]) -> None:
        transport = self._transport
        assert transport is not None
        transport.write(_HEAD % b"text/event-stream" + b"transfer-encoding: chunked\r\n\r\n")
        count, interval = int(asked.get("chunks", 20)), float(asked.get("interval", 0.0))
        loop = asyncio.get_running_loop()
        due = loop.time()
        for number in range(count):
            if transport.is_closing():
                return
            text = b"%d" % (time.monotonic_ns() if asked.get("stamp") else number)
            _piece(transport, _CHUNK % text)
            due += interval
            await asyncio.sleep(max(0.0, due - loop.time()))
        if transport.is_closing():
            return
        _piece(transport, _LAST % count)
        transport.write(b"0\r\n\r\n")


def wanted(asked: dict[str, Any]) -> dict[str, Any]:
    """The `bench` object of a request: its own, or the one in its newest user message."""
    if "bench" in asked:
        return dict(asked["bench"])
    said = [message["content"] for message in asked["messages"] if message["role"] == "user"]
    return dict(msgspec.json.decode(said[-1])["bench"])


def _piece(transport: asyncio.Transport, data: bytes) -> None:
    transport.write(b"%x\r\n%s\r\n" % (len(data), data))


async def main(port: int) -> None:
    """Serves until it is ended."""
    server = await asyncio.get_running_loop().create_server(Peer, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
