"""A request of Anthropic's Messages API, read into our form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from corral.dialects.anthropic import wire
from corral.dialects.fields import Fields, decode, raw_object
from corral.dialects.form import (
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
from corral.kit.errors import InvalidRequest

_STR = msgspec.json.Decoder(str)
_BOOL = msgspec.json.Decoder(bool)
_TOKENS = msgspec.json.Decoder(wire.Tokens)
_SHARE = msgspec.json.Decoder(wire.Share)
_STRINGS = msgspec.json.Decoder(list[str])
_OBJECT = msgspec.json.Decoder(wire.Json)
_OBJECTS = msgspec.json.Decoder(list[wire.Json])
_CONTENT = msgspec.json.Decoder(str | list[wire.Block])
_MESSAGES = msgspec.json.Decoder(list[wire.Message])
_SOURCE = msgspec.json.Decoder(wire.Source)
_CHOICE = msgspec.json.Decoder(wire.Choice)
_THINKING = msgspec.json.Decoder(wire.Thinking)


def read_request(body: bytes) -> ChatRequest:
    """Raises InvalidRequest naming the field at fault. Also reads the body of a token count, which has no max_tokens."""
    fields = Fields(body)
    model = fields.need("model", _STR)
    messages = _system(fields)
    sent: list[wire.Message] = fields.need("messages", _MESSAGES)
    for index, message in enumerate(sent):
        messages.extend(_message(message, f"messages[{index}].content"))
    if not messages:
        raise InvalidRequest("messages is empty.", param="messages")
    stream = fields.take("stream", _BOOL) or False
    stop: list[str] | None = fields.take("stop_sequences", _STRINGS)
    tools, own_tools = _tools(fields.take("tools", _OBJECTS) or [])
    choice, parallel = _choice(fields.take("tool_choice", _CHOICE))
    thinking, shape, output = _output(fields)
    user, metadata = _metadata(fields.take("metadata", _OBJECT))
    request = ChatRequest(
        model=model,
        messages=tuple(messages),
        continues=_continues(messages[-1]),
        stream=stream,
        include_usage=stream,
        tools=tools,
        tool_choice=choice,
        parallel_tools=parallel,
        format=shape,
        thinking=thinking,
        max_tokens=fields.take("max_tokens", _TOKENS),
        temperature=fields.take("temperature", _SHARE),
        top_p=fields.take("top_p", _SHARE),
        top_k=fields.take("top_k", _TOKENS),
        stop=tuple(stop or ()),
        user=user,
        dialect=wire.NAME,
    )
    extras = fields.extras()
    for name, rest in (("tools", own_tools), ("output_config", output), ("metadata", metadata)):
        if rest:
            extras[name] = rest
    return msgspec.structs.replace(request, extras=extras)


def _continues(last: Message) -> bool:
    return last.role == "assistant" and not any(isinstance(part, ToolCall) for part in last.parts)


def _system(fields: Fields) -> list[Message]:
    content = fields.take("system", _CONTENT)
    if not content:
        return []
    return _message_of("system", content, "system")


def _message(message: wire.Message, where: str) -> list[Message]:
    return _message_of(message.role, message.content, where)


def _message_of(role: Role, content: str | list[wire.Block], where: str) -> list[Message]:
    """Usually one message; results of tools, which the API has in the user's message, are one of their own."""
    if isinstance(content, str):
        return [Message(role, (Text(content),))]
    found: list[tuple[Role, list[Part]]] = []
    for index, block in enumerate(content):
        part = read_part(block, f"{where}[{index}]")
        if part is None:
            continue
        whose: Role = "tool" if isinstance(part, ToolResult) else role
        if not found or found[-1][0] != whose:
            found.append((whose, []))
        found[-1][1].append(part)
    return [Message(whose, tuple(parts)) for whose, parts in found]


def read_part(block: wire.Block, where: str) -> Part | None:
    """A content block as a part; None for traces of tools that the provider ran itself. Raises InvalidRequest."""
    read = _PARTS.get(block.type)
    if read is not None:
        return read(block, where)
    if wire.server_side(block.type):
        return None
    raise InvalidRequest(f"{where}.type: a block of type {block.type[:60]!r} is not known here.", param=f"{where}.type")


def _need(value: str | None, where: str, name: str) -> str:
    if value is None:
        raise InvalidRequest(f"{where}.{name} is missing.", param=f"{where}.{name}")
    return value


def _text(block: wire.Block, where: str) -> Part:
    return Text(_need(block.text, where, "text"), block.cache_control)


def _source(block: wire.Block, where: str) -> wire.Source:
    if not bytes(block.source):
        raise InvalidRequest(f"{where}.source is missing.", param=f"{where}.source")
    source = decode(_SOURCE, block.source, f"{where}.source")
    wanted = {"base64": "data", "text": "data", "url": "url", "file": "file_id", "content": "content"}.get(source.type)
    if wanted is None:
        place = f"{where}.source.type"
        raise InvalidRequest(f"{place}: a source of type {source.type[:60]!r} is not known here.", param=place)
    if getattr(source, wanted) is None:
        raise InvalidRequest(f"{where}.source.{wanted} is missing.", param=f"{where}.source.{wanted}")
    return source


