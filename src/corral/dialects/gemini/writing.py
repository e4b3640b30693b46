"""Our form, written as a request of Gemini's generateContent. The model and whether to stream go into its path."""

from __future__ import annotations

import base64
import mimetypes
from typing import Any

import msgspec

from corral.dialects.fields import object_text
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
    text_of,
)
from corral.dialects.gemini import wire
from corral.dialects.gemini.models import has_levels, wants_openapi
from corral.dialects.gemini.schemas import to_openapi
from corral.dialects.ports import Written
from corral.kit.errors import InvalidRequest

_ENCODE = msgspec.json.Encoder().encode
_BUDGETS = {"minimal": 512, "low": 2048, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}
_LEVELS = {"none": "minimal", "max": "high", "xhigh": "high"}
_UNSAID = ("min_p", "repeat_penalty", "logit_bias", "parallel_tools", "user", "metadata")
_SAID = (
    ("max_tokens", "maxOutputTokens"),
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("top_k", "topK"),
    ("seed", "seed"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
    ("choices", "candidateCount"),
    ("logprobs", "responseLogprobs"),
    ("top_logprobs", "logprobs"),
)


def write_request(request: ChatRequest, model: str) -> Written:
    """Raises InvalidRequest for a file that has neither data nor an address."""
    dropped = [name for name in _UNSAID if getattr(request, name) is not None]
    body: dict[str, Any] = dict(request.extras) if request.dialect == wire.NAME else {}
    own_tools = body.pop("tools", None) or []
    tool_config = dict(body.pop("toolConfig", None) or {})
    config = dict(body.pop("generationConfig", None) or {})
    body.update(_Conversation(request, model, dropped).written())
    tools = [{"functionDeclarations": [_tool(tool, model) for tool in request.tools]}] if request.tools else []
    if tools or own_tools:
        body["tools"] = [*tools, *own_tools]
        _choose(request, tool_config)
        if tool_config:
            body["toolConfig"] = tool_config
    _configure(request, model, config)
    if config:
        body["generationConfig"] = config
    return Written(_ENCODE(body), tuple(dict.fromkeys(dropped)))


def _choose(request: ChatRequest, tool_config: dict[str, Any]) -> None:
    choice = request.tool_choice
    if choice is None or "functionCallingConfig" in tool_config:
        return
    calling: dict[str, Any] = {"mode": {"auto": "AUTO", "none": "NONE"}.get(choice.mode, "ANY")}
    if choice.mode == "tool":
        calling["allowedFunctionNames"] = [choice.name]
    tool_config["functionCallingConfig"] = calling


def _configure(request: ChatRequest, model: str, config: dict[str, Any]) -> None:
    for name, word in _SAID:
        value = getattr(request, name)
        if value is not None:
            config[word] = value
    if request.stop:
        config["stopSequences"] = request.stop
    if request.format is not None:
        _format(request.format, model, config)
    if request.thinking is not None:
        config["thinkingConfig"] = _thinking(request.thinking, model, foreign=request.dialect != wire.NAME)


class _Conversation:
    """The messages; remembers the names of the tools that were called, which their answers need."""

    def __init__(self, request: ChatRequest, model: str, dropped: list[str]) -> None:
        self._request = request
        self._dropped = dropped
        self._names: dict[str, str] = {}
        self._own = request.dialect == wire.NAME
        self._checked = has_levels(model)

    def written(self) -> dict[str, Any]:
        system: list[dict[str, Any]] = []
        contents: list[dict[str, Any]] = []
        last_role = ""
        for message in self._request.messages:
            if message.name is not None:
                self._dropped.append("messages.name")
            if message.role in ("system", "developer"):
                system.extend(part for one in message.parts for part in self._part(one))
                continue
            parts = self._parts(message)
            if not parts:
                continue
            # The answers to calls made at once must stand together.
            if message.role == "tool" == last_role:
                contents[-1]["parts"].extend(parts)
            else:
                contents.append({"role": "model" if message.role == "assistant" else "user", "parts": parts})
            last_role = message.role
        if not contents and system:
            contents, system = [{"role": "user", "parts": system}], []
        if not contents:
            raise InvalidRequest(
                "The messages say nothing: this provider needs at least one with content.", param="messages"
            )
        found: dict[str, Any] = {"contents": contents}
        if system:
            found["systemInstruction"] = {"parts": system}
        return found

    def _parts(self, message: Message) -> list[dict[str, Any]]:
        parts = [part for one in message.parts for part in self._part(one)]
        if self._checked and message.role == "assistant":
            calls = [part for part in parts if "functionCall" in part]
            if calls and "thoughtSignature" not in calls[0]:
                calls[0]["thoughtSignature"] = wire.ANY_SIGNATURE
        return parts

    def _part(self, part: Part) -> list[dict[str, Any]]:
        if isinstance(part, Text | Refusal):
            return [{"text": part.text}] if part.text else []
        if isinstance(part, Reasoning):
            return self._reasoning(part)
        if isinstance(part, ToolCall):
            return [self._call(part)]
        if isinstance(part, ToolResult):
            return self._result(part)
        return [_media(part)]

    def _reasoning(self, part: Reasoning) -> list[dict[str, Any]]:
        signed = part.signature is not None and part.signature.startswith(wire.SIGNED)
        if not signed and (not self._own or not part.text):
            self._dropped.append("messages.reasoning")
            return []
        found: dict[str, Any] = {"text": part.text}
        if part.text:
            found["thought"] = True
        if signed and part.signature is not None:
            found["thoughtSignature"] = part.signature.removeprefix(wire.SIGNED)
        return [found]

    def _call(self, part: ToolCall) -> dict[str, Any]:
        self._names[part.id] = part.name
        arguments = object_text(part.arguments) or _ENCODE({"INVALID_JSON": part.arguments})
        found: dict[str, Any] = {
            "functionCall": {"id": part.id, "name": part.name, "args": msgspec.Raw(arguments)},
        }
        if part.signature is not None and part.signature.startswith(wire.SIGNED):
            found["thoughtSignature"] = part.signature.removeprefix(wire.SIGNED)
        return found

    def _result(self, part: ToolResult) -> list[dict[str, Any]]:
        text = text_of(Message("tool", part.parts))
        name = self._names.get(part.call_id, part.call_id)
        response: dict[str, Any] = {}
        if text or part.failed or part.parts:
            response = {"error" if part.failed else "output": text}
        answer = {"functionResponse": {"id": part.call_id, "name": name, "response": response}}
        return [answer, *(_media(one) for one in part.parts if not isinstance(one, Text))]


def _media(part: Image | Document | Audio) -> dict[str, Any]:
    if isinstance(part, Audio):
        return {"inlineData": {"mimeType": f"audio/{part.format}", "data": part.data}}
    kind = part.media_type
    if part.data is not None:
        default = "image/png" if isinstance(part, Image) else "application/pdf"
        return {"inlineData": {"mimeType": kind or default, "data": part.data}}
    if isinstance(part, Document) and part.text is not None:
        data = base64.b64encode(part.text.encode("utf-8", "replace")).decode()
        return {"inlineData": {"mimeType": kind or "text/plain", "data": data}}
    address = part.url or part.id
    if address is None:
        raise InvalidRequest("An image or file has neither data nor a URL.", param="messages")
    if kind is None:
        guessed = mimetypes.guess_type(address.partition("?")[0])[0]
        kind = guessed or ("image/jpeg" if isinstance(part, Image) else "application/pdf")
    return {"fileData": {"mimeType": kind, "fileUri": address}}


def _tool(tool: Tool, model: str) -> dict[str, Any]:
    found: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        found["description"] = tool.description
    if tool.schema:
        if not wants_openapi(model):
            found["parametersJsonSchema"] = tool.schema
        elif tool.schema.get("properties"):
            # An object without properties is refused: such a function has no parameters at all.
            found["parameters"] = to_openapi(tool.schema)
    return found


def _format(shape: Format, model: str, config: dict[str, Any]) -> None:
    if shape.kind == "text":
        config["responseMimeType"] = "text/plain"
        return
    config["responseMimeType"] = "application/json"
    if shape.kind == "schema" and shape.schema is not None:
        if wants_openapi(model):
            config["responseSchema"] = to_openapi(shape.schema)
        else:
            config["responseJsonSchema"] = shape.schema


def _thinking(thinking: Thinking, model: str, *, foreign: bool) -> dict[str, Any]:
    """What a client of this dialect said, as it said it; what another one meant, in the words that the model knows."""
    found: dict[str, Any] = {}
    off = thinking.enabled is False or thinking.effort == "none"
    if thinking.summary == "omitted":
        found["includeThoughts"] = False
    elif not off and (thinking.enabled or foreign):
        found["includeThoughts"] = True
    levels = has_levels(model)
    if foreign and levels and (off or thinking.effort is not None or thinking.budget is not None):
        found["thinkingLevel"] = _level(thinking, off=off)
    elif off:
        found["thinkingBudget"] = 0
    elif thinking.budget is not None:
        found["thinkingBudget"] = thinking.budget
    elif thinking.effort is not None:
        if foreign:
            found["thinkingBudget"] = _BUDGETS.get(thinking.effort, 8192)
        else:
            found["thinkingLevel"] = thinking.effort.upper()
    return found


def _level(thinking: Thinking, *, off: bool) -> str:
    """The nearest level. A model that cannot but think thinks least at the lowest one that all take: low."""
    if off:
        return "LOW"
    if thinking.effort is not None:
        return _LEVELS.get(thinking.effort, thinking.effort).upper()
    return "LOW" if (thinking.budget or 0) <= 4096 else "HIGH"
