"""A scripted OpenAI-compatible upstream: every answer follows from the newest user message alone.

    storyteller.py --port N [--log FILE]

The message may say `words=N`, `interval=SECONDS` and `hold=K` (say K words and a half, then nothing more). The words
hold characters of several bytes; `hold` stops within one. A prefill is continued. `/calls` tells how many answers are
under way; `--log` gets a line with the prefill's length at the beginning of each call.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from pathlib import Path
from typing import Any

WORD = "wörd·✓{} "


def answer_to(message: str) -> str:
    """The whole answer to a message."""
    return "".join(WORD.format(number) for number in range(number_in(message, "words", 12)))


def number_in(message: str, name: str, usual: int) -> int:
    """The number that a message says for `name`."""
    found = re.search(rf"\b{name}=(\d+)", message)
    return int(found.group(1)) if found else usual


class Storyteller:
    """Serves HTTP/1.1 by hand, one request a connection."""

    def __init__(self, log: Path | None) -> None:
        self.calls = 0
        self._log = log

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = re.search(r"content-length: *(\d+)", head, re.IGNORECASE)
            body = await reader.readexactly(int(length.group(1)) if length else 0)
            asked = json.loads(body) if body else {}
            if asked.get("stream"):
                await self._tell(asked, reader, writer)
            else:
                path = head.split()[1]
                found: dict[str, Any] = (
                    {"calls": self.calls} if path == "/calls" else {"data": [{"id": "story", "object": "model"}]}
                )
                text = json.dumps(found).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n")
                writer.write(b"content-length: %d\r\n\r\n" % len(text) + text)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _tell(self, asked: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls += 1
        telling = asyncio.create_task(self._words(asked["messages"], writer))
        gone = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait({telling, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.calls -= 1
            telling.cancel()
            gone.cancel()
            await asyncio.wait({telling, gone})

    async def _words(self, messages: list[dict[str, str]], writer: asyncio.StreamWriter) -> None:
        prefill = messages[-1]["content"] if messages[-1]["role"] == "assistant" else ""
        message = next(one["content"] for one in reversed(messages) if one["role"] == "user")
        if self._log is not None:
            with self._log.open("a") as file:
                file.write(f"{len(prefill)}\n")
        interval, hold = float(number_in(message, "interval", 2)) / 1000, number_in(message, "hold", 0)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        rest = answer_to(message).removeprefix(prefill)
        words = [word + " " for word in rest.split(" ")[:-1]]
        for number, word in enumerate(words):
            event = "data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": word}}]}, ensure_ascii=False)
            data = event.encode() + b"\n\n"
            if hold and not prefill and number == hold:
                writer.write(data[: data.index("✓".encode()) + 1])
                await writer.drain()
                await asyncio.sleep(600)
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(interval)
        last: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]
        last.append({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": len(words)}})
        for one in last:
            writer.write(b"data: " + json.dumps(one).encode() + b"\n\n")
        writer.write(b"data: [DONE]\n\n")
        await writer.drain()


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    server = await asyncio.start_server(Storyteller(options.log).serve, "127.0.0.1", options.port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
