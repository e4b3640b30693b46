"""Corral's form of a request for a provider that speaks OpenAI's Responses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from corral.dialects import data_urls
from corral.dialects.form import (
    Audio,
    ChatRequest,
    Document,
    Format,
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
)
from corral.dialects.openai_chat.writing import effort_of
from corral.dialects.openai_responses.requests import LOGPROBS, NAME
from corral.dialects.ports import Written
from corral.kit.errors import InvalidRequest

_SAME = (
    ("max_tokens", "max_output_tokens"),
    *((name, name) for name in ("temperature", "top_p", "top_logprobs", "user", "metadata")),
)
_UNKNOWN = (
    "top_k",
    "min_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "repeat_penalty",
    "logit_bias",
    "stop",
)


def write_request(request: ChatRequest, model: str) -> Written:
    """Raises InvalidRequest for what must not be dropped silently: several choices, a sound in a tool's result."""
    if request.choices is not None and request.choices > 1:
        raise InvalidRequest("This provider gives one answer a request.", param="n")
    native = request.dialect == NAME
    dropped: dict[str, None] = {} if native else dict.fromkeys(f"extras.{name}" for name in request.extras)
    extras: dict[str, Any] = dict(request.extras) if native else {"store": False}
    dropped.update(dict.fromkeys(name for name in _UNKNOWN if getattr(request, name) not in (None, ())))
    items = Items(native)
    messages = request.messages
    fields: dict[str, Any] = {"model": model}
    if messages and _is_instructions(messages[0]) and len(messages) > 1:
        fields["instructions"] = "".join(part.text for part in messages[0].parts if isinstance(part, Text))
        messages = messages[1:]
    for message in messages:
        items.add(message)
    fields["input"] = items.out
    dropped.update(items.dropped)
    if request.stream:
        fields["stream"] = True
    for name, field in _SAME:
        value = getattr(request, name)
        if value is not None:
            fields[field] = value
    if request.logprobs and not native:
        fields["include"] = [LOGPROBS]
    _offer(request, native, extras, fields)
    _shape(request, extras, fields)
    fields.update(extras)
    return Written(msgspec.json.encode(fields), tuple(dropped))


def _shape(request: ChatRequest, extras: dict[str, Any], fields: dict[str, Any]) -> None:
    """The form of the answer and the thinking before it; each shares its field with extras."""
    text: dict[str, Any] = dict(extras.pop("text", {}))
    if request.format is not None:
        text["format"] = write_format(request.format)
    if text:
        fields["text"] = text
    reasoning: dict[str, Any] = dict(extras.pop("reasoning", {}))
    if request.thinking is not None:
        reasoning.update(_reasoning(request.thinking))
    if reasoning:
        fields["reasoning"] = reasoning


def _is_instructions(message: Message) -> bool:
    part = message.parts[0] if len(message.parts) == 1 else None
    return message.role == "system" and isinstance(part, Text) and bool(part.text)


def _reasoning(thinking: Thinking) -> dict[str, str]:
    effort = effort_of(thinking)
    told = {"effort": effort} if effort is not None else {}
    return {**told, "summary": thinking.summary} if thinking.summary is not None else told


def _offer(request: ChatRequest, native: bool, extras: dict[str, Any], fields: dict[str, Any]) -> None:
    """The tools and what is said about their use."""
    others = extras.pop("tools", ())
    if request.tools or others:
        fields["tools"] = [*(write_tool(tool, native=native) for tool in request.tools), *others]
    if request.parallel_tools is not None:
        fields["parallel_tool_calls"] = request.parallel_tools
    choice = request.tool_choice
    if choice is not None and "tool_choice" not in extras:
        fields["tool_choice"] = {"type": "function", "name": choice.name} if choice.mode == "tool" else choice.mode


def write_tool(tool: Tool, *, native: bool) -> dict[str, Any]:
    """A function that is offered. Strictness is what this dialect assumes when nothing is said, and no other does."""
    told: dict[str, Any] = {"type": "function", "name": tool.name}
    if tool.description is not None:
        told["description"] = tool.description
    if tool.schema is not None:
        told["parameters"] = tool.schema
    elif not native:
        told["parameters"] = {"type": "object", "properties": {}}
    if tool.strict is not None or not native:
        told["strict"] = bool(tool.strict)
    return told


