"""Clients of every dialect that read strictly: what they have heard, and how it ended. They know nothing of `corral`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.support.failover.cells import Cell
from tests.support.failover.faults import SCHEMA
from tests.support.wire_clients import PATHS as CHAT_PATHS
from tests.support.wire_clients import body_of

PATHS = {**CHAT_PATHS, "completions": "/v1/completions"}
_TOLD = {"name": "weather", "description": "Tells the weather.", "parameters": SCHEMA}
TOOLS: dict[str, list[dict[str, Any]]] = {
    "openai_chat": [{"type": "function", "function": _TOLD}],
    "ollama_chat": [{"type": "function", "function": _TOLD}],
    "openai_responses": [{"type": "function", **_TOLD}],
    "anthropic": [{"name": "weather", "description": "Tells the weather.", "input_schema": SCHEMA}],
}
THINKING: dict[str, dict[str, Any]] = {
    "openai_chat": {"reasoning_effort": "low"},
    "ollama_chat": {"think": True},
    "openai_responses": {"reasoning": {"effort": "low", "summary": "auto"}},
    "anthropic": {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4096},
}
_FORM = {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}
JSON: dict[str, dict[str, Any]] = {
    "openai_chat": {
        "response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
    },
    "ollama_chat": {"format": SCHEMA},
    "openai_responses": {"text": {"format": _FORM}},
    "anthropic": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
}


@dataclass
class Heard:
    """What a client has heard. `end`: clean, error (told in the stream), refused (an HTTP error) or open: neither."""

    status: int = 0
    text: str = ""
    thought: str = ""
    calls: dict[int, list[str]] = field(default_factory=dict)
    end: Literal["clean", "error", "refused", "open"] = "open"
    message: str = ""
    retry_after: str = ""
    attempts: int = 0
    """How many attempts there had been when the answer began."""
    flaws: list[str] = field(default_factory=list)

    def close(self, end: Literal["clean", "error"], message: str = "") -> None:
        """The end; a second one is a flaw."""
        if self.end != "open":
            self.flaws.append(f"{end} after {self.end}")
        self.end, self.message = end, message

    def call(self, index: int, name: str, arguments: str) -> None:
        """A piece of a tool call."""
        one = self.calls.setdefault(index, ["", ""])
        one[0] += name
        one[1] += arguments


def body(cell: Cell, model: str) -> dict[str, Any]:
    """The request of a cell."""
    if cell.dialect == "completions":
        return {"model": model, "prompt": "Tell me a story.", "stream": cell.streaming, "max_tokens": 500}
    more: dict[str, Any] = {}
    if cell.phase == "thinking":
        more = THINKING[cell.dialect]
    if cell.phase == "json":
        more = JSON[cell.dialect]
    if cell.phase == "tool":
        more = {"tools": TOOLS[cell.dialect]}
    return {**body_of(cell.dialect, model, "Tell me a story.", stream=cell.streaming), **more}


def read(dialect: str, told: bytes, heard: Heard, *, stream: bool) -> None:
    """Reads an answer with status 200."""
    if not stream:
        _WHOLE[dialect](json.loads(told), heard)
        heard.close("clean")
        return
    for event in _lines(told) if dialect == "ollama_chat" else _events(told, heard):
        told_twice = dialect == "openai_responses" and heard.end == "error" and event["type"] == "response.failed"
        if heard.end != "open" and not told_twice:
            heard.flaws.append(f"something after the end: {str(event)[:100]}")
        _STREAMED[dialect](event, heard)
    if heard.end == "clean" and not heard.flaws:
        for _, arguments in heard.calls.values():
            json.loads(arguments)


def refusal(told: bytes) -> str:
    """The message of an HTTP error; an assertion fails where it is in no form that a dialect has."""
    error = json.loads(told)["error"]
    message = error["message"] if isinstance(error, dict) else error
    assert message, told
    return str(message)


def _lines(told: bytes) -> Iterator[Any]:
    assert told.endswith(b"\n"), told[-100:]
    yield from (json.loads(line) for line in told.splitlines())


def _events(told: bytes, heard: Heard) -> Iterator[Any]:
    """The data of events: JSON, or a mark. A name that is another one than the data's type is a flaw."""
    if not told.endswith(b"\n\n") and told:
        heard.flaws.append(f"ends in the middle of an event: {told[-100:]!r}")
    for block in told.replace(b"\r\n", b"\n").split(b"\n\n"):
        lines = [line for line in block.split(b"\n") if line and not line.startswith(b":")]
        data = b"\n".join(line[5:].strip() for line in lines if line.startswith(b"data:"))
        name = b"".join(line[6:].strip() for line in lines if line.startswith(b"event:")).decode()
        if data:
            event = data.decode() if data == b"[DONE]" else json.loads(data)
            if name and isinstance(event, dict) and event.get("type") != name:
                heard.flaws.append(f"event {name} with data of {event.get('type')}")
            yield event


# streams, event by event


def _chat(event: Any, heard: Heard) -> None:
    if event == "[DONE]":
        if not heard.message:
            heard.flaws.append("[DONE] without a finish reason")
        heard.close("clean")
    elif "error" in event:
        heard.close("error", event["error"]["message"])
    else:
        for choice in event["choices"]:
            _delta(choice["delta"], heard)
            heard.message = choice.get("finish_reason") or heard.message


