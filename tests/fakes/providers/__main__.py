"""Starts one of the scripted providers."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import ssl
import sys
from pathlib import Path
from typing import Any

from tests.fakes.providers.wire import Connection, Program, Server

KINDS = ("openai", "compatible", "anthropic", "gemini", "ollama")


async def serve(program: Program, port: int, script: dict[str, Any], tls: list[str] | None) -> None:
    """Serves on loopback; prints the port."""
    server = Server(program, script)
    context = None
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*tls)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Connection(server), "127.0.0.1", port, ssl=context, backlog=1024)
    sys.stdout.write(f"{listening.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await listening.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.providers")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", type=Path)
    parser.add_argument("--tls", nargs=2)
    given = parser.parse_args()
    script = json.loads(given.script.read_text()) if given.script else {}
    program: Program = importlib.import_module(f"tests.fakes.providers.{given.kind}").PROGRAM
    asyncio.run(serve(program, given.port, script, given.tls))


if __name__ == "__main__":
    main()
