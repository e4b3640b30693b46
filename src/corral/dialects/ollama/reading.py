"""Requests of Ollama's /api/chat and /api/generate, read into our form."""

from __future__ import annotations

from typing import Any

import msgspec

from corral.dialects.fields import Fields, raw_object
from corral.dialects.form import (
    ChatRequest,
    Format,
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from corral.dialects.ollama import wire
from corral.dialects.pairing import Pairing
from corral.kit.errors import InvalidRequest

_STR = msgspec.json.Decoder(str)
_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_BOOL = msgspec.json.Decoder(bool)
_INT = msgspec.json.Decoder(int)
_COUNT = msgspec.json.Decoder(wire.Count)
_AMOUNT = msgspec.json.Decoder(wire.Amount)
_STRINGS = msgspec.json.Decoder(list[str])
_STOP = msgspec.json.Decoder(str | list[str])
_OBJECT = msgspec.json.Decoder(wire.Json)
_OBJECTS = msgspec.json.Decoder(list[wire.Json])
_MESSAGES = msgspec.json.Decoder(list[wire.Message])
_FORMAT = msgspec.json.Decoder(str | wire.Json)
_THINK = msgspec.json.Decoder(bool | str)


def read_chat(body: bytes) -> ChatRequest:
    """A chat; without messages it asks for the model to be loaded. Raises InvalidRequest naming the field at fault."""
    fields = Fields(body)
    messages: list[Message] = []
    sent: list[wire.Message] | None = fields.take("messages", _MESSAGES)
    calls = Pairing()
    for index, message in enumerate(sent or ()):
        messages.append(_message(message, f"messages[{index}]", calls))
    listed: list[wire.Json] | None = fields.take("tools", _OBJECTS)
    tools = tuple(_tool(tool, f"tools[{index}]") for index, tool in enumerate(listed or ()))
    return _request(fields, messages, wire.CHAT, tools)


def read_generate(body: bytes) -> ChatRequest:
    """A prompt; without one it asks for the model to be loaded. Raises InvalidRequest naming the field at fault."""
    fields = Fields(body)
    for name in ("suffix", "raw", "template"):
        # These go round the chat template that every other way to a model goes through.
        if fields.take(name, _ANY):
            raise InvalidRequest(f"{name} is not taken here; /v1/completions and /infill are.", param=name)
    system = fields.take("system", _STR)
    prompt = fields.take("prompt", _STR)
    images: list[str] | None = fields.take("images", _STRINGS)
    messages = [Message("system", (Text(system),))] if system else []
    parts: list[Part] = [Text(prompt)] if prompt else []
    parts.extend(Image(wire.image_kind(data), data) for data in images or ())
    if parts:
        messages.append(Message("user", tuple(parts)))
    else:
        messages = []
    return _request(fields, messages, wire.GENERATE, ())


def _request(fields: Fields, messages: list[Message], dialect: str, tools: tuple[Tool, ...]) -> ChatRequest:
    model = fields.need("model", _STR)
    stream = fields.take("stream", _BOOL)
    options = Fields(msgspec.json.encode(fields.take("options", _OBJECT) or {}), "options")
    stop: str | list[str] | None = options.take("stop", _STOP)
    max_tokens = options.take("num_predict", _COUNT)
    last = messages[-1] if messages else None
    request = ChatRequest(
        model=model,
        messages=tuple(messages),
        continues=last is not None and last.role == "assistant" and not _calls(last),
        stream=stream is not False,
        include_usage=True,
        tools=tools,
        format=_format(fields),
        thinking=_thinking(fields),
        # Below zero means: as long as it takes.
        max_tokens=max_tokens if max_tokens is not None and max_tokens >= 0 else None,
        temperature=options.take("temperature", _AMOUNT),
        top_p=options.take("top_p", _AMOUNT),
        top_k=options.take("top_k", _COUNT),
        min_p=options.take("min_p", _AMOUNT),
        seed=options.take("seed", _INT),
        presence_penalty=options.take("presence_penalty", _AMOUNT),
        frequency_penalty=options.take("frequency_penalty", _AMOUNT),
        repeat_penalty=options.take("repeat_penalty", _AMOUNT),
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        logprobs=fields.take("logprobs", _BOOL),
        top_logprobs=fields.take("top_logprobs", _COUNT),
        dialect=dialect,
    )
    extras, rest = fields.extras(), options.extras()
    if rest:
        extras["options"] = rest
    return msgspec.structs.replace(request, extras=extras)


def _calls(message: Message) -> bool:
    return any(isinstance(part, ToolCall) for part in message.parts)


def _message(message: wire.Message, where: str, calls: Pairing) -> Message:
    if message.role == "tool":
        identity = calls.answer(message.tool_call_id, message.tool_name)
        parts = _content(message)
        return Message("tool", (ToolResult(identity, tuple(part for part in parts if isinstance(part, Text | Image))),))
    if message.role not in ("system", "user", "assistant"):
        place = f"{where}.role"
        raise InvalidRequest(f"{place}: a role of {message.role[:60]!r} is not known here.", param=place)
    found: list[Part] = [Reasoning(message.thinking)] if message.thinking else []
    found.extend(_content(message))
    for index, call in enumerate(message.tool_calls or ()):
        arguments = raw_object(call.function.arguments, f"{where}.tool_calls[{index}].function.arguments")
        name = call.function.name
        found.append(ToolCall(calls.call(call.id, name), name, arguments))
    role = message.role
    return Message("system" if role == "system" else "user" if role == "user" else "assistant", tuple(found))


def _content(message: wire.Message) -> list[Part]:
    found: list[Part] = [Text(message.content)] if message.content else []
    found.extend(Image(wire.image_kind(data), data) for data in message.images or ())
    return found


def _tool(tool: wire.Json, where: str) -> Tool:
    function = tool.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise InvalidRequest(f"{where}.function.name: expected a string.", param=f"{where}.function.name")
    description, schema = function.get("description"), function.get("parameters")
    return Tool(
        function["name"],
        description if isinstance(description, str) else None,
        schema if isinstance(schema, dict) else None,
    )


def _format(fields: Fields) -> Format | None:
    told: str | wire.Json | None = fields.take("format", _FORMAT)
    if not told:
        return None
    if isinstance(told, dict):
        return Format("schema", schema=told)
    if told != "json":
        raise InvalidRequest(f"format: {told[:60]!r} is neither json nor a schema.", param="format")
    return Format("json")


def _thinking(fields: Fields) -> Thinking | None:
    told: bool | str | None = fields.take("think", _THINK)
    if told is None:
        return None
    return Thinking(enabled=told) if isinstance(told, bool) else Thinking(effort=told)