def _delta(delta: dict[str, Any], heard: Heard) -> None:
    heard.text += delta.get("content") or ""
    heard.thought += delta.get("reasoning_content") or delta.get("reasoning") or ""
    for call in delta.get("tool_calls") or ():
        function = call.get("function") or {}
        heard.call(call["index"], function.get("name") or "", function.get("arguments") or "")


def _completion(event: Any, heard: Heard) -> None:
    if event == "[DONE]":
        heard.close("clean")
    elif "error" in event:
        heard.close("error", event["error"]["message"])
    else:
        heard.text += "".join(choice["text"] for choice in event["choices"])


def _response(event: Any, heard: Heard) -> None:
    kind = event["type"]
    if kind == "response.output_text.delta":
        heard.text += event["delta"]
    elif kind in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
        heard.thought += event["delta"]
    elif kind == "response.output_item.added" and event["item"]["type"] == "function_call":
        heard.call(event["output_index"], event["item"]["name"], "")
    elif kind == "response.function_call_arguments.delta":
        heard.call(event["output_index"], "", event["delta"])
    elif kind == "response.completed":
        _agrees(event["response"], heard)
        heard.close("clean")
    elif kind == "response.failed":
        # Told twice, for clients that look for the one or the other.
        heard.end = "open" if heard.end == "error" else heard.end
        heard.close("error", event["response"]["error"]["message"])
    elif kind == "error":
        heard.close("error", event["message"])


def _agrees(response: dict[str, Any], heard: Heard) -> None:
    """What the end repeats of the answer must be what was streamed."""
    whole = Heard()
    _whole_response(response, whole)
    if whole.text != heard.text or whole.thought != heard.thought:
        heard.flaws.append(f"response.completed tells {whole.text!r}, {whole.thought!r}")
    if list(whole.calls.values()) != list(heard.calls.values()):
        heard.flaws.append(f"response.completed tells the calls {whole.calls}, streamed were {heard.calls}")


def _message(event: Any, heard: Heard) -> None:
    kind = event["type"]
    if kind == "content_block_start" and event["content_block"]["type"] == "tool_use":
        heard.call(event["index"], event["content_block"]["name"], "")
    elif kind == "content_block_delta":
        delta = event["delta"]
        heard.text += delta.get("text", "")
        heard.thought += delta.get("thinking", "")
        if "partial_json" in delta:
            heard.call(event["index"], "", delta["partial_json"])
    elif kind == "message_delta":
        heard.message = event["delta"]["stop_reason"] or ""
    elif kind == "message_stop":
        if not heard.message:
            heard.flaws.append("message_stop without a stop reason")
        heard.close("clean")
    elif kind == "error":
        heard.close("error", event["error"]["message"])


def _line(event: Any, heard: Heard) -> None:
    if "error" in event:
        heard.close("error", event["error"])
        return
    _spoken(event["message"], heard)
    if event["done"]:
        heard.close("clean")


def _spoken(message: dict[str, Any], heard: Heard) -> None:
    heard.text += message.get("content") or ""
    heard.thought += message.get("thinking") or ""
    for call in message.get("tool_calls") or ():
        heard.call(len(heard.calls), call["function"]["name"], json.dumps(call["function"]["arguments"]))


# whole answers


def _whole_chat(answer: Any, heard: Heard) -> None:
    message = answer["choices"][0]["message"]
    heard.text += message.get("content") or ""
    for at, call in enumerate(message.get("tool_calls") or ()):
        heard.call(at, call["function"]["name"], call["function"]["arguments"])


def _whole_completion(answer: Any, heard: Heard) -> None:
    heard.text += answer["choices"][0]["text"]


def _whole_response(answer: Any, heard: Heard) -> None:
    for at, item in enumerate(answer["output"]):
        if item["type"] == "message":
            heard.text += "".join(part["text"] for part in item["content"])
        elif item["type"] == "reasoning":
            told = [*item.get("summary", ()), *(item.get("content") or ())]
            heard.thought += "".join(part["text"] for part in told)
        elif item["type"] == "function_call":
            heard.call(at, item["name"], item["arguments"])


def _whole_message(answer: Any, heard: Heard) -> None:
    for at, block in enumerate(answer["content"]):
        heard.text += block.get("text", "")
        heard.thought += block.get("thinking", "")
        if block["type"] == "tool_use":
            heard.call(at, block["name"], json.dumps(block["input"]))


def _whole_line(answer: Any, heard: Heard) -> None:
    _spoken(answer["message"], heard)


Read = Callable[[Any, Heard], None]
_STREAMED: dict[str, Read] = {
    "openai_chat": _chat,
    "openai_responses": _response,
    "anthropic": _message,
    "ollama_chat": _line,
    "completions": _completion,
}
_WHOLE: dict[str, Read] = {
    "openai_chat": _whole_chat,
    "openai_responses": _whole_response,
    "anthropic": _whole_message,
    "ollama_chat": _whole_line,
    "completions": _whole_completion,
}
