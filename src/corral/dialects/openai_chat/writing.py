"""Corral's form of a request for a provider that speaks OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
from corral.dialects.openai_chat.reasoning import to_details
from corral.dialects.openai_chat.requests import NAME
from corral.dialects.ports import Written
from corral.kit.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Flavour:
    """What the servers of this dialect differ in.

    Attributes:
        max_tokens: the name of the limit of the answer; OpenAI's newer models know `max_completion_tokens` alone.
        sampling: whether `top_k`, `min_p` and `repeat_penalty` are known; OpenAI refuses them.
        repeat_penalty: the name of that field (llama.cpp's, or vLLM's `repetition_penalty`).
        reasoning: the field for earlier thinking in messages of the assistant, or None when it is not to be sent back.
        cache_marks: whether `cache_control` in parts of messages is known (OpenRouter).
    """

    max_tokens: str = "max_tokens"
    sampling: bool = True
    repeat_penalty: str = "repeat_penalty"
    reasoning: str | None = None
    cache_marks: bool = False


_SAME = (
    "temperature",
    "top_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "user",
    "metadata",
)


def write_request(request: ChatRequest, model: str, flavour: Flavour) -> Written:
    """Raises InvalidRequest for what cannot be said and must not be dropped: a file that is an address alone."""
    native = request.dialect == NAME
    dropped: dict[str, None] = {} if native else dict.fromkeys(f"extras.{name}" for name in request.extras)
    extras = dict(request.extras) if native else {}
    fields: dict[str, Any] = {"model": model}
    messages = Messages(flavour, native, legacy="functions" in extras)
    for message in request.messages:
        messages.add(message)
    messages.flush()
    fields["messages"] = messages.out
    dropped.update(messages.dropped)
    if request.stream:
        fields["stream"] = True
        if request.include_usage or not native:
            # Whoever speaks another dialect is always told the usage.
            fields["stream_options"] = {"include_usage": True}
    for name in _SAME:
        value = getattr(request, name)
        if value is not None:
            fields[name] = value
    _amounts(request, flavour, fields, dropped)
    _offer(request, extras, fields, messages.marks)
    if request.format is not None:
        fields["response_format"] = _format(request.format)
    if request.thinking is not None and "reasoning" not in extras:
        effort = effort_of(request.thinking)
        if effort is not None:
            fields["reasoning_effort"] = effort
    fields.update(extras)
    return Written(msgspec.json.encode(fields), tuple(dropped))


def _amounts(request: ChatRequest, flavour: Flavour, fields: dict[str, Any], dropped: dict[str, None]) -> None:
    if request.max_tokens is not None:
        fields[flavour.max_tokens] = request.max_tokens
    if request.stop:
        fields["stop"] = list(request.stop)
    if request.choices is not None:
        fields["n"] = request.choices
    if request.logit_bias is not None:
        fields["logit_bias"] = {
            token: int(bias) if float(bias).is_integer() else bias for token, bias in request.logit_bias.items()
        }
    for name, field in (("top_k", "top_k"), ("min_p", "min_p"), ("repeat_penalty", flavour.repeat_penalty)):
        value = getattr(request, name)
        if value is None:
            continue
        if flavour.sampling:
            fields[field] = value
        else:
            dropped[name] = None


def _offer(request: ChatRequest, extras: dict[str, Any], fields: dict[str, Any], marks: bool) -> None:
    """The tools and what is said about their use."""
    choice = request.tool_choice
    if "functions" in extras:
        if choice is not None and "function_call" not in extras:
            fields["function_call"] = {"name": choice.name} if choice.mode == "tool" else choice.mode
        return
    others = extras.pop("tools", ())
    if request.tools or others:
        fields["tools"] = [*(_tool(tool, marks) for tool in request.tools), *others]
        if request.parallel_tools is not None:
            fields["parallel_tool_calls"] = request.parallel_tools
    if choice is not None and "tool_choice" not in extras:
        named = choice.mode == "tool"
        fields["tool_choice"] = {"type": "function", "function": {"name": choice.name}} if named else choice.mode


def _tool(tool: Tool, marks: bool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.schema is not None:
        function["parameters"] = tool.schema
    if tool.strict is not None:
        function["strict"] = tool.strict
    offered: dict[str, Any] = {"type": "function", "function": function}
    if marks and tool.cache is not None:
        offered["cache_control"] = tool.cache
    return offered


def _format(form: Format) -> dict[str, Any]:
    if form.kind != "schema":
        return {"type": "text" if form.kind == "text" else "json_object"}
    told: dict[str, Any] = {"name": form.name or "answer", "schema": form.schema or {}}
    if form.strict is not None:
        told["strict"] = form.strict
    if form.description is not None:
        told["description"] = form.description
    return {"type": "json_schema", "json_schema": told}


def effort_of(thinking: Thinking) -> str | None:
    """How much to think, in OpenAI's words; a budget of tokens becomes the nearest one."""
    if thinking.effort is not None:
        return thinking.effort
    if thinking.enabled is False or thinking.budget == 0:
        return "none"
    if thinking.budget is None:
        return None
    return "low" if thinking.budget <= 4096 else "medium" if thinking.budget <= 16384 else "high"


