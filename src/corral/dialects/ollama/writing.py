"""Our form, written as a request of Ollama's /api/chat or /api/generate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from corral.dialects.fields import object_text
from corral.dialects.form import (
    ChatRequest,
    Document,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    text_of,
)
from corral.dialects.ollama import wire
from corral.dialects.ports import Written
from corral.kit.errors import InvalidRequest

_ENCODE = msgspec.json.Encoder().encode
_OPTIONS = (
    ("max_tokens", "num_predict"),
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("top_k", "top_k"),
    ("min_p", "min_p"),
    ("seed", "seed"),
    ("presence_penalty", "presence_penalty"),
    ("frequency_penalty", "frequency_penalty"),
    ("repeat_penalty", "repeat_penalty"),
)
_UNSAID = ("logit_bias", "parallel_tools", "user", "metadata")
_EFFORTS = {"minimal": "low", "xhigh": "high", "max": "high"}


def write_chat(request: ChatRequest, model: str) -> Written:
    """Raises InvalidRequest for sound, files, images that are not data, and several choices."""
    body, dropped = _common(request, model)
    names: dict[str, str] = {}
    body["messages"] = [
        written for message in request.messages for written in _messages(message, names, request.dialect, dropped)
    ]
    if request.tools and not (request.tool_choice is not None and request.tool_choice.mode == "none"):
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.tool_choice is not None and request.tool_choice.mode in ("required", "tool"):
        dropped.append("tool_choice")
    return Written(_ENCODE(body), tuple(dict.fromkeys(dropped)))


def write_generate(request: ChatRequest, model: str) -> Written:
    """Raises InvalidRequest as `write_chat`, and for what is more than instructions and one prompt."""
    body, dropped = _common(request, model)
    system = [text_of(message) for message in request.messages if message.role in ("system", "developer")]
    rest = [message for message in request.messages if message.role not in ("system", "developer")]
    if len(rest) > 1 or any(message.role != "user" for message in rest) or request.tools:
        raise InvalidRequest("/api/generate takes instructions and one prompt; /api/chat takes conversations.")
    if system:
        body["system"] = "\n".join(system)
    for message in rest:
        text, images = _split(message.parts, dropped)
        body["prompt"] = text
        if images:
            body["images"] = images
    return Written(_ENCODE(body), tuple(dict.fromkeys(dropped)))


def _common(request: ChatRequest, model: str) -> tuple[dict[str, Any], list[str]]:
    if request.choices is not None and request.choices > 1:
        raise InvalidRequest("This provider gives one answer a request.", param="n")
    dropped = [name for name in _UNSAID if getattr(request, name) is not None]
    own = request.dialect in wire.OWN
    body: dict[str, Any] = dict(request.extras) if own else {}
    options = dict(body.pop("options", None) or {})
    body["model"] = model
    body["stream"] = request.stream
    if not own:
        # Else a prompt that is too long is cut in silence, and so is the beginning of a long answer's context.
        body["truncate"] = False
        body["shift"] = False
    for name, word in _OPTIONS:
        value = getattr(request, name)
        if value is not None:
            options[word] = value
    if request.stop:
        options["stop"] = request.stop
    if options:
        body["options"] = options
    _shape(request, body, own=own)
    return body, dropped


def _shape(request: ChatRequest, body: dict[str, Any], *, own: bool) -> None:
    if request.format is not None and request.format.kind != "text":
        body["format"] = "json" if request.format.schema is None else request.format.schema
    if request.thinking is not None and (think := _think(request.thinking, own=own)) is not None:
        body["think"] = think
    for name in ("logprobs", "top_logprobs"):
        value = getattr(request, name)
        if value is not None:
            body[name] = value


def _think(thinking: Thinking, *, own: bool) -> bool | str | None:
    """On, off, or an effort. Models that know no efforts take one for "on"."""
    if thinking.enabled is False or thinking.effort == "none":
        return False
    if thinking.effort is not None:
        return thinking.effort if own else _EFFORTS.get(thinking.effort, thinking.effort)
    return True if thinking.enabled or thinking.budget is not None else None


def _messages(message: Message, names: dict[str, str], dialect: str, dropped: list[str]) -> Iterable[dict[str, Any]]:
    if message.name is not None:
        dropped.append("messages.name")
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    for result in results:
        yield _result(result, names, dropped)
    if results and len(results) == len(message.parts):
        return
    found: dict[str, Any] = {"role": "system" if message.role == "developer" else message.role}
    thoughts = [part for part in message.parts if isinstance(part, Reasoning)]
    if thoughts:
        told = "".join(part.text for part in thoughts)
        if told:
            found["thinking"] = told
        if any(part.signature is not None or part.redacted is not None for part in thoughts):
            dropped.append("messages.reasoning")
    text, images = _split(message.parts, dropped)
    found["content"] = text
    if images:
        found["images"] = images
    calls = [_call(part, names) for part in message.parts if isinstance(part, ToolCall)]
    if calls:
        found["tool_calls"] = calls
    yield found


def _result(result: ToolResult, names: dict[str, str], dropped: list[str]) -> dict[str, Any]:
    text, images = _split(result.parts, dropped)
    if result.failed:
        dropped.append("messages.failed")
    found: dict[str, Any] = {"role": "tool", "content": text, "tool_call_id": result.call_id}
    name = names.get(result.call_id)
    if name is not None:
        found["tool_name"] = name
    if images:
        found["images"] = images
    return found


def _call(part: ToolCall, names: dict[str, str]) -> dict[str, Any]:
    names[part.id] = part.name
    arguments = object_text(part.arguments) or _ENCODE({"INVALID_JSON": part.arguments})
    return {"id": part.id, "function": {"name": part.name, "arguments": msgspec.Raw(arguments)}}


def _split(parts: Iterable[Part], dropped: list[str]) -> tuple[str, list[str]]:
    """The text and the images of a message."""
    texts: list[str] = []
    images: list[str] = []
    for part in parts:
        if isinstance(part, Text | Refusal):
            texts.append(part.text)
        elif isinstance(part, Image):
            if part.data is None:
                raise InvalidRequest("This provider takes images as data, not as a URL.", param="messages")
            if part.detail is not None:
                dropped.append("messages.detail")
            images.append(part.data)
        elif isinstance(part, Document):
            texts.append(_document(part))
        elif not isinstance(part, Reasoning | ToolCall | ToolResult):
            raise InvalidRequest("This provider takes no sound.", param="messages")
    return "\n".join(texts), images


def _document(part: Document) -> str:
    if part.text is None:
        raise InvalidRequest("This provider takes files as text only.", param="messages")
    return f"{part.name}:\n{part.text}" if part.name else part.text


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.schema is not None:
        function["parameters"] = tool.schema
    return {"type": "function", "function": function}
