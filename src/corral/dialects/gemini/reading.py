"""A request of Gemini's generateContent, read into our form. The model and whether to stream are in its path, not here."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from corral.dialects.fields import Fields, decode, raw_object
from corral.dialects.form import (
    Audio,
    ChatRequest,
    Document,
    Format,
    Image,
    Message,
    Part,
    Reasoning,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from corral.dialects.gemini import wire
from corral.dialects.gemini.schemas import from_openapi
from corral.dialects.pairing import Pairing
from corral.kit.errors import InvalidRequest

_NAME = "\0"
"""Before the name of a function in place of the id of its call, until that is known."""

_STR = msgspec.json.Decoder(str)
_BOOL = msgspec.json.Decoder(bool)
_INT = msgspec.json.Decoder(int)
_COUNT = msgspec.json.Decoder(wire.Count)
_AMOUNT = msgspec.json.Decoder(wire.Amount)
_STRINGS = msgspec.json.Decoder(list[str])
_OBJECT = msgspec.json.Decoder(wire.Json)
_OBJECTS = msgspec.json.Decoder(list[wire.Json])
_CONTENT = msgspec.json.Decoder(wire.Content)
_CONTENTS = msgspec.json.Decoder(list[wire.Content])
_THINKING = msgspec.json.Decoder(wire.Thinking)


def read_request(body: bytes) -> ChatRequest:
    """Raises InvalidRequest naming the field at fault. `model` is empty and `stream` false: whoever has the path sets them."""
    fields = Fields(body)
    messages: list[Message] = []
    system = fields.take("systemInstruction", _CONTENT)
    if system is not None and (parts := _parts(system, "systemInstruction")):
        messages.append(Message("system", tuple(parts)))
    contents: list[wire.Content] = fields.need("contents", _CONTENTS)
    calls = Pairing()
    for index, content in enumerate(contents):
        messages.extend(_messages(content, f"contents[{index}]", calls))
    if not messages:
        raise InvalidRequest("contents is empty.", param="contents")
    listed: list[wire.Json] | None = fields.take("tools", _OBJECTS)
    tools, own_tools = _tools(listed or [])
    choice, own_config = _choice(fields.take("toolConfig", _OBJECT) or {})
    raw = fields.take("generationConfig", _OBJECT)
    request, config = _configured(Fields(msgspec.json.encode(raw or {}), "generationConfig"))
    extras = fields.extras()
    for name, rest in (("tools", own_tools), ("toolConfig", own_config), ("generationConfig", config)):
        if rest:
            extras[name] = rest
    last = messages[-1]
    return msgspec.structs.replace(
        request,
        messages=tuple(messages),
        continues=last.role == "assistant" and not any(isinstance(part, ToolCall) for part in last.parts),
        tools=tools,
        tool_choice=choice,
        include_usage=True,
        extras=extras,
    )


def _messages(content: wire.Content, where: str, calls: Pairing) -> list[Message]:
    role: Role = "assistant" if content.role == "model" else "user"
    found: list[tuple[Role, list[Part]]] = []
    for part in _parts(content, where):
        whose: Role = "tool" if isinstance(part, ToolResult) else role
        if not found or found[-1][0] != whose:
            found.append((whose, []))
        found[-1][1].append(_paired(part, calls))
    return [Message(whose, tuple(parts)) for whose, parts in found]


def _paired(part: Part, calls: Pairing) -> Part:
    """The API pairs calls and their answers by name and order where there are no ids; we pair by id."""
    if isinstance(part, ToolCall):
        return msgspec.structs.replace(part, id=calls.call(part.id, part.name))
    if isinstance(part, ToolResult):
        named = part.call_id.startswith(_NAME)
        identity = calls.answer(None, part.call_id[1:]) if named else calls.answer(part.call_id, None)
        return msgspec.structs.replace(part, call_id=identity)
    return part


def _parts(content: wire.Content, where: str) -> list[Part]:
    found = []
    for index, part in enumerate(content.parts or ()):
        read = _part(part, f"{where}.parts[{index}]")
        if read is not None:
            found.append(read)
    return found


def _part(part: wire.Part, where: str) -> Part | None:
    signature = wire.SIGNED + part.thought_signature if part.thought_signature else None
    if part.function_call is not None:
        call = part.function_call
        return ToolCall(call.id or "", call.name, raw_object(call.args, f"{where}.functionCall.args"), signature)
    if part.function_response is not None:
        return _response(part.function_response, f"{where}.functionResponse")
    if part.text is not None:
        thought = part.thought or (signature is not None and not part.text)
        return Reasoning(part.text, signature) if thought else Text(part.text)
    if part.inline_data is not None:
        return _inline(part.inline_data)
    return _file(part.file_data) if part.file_data is not None else None


def _response(response: wire.FunctionResponse, where: str) -> ToolResult:
    told = decode(_OBJECT, raw_object(response.response, f"{where}.response"), f"{where}.response")
    failed = False
    text: str | None = None
    if len(told) == 1 and isinstance(told.get("output"), str):
        text = told["output"]
    elif len(told) == 1 and isinstance(told.get("error"), str):
        text, failed = told["error"], True
    elif told:
        text = msgspec.json.encode(told).decode()
    return ToolResult(response.id or _NAME + response.name, (Text(text),) if text is not None else (), failed)


def _inline(blob: wire.Blob) -> Part:
    kind, data = blob.mime_type, blob.data or ""
    if kind.startswith("image/"):
        return Image(kind, data)
    if kind.startswith("audio/"):
        return Audio(kind.removeprefix("audio/"), data)
    if kind.startswith("text/"):
        try:
            return Document(media_type=kind, text=base64.b64decode(data, validate=True).decode())
        except (binascii.Error, ValueError):
            pass
    return Document(media_type=kind, data=data)


def _file(blob: wire.Blob) -> Part:
    if blob.mime_type.startswith("image/"):
        return Image(blob.mime_type, url=blob.file_uri)
    return Document(media_type=blob.mime_type or None, url=blob.file_uri)


def _tools(found: list[wire.Json]) -> tuple[tuple[Tool, ...], list[wire.Json]]:
    """The client's functions, and the tools that only this provider knows, as they are."""
    tools, own = [], []
    for index, entry in enumerate(found):
        rest = dict(entry)
        declared = rest.pop("functionDeclarations", None) or []
        if rest:
            own.append(rest)
        for number, function in enumerate(declared if isinstance(declared, list) else ()):
            place = f"tools[{index}].functionDeclarations[{number}]"
            if not isinstance(function, dict) or not isinstance(function.get("name"), str):
                raise InvalidRequest(f"{place}.name: expected a string.", param=f"{place}.name")
            schema = function.get("parametersJsonSchema")
            if schema is None and function.get("parameters") is not None:
                schema = from_openapi(function["parameters"])
            description = function.get("description")
            tools.append(
                Tool(
                    function["name"],
                    description if isinstance(description, str) else None,
                    schema if isinstance(schema, dict) else None,
                )
            )
    return tuple(tools), own


