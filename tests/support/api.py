"""Both doors of the control API without a network: requests to the ASGI application, intents to their register."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

from fastapi import FastAPI
from structlog.testing import capture_logs

from corral.accounts.service import LocalAccounts
from corral.realtime.connection import Connection
from corral.realtime.intents import Intents

T = TypeVar("T")


class Doors:
    """With a loop of their own, so that a property test can open many requests one after the other."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.stack = contextlib.AsyncExitStack()
        self.accounts = LocalAccounts()
        self.connection = cast("Any", Connection)("s", "s", self.accounts, {}, "ann", None, None, None)
        self.intents = Intents()
        self.api = FastAPI()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What a coroutine returns."""
        # Rendering the trace of each failure would take longer than finding it.
        with capture_logs():
            return self.loop.run_until_complete(asyncio.wait_for(work, 60))

    def intent(self, event: str, data: Any) -> Any:
        """The answer to an intent. Raises CorralError."""
        return self.run(self.intents.run(event, self.connection, data))

    def ask(self, method: str, path: str, body: bytes | None = None, query: str = "") -> tuple[int, Any]:
        """One request over HTTP: status and JSON."""
        return self.run(self._ask(method, path, body or b"", query))

    async def _ask(self, method: str, path: str, body: bytes, query: str) -> tuple[int, Any]:
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http", "path": path,
            "raw_path": path.encode("utf-8", "replace"), "query_string": query.encode(), "root_path": "",
            "headers": [(b"host", b"corral"), (b"content-type", b"application/json")],
        }  # fmt: skip
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        # What nobody foresaw is answered with 500 and raised again for the server's log.
        with contextlib.suppress(Exception):
            await self.api(scope, receive, send)
        content = b"".join(message.get("body", b"") for message in sent)
        return sent[0]["status"], json.loads(content)

    def close(self) -> None:
        """Ends it."""
        self.run(self.stack.aclose())
        self.loop.close()