def write_format(form: Format) -> dict[str, Any]:
    """`text.format`."""
    if form.kind != "schema":
        return {"type": "text" if form.kind == "text" else "json_object"}
    told: dict[str, Any] = {"type": "json_schema", "name": form.name or "answer", "schema": form.schema or {}}
    if form.strict is not None:
        told["strict"] = form.strict
    if form.description is not None:
        told["description"] = form.description
    return told


class Items:
    """The items of the input as they are written one by one."""

    def __init__(self, native: bool) -> None:
        self.out: list[dict[str, Any]] = []
        self.dropped: dict[str, None] = {}
        self._native = native

    def add(self, message: Message) -> None:
        """Writes `message`; thinking, calls and results are items of their own."""
        said: list[Part] = []
        if message.name is not None:
            self.dropped["name"] = None
        for part in message.parts:
            if getattr(part, "cache", None) is not None:
                self.dropped["cache"] = None
            if isinstance(part, Reasoning | ToolCall | ToolResult):
                self._message(message, said)
                said = []
                self._item(part)
            else:
                said.append(part)
        if said or not message.parts:
            self._message(message, said, empty=True)

    def _item(self, part: Reasoning | ToolCall | ToolResult) -> None:
        if isinstance(part, Reasoning):
            self._think(part)
        elif isinstance(part, ToolCall):
            if part.signature is not None:
                self.dropped["signature"] = None
            self.out.append(
                {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": part.arguments}
            )
        else:
            if part.failed:
                self.dropped["failed"] = None
            self.out.append({"type": "function_call_output", "call_id": part.call_id, "output": _output(part)})

    def _think(self, part: Reasoning) -> None:
        if not self._native:
            # The provider takes back only what it signed itself.
            self.dropped["reasoning"] = None
            return
        told: dict[str, Any] = {"type": "reasoning", "summary": []}
        if part.id:
            told["id"] = part.id
        if part.text:
            told["summary"] = [{"type": "summary_text", "text": part.text}]
        proof = part.redacted if part.redacted is not None else part.signature
        if proof is not None and part.id is not None:
            told["encrypted_content"] = proof
        elif proof is not None:
            self.dropped["reasoning"] = None
        if told["summary"] or "encrypted_content" in told:
            self.out.append(told)

    def _message(self, message: Message, said: Sequence[Part], *, empty: bool = False) -> None:
        if not said and not empty:
            return
        role = "user" if message.role == "tool" else message.role
        if role == "assistant":
            content: str | list[dict[str, Any]] = list(self._spoken(said))
            if not content:
                return
        else:
            only = said[0] if len(said) == 1 else None
            content = only.text if isinstance(only, Text) else [_part(part) for part in said] or ""
        self.out.append({"type": "message", "role": role, "content": content})

    def _spoken(self, said: Iterable[Part]) -> Iterable[dict[str, Any]]:
        for part in said:
            if isinstance(part, Text):
                yield {"type": "output_text", "text": part.text, "annotations": []}
            elif isinstance(part, Refusal):
                yield {"type": "refusal", "refusal": part.text}
            else:
                # What the model itself made (an image) cannot be told back.
                self.dropped["assistant media"] = None


def _output(result: ToolResult) -> str | list[dict[str, Any]]:
    if not result.parts:
        return ""
    only = result.parts[0] if len(result.parts) == 1 else None
    return only.text if isinstance(only, Text) else [_part(part) for part in result.parts]


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    if isinstance(part, Image):
        return _image(part)
    if isinstance(part, Document):
        return _document(part)
    if isinstance(part, Audio):
        return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}
    raise InvalidRequest("A refusal belongs to messages of the assistant.", param="messages")


def _image(image: Image) -> dict[str, Any]:
    told: dict[str, Any] = {"type": "input_image"}
    if image.data is not None:
        told["image_url"] = data_urls.join(image.media_type or "image/png", image.data)
    elif image.url is not None:
        told["image_url"] = image.url
    if image.id is not None:
        told["file_id"] = image.id
    if image.detail is not None:
        told["detail"] = image.detail
    return told


def _document(document: Document) -> dict[str, Any]:
    if document.text is not None:
        title = f"{document.name}:\n\n" if document.name else ""
        return {"type": "input_text", "text": title + document.text}
    told: dict[str, Any] = {"type": "input_file"}
    if document.data is not None:
        told["filename"] = document.name or "document"
        told["file_data"] = data_urls.join(document.media_type, document.data) if document.media_type else document.data
    elif document.url is not None:
        told["file_url"] = document.url
    if document.id is not None:
        told["file_id"] = document.id
    if document.name is not None:
        told["filename"] = document.name
    return told