def _choice(config: wire.Json) -> tuple[ToolChoice | None, wire.Json]:
    rest = dict(config)
    told = rest.pop("functionCallingConfig", None)
    if told is None:
        return None, rest
    try:
        calling = msgspec.convert(told, wire.Calling)
    except msgspec.ValidationError as error:
        place = "toolConfig.functionCallingConfig"
        raise InvalidRequest(f"{place}: {error}", param=place) from None
    names = calling.allowed_function_names or []
    if calling.mode == "ANY" and len(names) == 1:
        return ToolChoice("tool", names[0]), rest
    if calling.mode == "ANY" and names:
        # A choice among some has no word in our form.
        return ToolChoice("required"), {**rest, "functionCallingConfig": told}
    return ToolChoice("required" if calling.mode == "ANY" else "none" if calling.mode == "NONE" else "auto"), rest


def _configured(config: Fields) -> tuple[ChatRequest, dict[str, Any]]:
    """What `generationConfig` says, and what of it has no word in our form."""
    stop: list[str] | None = config.take("stopSequences", _STRINGS)
    request = ChatRequest(
        model="",
        messages=(),
        format=_format(config),
        thinking=_thinking(config.take("thinkingConfig", _THINKING)),
        max_tokens=config.take("maxOutputTokens", _COUNT),
        temperature=config.take("temperature", _AMOUNT),
        top_p=config.take("topP", _AMOUNT),
        top_k=config.take("topK", _COUNT),
        seed=config.take("seed", _INT),
        presence_penalty=config.take("presencePenalty", _AMOUNT),
        frequency_penalty=config.take("frequencyPenalty", _AMOUNT),
        stop=tuple(stop or ()),
        choices=config.take("candidateCount", _COUNT),
        logprobs=config.take("responseLogprobs", _BOOL),
        top_logprobs=config.take("logprobs", _COUNT),
        dialect=wire.NAME,
    )
    return request, config.extras()


def _format(config: Fields) -> Format | None:
    kind = config.take("responseMimeType", _STR)
    schema = config.take("responseJsonSchema", _OBJECT)
    if schema is None:
        own = config.take("responseSchema", _OBJECT)
        schema = from_openapi(own) if own is not None else None
    if schema is not None:
        return Format("schema", schema=schema)
    if kind is None:
        return None
    return Format("json" if kind == "application/json" else "text")


def _thinking(told: wire.Thinking | None) -> Thinking | None:
    if told is None:
        return None
    budget = told.thinking_budget
    enabled = True if told.include_thoughts else None
    if budget == 0:
        enabled, budget = False, None
    elif budget is not None and budget < 0:
        enabled, budget = True, None
    summary = "omitted" if told.include_thoughts is False else None
    return Thinking(enabled, told.thinking_level.lower() if told.thinking_level else None, budget, summary)