class Messages:
    """The messages as they are written one by one."""

    def __init__(self, flavour: Flavour, native: bool, *, legacy: bool) -> None:
        self.out: list[dict[str, Any]] = []
        self.dropped: dict[str, None] = {}
        self.marks = flavour.cache_marks or native
        self._reasoning = flavour.reasoning or ("reasoning_content" if native else None)
        self._signatures = native
        self._legacy = legacy
        self._names: dict[str, str] = {}
        self._media: list[dict[str, Any]] = []

    def add(self, message: Message) -> None:
        """Writes `message`; results of tools become messages of their own."""
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        for result in results:
            self._result(result)
        if results:
            parts: Sequence[Part] = [part for part in message.parts if not isinstance(part, ToolResult)]
            if not parts:
                return
        else:
            parts = message.parts
        self.flush()
        role = "user" if message.role == "tool" else message.role
        written = self._assistant(parts) if role == "assistant" else {"role": role, "content": self._content(parts)}
        if message.name is not None:
            written["name"] = message.name
        self.out.append(written)

    def flush(self) -> None:
        """Images and files that tools gave back: this dialect has them in the user's messages alone."""
        if self._media:
            self.out.append({"role": "user", "content": self._media})
            self._media = []

    def _result(self, result: ToolResult) -> None:
        if result.cache is not None:
            self.dropped["cache"] = None
        texts = [part for part in result.parts if isinstance(part, Text)]
        media = [part for part in result.parts if not isinstance(part, Text)]
        if media:
            self._media.append({"type": "text", "text": f"What the tool call {result.call_id} gave back:"})
            self._media += [self._part(part) for part in media]
        written = {"role": "tool", "tool_call_id": result.call_id, "content": self._content(texts)}
        if self._legacy and result.call_id in self._names:
            written = {"role": "function", "name": self._names[result.call_id], "content": written["content"]}
        self.out.append(written)

    def _content(self, parts: Sequence[Part]) -> str | list[dict[str, Any]]:
        if not parts:
            return ""
        first = parts[0]
        if len(parts) == 1 and isinstance(first, Text) and (first.cache is None or not self.marks):
            self._mark({}, first.cache)
            return first.text
        return [self._part(part) for part in parts]

    def _part(self, part: Part) -> dict[str, Any]:
        if isinstance(part, Text):
            return self._mark({"type": "text", "text": part.text}, part.cache)
        if isinstance(part, Image):
            return self._mark({"type": "image_url", "image_url": _image(part)}, part.cache)
        if isinstance(part, Document):
            return self._mark(_document(part), part.cache)
        if isinstance(part, Audio):
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}
        if isinstance(part, Refusal):
            return {"type": "refusal", "refusal": part.text}
        raise InvalidRequest("Thinking and calls of tools belong to messages of the assistant.", param="messages")

    def _mark(self, written: dict[str, Any], cache: Any) -> dict[str, Any]:
        if cache is not None:
            if self.marks:
                written["cache_control"] = cache
            else:
                self.dropped["cache"] = None
        return written

    def _assistant(self, parts: Iterable[Part]) -> dict[str, Any]:
        content: list[Part] = []
        thoughts: list[Reasoning] = []
        calls: list[ToolCall] = []
        for part in parts:
            if isinstance(part, Reasoning):
                thoughts.append(part)
            elif isinstance(part, ToolCall):
                calls.append(part)
            elif isinstance(part, Text | Refusal):
                content.append(part)
            else:
                # What the model itself made (an image) cannot be told back in this dialect.
                self.dropped["assistant media"] = None
        written: dict[str, Any] = {
            "role": "assistant",
            "content": self._content(content) if content or not calls else None,
        }
        if thoughts:
            self._think(written, thoughts)
        if calls and self._legacy:
            self._names[calls[0].id] = calls[0].name
            written["function_call"] = {"name": calls[0].name, "arguments": calls[0].arguments}
        elif calls:
            written["tool_calls"] = [self._call(call) for call in calls]
        return written

    def _think(self, written: dict[str, Any], thoughts: list[Reasoning]) -> None:
        if self._reasoning is None:
            self.dropped["reasoning"] = None
            return
        text = "".join(thought.text for thought in thoughts)
        if text:
            written[self._reasoning] = text
        details = to_details(thoughts) if self._signatures else []
        if details:
            written["reasoning_details"] = details

    def _call(self, call: ToolCall) -> dict[str, Any]:
        written: dict[str, Any] = {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        if call.signature is not None and self._signatures:
            written["extra_content"] = {"google": {"thought_signature": call.signature}}
        return written


def _image(image: Image) -> dict[str, Any]:
    if image.data is not None:
        url = data_urls.join(image.media_type or "image/png", image.data)
    elif image.url is not None:
        url = image.url
    else:
        raise InvalidRequest(
            "This provider takes images as data or by address, not as files that it keeps.", param="messages"
        )
    return {"url": url} if image.detail is None else {"url": url, "detail": image.detail}


def _document(document: Document) -> dict[str, Any]:
    if document.text is not None:
        title = f"{document.name}:\n\n" if document.name else ""
        return {"type": "text", "text": title + document.text}
    file: dict[str, Any] = {}
    if document.id is not None:
        file["file_id"] = document.id
    elif document.data is not None:
        file["filename"] = document.name or "document"
        file["file_data"] = data_urls.join(document.media_type, document.data) if document.media_type else document.data
    else:
        raise InvalidRequest("This provider takes files as data, not by address.", param="messages")
    if document.name is not None:
        file["filename"] = document.name
    return {"type": "file", "file": file}
