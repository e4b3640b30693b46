"""Clients of every surface that look at the bytes themselves."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

PATHS = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "ollama_chat": "/ollama/api/chat",
    "ollama_generate": "/ollama/api/generate",
}
"""Where each dialect is served."""


def body_of(dialect: str, model: str, text: str, *, stream: bool, **more: Any) -> dict[str, Any]:
    """A request of one user message."""
    asked: dict[str, Any] = {"model": model, "stream": stream, **more}
    if dialect == "openai_responses":
        return {**asked, "input": text}
    if dialect == "ollama_generate":
        return {**asked, "prompt": text}
    if dialect == "anthropic":
        asked.setdefault("max_tokens", 1000)
    return {**asked, "messages": [{"role": "user", "content": text}]}


class Call:
    """One request whose answer is read piece by piece. `headers` and `status` come with the first read."""

    def __init__(self, url: str, path: str, body: Any, **headers: str) -> None:
        place = urlsplit(url)
        assert place.hostname is not None
        self.connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request("POST", path, data, {"Content-Type": "application/json", **told})
        self._answer: http.client.HTTPResponse | None = None

    @property
    def answer(self) -> http.client.HTTPResponse:
        """The answer, whose head is there."""
        if self._answer is None:
            self._answer = self.connection.getresponse()
        return self._answer

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self.answer.status

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer, names in lower case."""
        return {name.lower(): value for name, value in self.answer.getheaders()}

    def pieces(self) -> list[tuple[float, bytes]]:
        """Everything, as it arrives: when, and what."""
        found = []
        while piece := self.answer.read1(65536):
            found.append((time.monotonic(), piece))
        self.connection.close()
        return found

    def read(self) -> bytes:
        """All of the body."""
        body = self.answer.read()
        self.connection.close()
        return body

    def line(self) -> bytes:
        """The next line."""
        return self.answer.readline()

    def leave(self) -> None:
        """Hangs up."""
        if self._answer is not None:
            self._answer.close()
        self.connection.close()


def told_text(dialect: str, body: bytes, *, stream: bool) -> str:
    """The text of an answer."""
    if not stream:
        return _whole(dialect, json.loads(body))
    lines = [line.removeprefix(b"data: ") for line in body.splitlines() if line.startswith((b"data: {", b"{"))]
    return "".join(_piece(dialect, json.loads(line)) for line in lines)


def _whole(dialect: str, answer: Any) -> str:
    if dialect == "openai_chat":
        return str(answer["choices"][0]["message"]["content"])
    if dialect == "openai_responses":
        return "".join(
            part["text"] for item in answer["output"] if item["type"] == "message" for part in item["content"]
        )
    if dialect == "anthropic":
        return "".join(block["text"] for block in answer["content"] if block["type"] == "text")
    return str(answer["message"]["content"] if dialect == "ollama_chat" else answer["response"])


def _piece(dialect: str, event: Any) -> str:
    if dialect == "openai_chat":
        return "".join(choice["delta"].get("content") or "" for choice in event.get("choices", ()))
    if dialect == "openai_responses":
        return event["delta"] if event["type"] == "response.output_text.delta" else ""
    if dialect == "anthropic":
        return str(event.get("delta", {}).get("text", "")) if event["type"] == "content_block_delta" else ""
    return str(event.get("message", {}).get("content") or "" if dialect == "ollama_chat" else event.get("response", ""))


def failed(dialect: str, body: bytes) -> bool:
    """Whether a stream says that it failed, and does not say that it is whole."""
    clean = {
        "openai_chat": b"data: [DONE]", "openai_responses": b'"type":"response.completed"', "anthropic": b"event: message_stop",
    }.get(dialect, b'"done":true')  # fmt: skip
    said = {"openai_responses": (b"response.failed", b'"type":"error"'), "anthropic": (b"event: error",)}.get(
        dialect, (b'"error"',)
    )
    compact = body.replace(b'": ', b'":')
    return clean.replace(b'": ', b'":') not in compact and any(one in compact for one in said)
