"""An OpenAI-compatible upstream that misbehaves on demand: `upstream.py PORT`.

The newest message's text chooses what it does; see `ACTS`. `GET /seen` tells how many requests came and how many
were given up by their client.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable

EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n'
END = (
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\ndata: [DONE]\n\n'
)
seen = {"requests": 0, "left": 0}


def head(status: str = "200 OK", kind: str = "application/json", extra: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{extra}".encode()


def whole(body: bytes, status: str = "200 OK", kind: str = "application/json", extra: str = "") -> bytes:
    return head(status, kind, extra) + b"content-length: %d\r\n\r\n" % len(body) + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


STREAM = head(kind="text/event-stream") + b"transfer-encoding: chunked\r\n\r\n"


async def good(writer: asyncio.StreamWriter) -> bool:
    # Cut in odd places, as a network would.
    wire = STREAM + b"".join(chunk(piece) for piece in (EVENT % b"one ", EVENT % b"two", END)) + b"0\r\n\r\n"
    for place in range(0, len(wire), 17):
        writer.write(wire[place : place + 17])
        await writer.drain()
    return True


async def plain(writer: asyncio.StreamWriter) -> bool:
    answer = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "whole"}, "finish_reason": "stop"}],
        "odd": [1.50, "é"],
    }
    writer.write(whole(json.dumps({**answer, "usage": {"prompt_tokens": 3, "completion_tokens": 2}}).encode()))
    return True


async def dies_early(writer: asyncio.StreamWriter) -> bool:
    return False


async def dies_in_the_middle(writer: asyncio.StreamWriter) -> bool:
    writer.write(STREAM + chunk(EVENT % b"one "))
    await writer.drain()
    return False


async def ends_unfinished(writer: asyncio.StreamWriter) -> bool:
    writer.write(STREAM + chunk(EVENT % b"one ") + b"0\r\n\r\n")
    return True


async def half_an_event(writer: asyncio.StreamWriter) -> bool:
    writer.write(STREAM + chunk(EVENT % b"one " + b'data: {"cho'))
    await writer.drain()
    return False


async def garbage(writer: asyncio.StreamWriter) -> bool:
    writer.write(b"\x00\x01 this is no answer\r\n\r\n")
    return False


async def overloaded(writer: asyncio.StreamWriter) -> bool:
    writer.write(whole(b'{"error":{"message":"too many","type":"rate_limit"}}', "429 Too Many Requests"))
    return True


async def broken(writer: asyncio.StreamWriter) -> bool:
    writer.write(whole(b"<html>oh no</html>", "500 Internal Server Error", "text/html"))
    return True


async def refuses(writer: asyncio.StreamWriter) -> bool:
    writer.write(whole(b'{"error":{"message":"temperature is too hot"}}', "422 Unprocessable"))
    return True


async def flood(writer: asyncio.StreamWriter) -> bool:
    writer.write(STREAM)
    piece = chunk((EVENT % (b"x" * 8000)) * 8)
    for _ in range(4000):
        writer.write(piece)
        await writer.drain()
    writer.write(chunk(END) + b"0\r\n\r\n")
    return True


async def silent(writer: asyncio.StreamWriter) -> bool:
    await asyncio.sleep(600)
    return False


async def endless(writer: asyncio.StreamWriter) -> bool:
    writer.write(STREAM)
    while True:
        writer.write(chunk(EVENT % b"more "))
        await writer.drain()
        await asyncio.sleep(0.02)


ACTS: dict[str, Callable[[asyncio.StreamWriter], Awaitable[bool]]] = {
    act.__name__: act
    for act in (
        good,
        plain,
        dies_early,
        dies_in_the_middle,
        ends_unfinished,
        half_an_event,
        garbage,
        overloaded,
        broken,
        refuses,
        flood,
        silent,
        endless,
    )
}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        going = True
        while going:
            request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            if request.startswith("GET /seen"):
                writer.write(whole(json.dumps(seen).encode()))
                continue
            if request.startswith("GET"):
                writer.write(whole(b'{"data":[]}'))
                continue
            length = next(
                int(line.split(":")[1]) for line in request.split("\r\n") if line.lower().startswith("content-length")
            )
            body = json.loads(await reader.readexactly(length))
            seen["requests"] += 1
            act = asyncio.ensure_future(ACTS[body["messages"][-1]["content"]](writer))
            gone = asyncio.ensure_future(reader.read(1))
            await asyncio.wait([act, gone], return_when=asyncio.FIRST_COMPLETED)
            if not act.done():
                seen["left"] += 1
                act.cancel()
                return
            going = await act
            gone.cancel()
            await asyncio.wait([gone])
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main(port: int) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