def _image(block: wire.Block, where: str) -> Part:
    source = _source(block, where)
    return Image(source.media_type, source.data, source.url, cache=block.cache_control, id=source.file_id)


def _document(block: wire.Block, where: str) -> Part:
    source = _source(block, where)
    text = source.data if source.type == "text" else None
    if source.type == "content":
        text = _joined(source.content or "", f"{where}.source.content")
    return Document(
        name=block.title,
        media_type=source.media_type if source.type == "base64" else None,
        data=source.data if source.type == "base64" else None,
        url=source.url,
        text=text,
        id=source.file_id,
        cache=block.cache_control,
    )


def _joined(content: str | list[wire.Block], where: str) -> str:
    if isinstance(content, str):
        return content
    return "\n\n".join(_need(block.text, f"{where}[{index}]", "text") for index, block in enumerate(content))


def _search_result(block: wire.Block, where: str) -> Part:
    """A result of the client's own search: to everybody else a document with a name and a place."""
    content = decode(_CONTENT, block.content, f"{where}.content") if bytes(block.content) else ""
    return Document(name=block.title, text=_joined(content, f"{where}.content"), cache=block.cache_control)


def _thinking(block: wire.Block, where: str) -> Part:
    return Reasoning(_need(block.thinking, where, "thinking"), block.signature or None)


def _redacted(block: wire.Block, where: str) -> Part:
    return Reasoning(redacted=_need(block.data, where, "data"))


def _tool_use(block: wire.Block, where: str) -> Part:
    arguments = raw_object(block.input, f"{where}.input")
    return ToolCall(
        _need(block.id, where, "id"), _need(block.name, where, "name"), arguments, cache=block.cache_control
    )


def _tool_result(block: wire.Block, where: str) -> Part:
    parts: list[Text | Image | Document] = []
    raw = bytes(block.content)
    if raw and raw != b"null":
        content = decode(_CONTENT, block.content, f"{where}.content")
        if isinstance(content, str):
            parts.append(Text(content))
        else:
            for index, inner in enumerate(content):
                part = read_part(inner, f"{where}.content[{index}]")
                if isinstance(part, Text | Image | Document):
                    parts.append(part)
    return ToolResult(
        _need(block.tool_use_id, where, "tool_use_id"), tuple(parts), block.is_error or False, block.cache_control
    )


_PARTS: Mapping[str, Callable[[wire.Block, str], Part]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}


def _tools(found: list[wire.Json]) -> tuple[tuple[Tool, ...], list[wire.Json]]:
    """The client's tools, and those that only this provider knows, as they are."""
    tools, own = [], []
    for index, tool in enumerate(found):
        if tool.get("type", "custom") not in ("custom", None):
            own.append(tool)
            continue
        place = f"tools[{index}]"
        name, schema = tool.get("name"), tool.get("input_schema")
        if not isinstance(name, str):
            raise InvalidRequest(f"{place}.name: expected a string.", param=f"{place}.name")
        if schema is not None and not isinstance(schema, dict):
            raise InvalidRequest(f"{place}.input_schema: expected an object.", param=f"{place}.input_schema")
        description, strict, cache = tool.get("description"), tool.get("strict"), tool.get("cache_control")
        tools.append(
            Tool(
                name,
                description if isinstance(description, str) else None,
                schema,
                strict if isinstance(strict, bool) else None,
                cache if isinstance(cache, dict) else None,
            )
        )
    return tuple(tools), own


def _choice(choice: wire.Choice | None) -> tuple[ToolChoice | None, bool | None]:
    if choice is None:
        return None, None
    parallel = None if choice.disable_parallel_tool_use is None else not choice.disable_parallel_tool_use
    if choice.type == "tool":
        return ToolChoice("tool", _need(choice.name, "tool_choice", "name")), parallel
    return ToolChoice("required" if choice.type == "any" else choice.type), parallel


def _output(fields: Fields) -> tuple[Thinking | None, Format | None, wire.Json]:
    """How much to think, the form of the answer, and what else stands in `output_config`."""
    thinking = fields.take("thinking", _THINKING)
    output = fields.take("output_config", _OBJECT) or {}
    effort = output.pop("effort", None)
    if effort is not None and not isinstance(effort, str):
        raise InvalidRequest("output_config.effort: expected a string.", param="output_config.effort")
    place = "output_config.format"
    shape = output.pop("format", None)
    if shape is None:
        # The name that the field had in its beta.
        place, shape = "output_format", fields.take("output_format", _OBJECT)
    found = None
    if shape is not None:
        schema = shape.get("schema") if isinstance(shape, dict) else None
        if not isinstance(schema, dict):
            raise InvalidRequest(f"{place}.schema: expected an object.", param=f"{place}.schema")
        found = Format("schema", schema=schema)
    if thinking is None and effort is None:
        return None, found, output
    enabled = None if thinking is None else thinking.type != "disabled"
    budget = thinking.budget_tokens if thinking else None
    return Thinking(enabled, effort, budget, thinking.display if thinking else None), found, output


def _metadata(metadata: wire.Json | None) -> tuple[str | None, dict[str, Any]]:
    if metadata is None:
        return None, {}
    user = metadata.pop("user_id", None)
    if user is not None and not isinstance(user, str):
        raise InvalidRequest("metadata.user_id: expected a string.", param="metadata.user_id")
    return user, metadata
