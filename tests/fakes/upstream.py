"""A scripted OpenAI-compatible upstream: `python -m tests.fakes.upstream`, prints its port, serves until it is ended.

The `act` object of a request's body says what happens: `{"do": NAME, ...}`, without it a good answer comes. `GET /seen` tells what arrived.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

ANSWER = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "up",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "gr\u00fc\u00df dich"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
}  # fmt: skip


def chunk(text: str = "", **more: Any) -> bytes:
    """One event of a good stream."""
    event = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"content": text}}],
    }
    return b"data: " + json.dumps({**event, **more}, ensure_ascii=False).encode() + b"\n\n"


LAST = chunk(choices=[], usage={"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8})
DONE = b"data: [DONE]\n\n"
ENDED = chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
STREAM = [chunk("gr\u00fc\u00df "), b": a comment\n\n", chunk("dich"), ENDED, LAST, DONE]


class Upstream:
    """Serves and remembers."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.open = 0
        self.sent = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while line := await reader.readline():
                method, path, _ = line.decode().split()
                headers = {}
                while (field := (await reader.readline()).decode().strip()) != "":
                    name, _, value = field.partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if path == "/seen":
                    self.whole(writer, {"requests": self.seen, "open": self.open, "sent": self.sent})
                elif method == "GET":
                    self.whole(writer, {"object": "list", "data": []})
                else:
                    self.seen.append({"path": path, "headers": headers, "body": json.loads(body)})
                    self.open += 1
                    try:
                        await self.act(json.loads(body), reader, writer)
                    finally:
                        self.open -= 1
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def whole(self, writer: asyncio.StreamWriter, body: Any, status: int = 200, **headers: str) -> None:
        """An answer with a length."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"content-type": "application/json", "content-length": str(len(data)), **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        writer.write(f"HTTP/1.1 {status} Told\r\n{lines}\r\n".encode() + data)

    def head(self, writer: asyncio.StreamWriter, kind: str = "text/event-stream") -> None:
        """The beginning of a chunked answer."""
        writer.write(
            f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: keep-alive\r\nx-secret: 1\r\ntransfer-encoding: chunked\r\n\r\n".encode()
        )

    def piece(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """A chunk of it."""
        writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.sent += len(data)

    async def act(self, asked: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Does what the request says."""
        act = asked.get("act") or {"do": "well"}
        do = getattr(self, "do_" + act["do"])
        await do(writer, act, bool(asked.get("stream")), reader)

    async def do_well(self, writer: asyncio.StreamWriter, act: dict[str, Any], stream: bool, _: Any) -> None:
        """A good answer; `cut` bytes a piece."""
        if not stream:
            self.whole(writer, ANSWER)
            return
        self.head(writer)
        data = b"".join(STREAM)
        step = act.get("cut") or len(data)
        for start in range(0, len(data), step):
            self.piece(writer, data[start : start + step])
            await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")

    async def do_status(self, writer: asyncio.StreamWriter, act: dict[str, Any], *_: Any) -> None:
        """An error answer."""
        body = act["body"] if not isinstance(act["body"], str) else act["body"].encode()
        self.whole(writer, body, act["status"], **act.get("headers", {}))

    async def do_raw(self, writer: asyncio.StreamWriter, act: dict[str, Any], *_: Any) -> None:
        """These bytes, and the end of the connection."""
        writer.write(act["bytes"].encode())
        await writer.drain()
        writer.close()

    async def do_half(self, writer: asyncio.StreamWriter, act: dict[str, Any], stream: bool, _: Any) -> None:
        """Half an answer; then `after`: a reset, a clean end without [DONE], or other text."""
        if not stream:
            writer.write(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{"id"')
        else:
            self.head(writer)
            self.piece(writer, chunk("half"))
            self.piece(writer, act.get("text", "").encode() or b'data: {"choices"')
        await writer.drain()
        if act["after"] == "end":
            writer.write(b"0\r\n\r\n")
        else:
            writer.transport.abort()

    async def do_kind(self, writer: asyncio.StreamWriter, act: dict[str, Any], *_: Any) -> None:
        """A good status and another content type."""
        self.whole(writer, b"<html>a login page</html>", **{"content-type": act["kind"]})

    async def do_stall(self, writer: asyncio.StreamWriter, act: dict[str, Any], stream: bool, reader: Any) -> None:
        """Says `first` and then nothing until the other side leaves."""
        if act.get("first"):
            self.head(writer)
            self.piece(writer, chunk("first"))
            await writer.drain()
        await reader.read(1)

    async def do_flood(self, writer: asyncio.StreamWriter, act: dict[str, Any], *_: Any) -> None:
        """`mib` MiB of stream, as fast as they are taken."""
        self.head(writer)
        event = chunk("x" * 65_000)
        for _number in range(act["mib"] * 16):
            self.piece(writer, event)
            await writer.drain()
        self.piece(writer, DONE)
        writer.write(b"0\r\n\r\n")


async def main() -> None:
    """Serves on a free port of loopback."""
    server = await asyncio.start_server(Upstream().serve, "127.0.0.1", 0, limit=64 * 1024 * 1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
