"""A client's request into Corral's form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from corral.dialects import data_urls
from corral.dialects.decoding import extras_of, field_of, read_body
from corral.dialects.fields import decode
from corral.dialects.form import (
    Audio,
    ChatRequest,
    Document,
    Format,
    Image,
    Message,
    Part,
    Refusal,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from corral.dialects.openai_chat.requests import is_begun
from corral.dialects.openai_responses import wire
from corral.dialects.openai_responses.proofs import read_proof
from corral.kit.errors import InvalidRequest

NAME = "openai_responses"
BETWEEN = "\n\n"
"""What stands between two parts of a summary of thinking."""
LOGPROBS = "message.output_text.logprobs"

_REQUEST = msgspec.json.Decoder(wire.Request)
_KIND = msgspec.json.Decoder(wire.Kind)
_MESSAGE = msgspec.json.Decoder(wire.MessageItem)
_CALL = msgspec.json.Decoder(wire.CallItem)
_CUSTOM = msgspec.json.Decoder(wire.CustomCallItem)
_RESULT = msgspec.json.Decoder(wire.ResultItem)
_REASONING = msgspec.json.Decoder(wire.ReasoningItem)
_ROLES: dict[str, Role] = {"system": "system", "developer": "developer", "user": "user", "assistant": "assistant"}


def read_request(body: bytes) -> ChatRequest:
    """Raises InvalidRequest naming the field at fault; also for what needs answers of the past, which nobody keeps here."""
    asked = read_body(_REQUEST, body)
    _refuse_state(asked)
    extras = extras_of(body, wire.KNOWN)
    messages = tuple(_messages(asked))
    if not messages:
        raise InvalidRequest("input: has no message.", param="input")
    last = messages[-1]
    max_tokens = asked.max_output_tokens
    if asked.include is not None:
        extras["include"] = asked.include
    return ChatRequest(
        model=asked.model,
        messages=messages,
        continues=is_begun(last),
        stream=bool(asked.stream),
        include_usage=True,
        tools=_tools(asked, body, extras),
        tool_choice=_tool_choice(asked.tool_choice, extras),
        parallel_tools=asked.parallel_tool_calls,
        format=_format(asked.text, extras),
        thinking=_thinking(asked.reasoning, extras),
        max_tokens=max_tokens if max_tokens is None or max_tokens >= 0 else None,
        temperature=asked.temperature,
        top_p=asked.top_p,
        logprobs=True if LOGPROBS in (asked.include or ()) else None,
        top_logprobs=asked.top_logprobs,
        user=asked.user,
        metadata=asked.metadata,
        dialect=NAME,
        extras=extras,
    )


def _refuse_state(asked: wire.Request) -> None:
    for field in ("previous_response_id", "conversation", "prompt"):
        if getattr(asked, field) is not None:
            raise InvalidRequest(
                f"{field}: answers and prompts are not kept here; send the whole conversation as input.", param=field
            )
    if asked.background:
        raise InvalidRequest("background: an answer is given while its client waits.", param="background")


def _messages(asked: wire.Request) -> Iterator[Message]:
    """The messages; items of the assistant that follow each other are one message."""
    if asked.instructions:
        yield Message("system", (Text(asked.instructions),))
    if isinstance(asked.input, str):
        yield Message("user", (Text(asked.input),))
        return
    said: list[Part] = []
    for index, raw in enumerate(asked.input):
        for role, parts in _item(raw, f"input[{index}]"):
            if role == "assistant":
                said += parts
                continue
            if said:
                yield Message("assistant", tuple(said))
                said = []
            yield Message(role, tuple(parts))
    if said:
        yield Message("assistant", tuple(said))


def _item(raw: msgspec.Raw, where: str) -> Iterator[tuple[Role, list[Part]]]:
    """Whose item it is and what it says. Kinds that are not known here say nothing."""
    kind = decode(_KIND, raw, where).type
    if kind == "message":
        message = decode(_MESSAGE, raw, where)
        role = _ROLES.get(message.role)
        if role is None:
            raise InvalidRequest(f"{where}.role: must be user, assistant, system or developer.", param=f"{where}.role")
        yield role, list(read_parts(message.content, where))
    elif kind == "function_call":
        call = decode(_CALL, raw, where)
        yield "assistant", [ToolCall(call.call_id, call.name, call.arguments)]
    elif kind == "custom_tool_call":
        custom = decode(_CUSTOM, raw, where)
        yield (
            "assistant",
            [ToolCall(custom.call_id, custom.name, msgspec.json.encode({"input": custom.input}).decode())],
        )
    elif kind in ("function_call_output", "custom_tool_call_output"):
        yield "tool", [_result(decode(_RESULT, raw, where), where)]
    elif kind == "reasoning":
        told = decode(_REASONING, raw, where)
        text = thought_text(told)
        if text or told.encrypted_content is not None:
            yield "assistant", [read_proof(text, told.encrypted_content, told.id)]
    elif kind == "item_reference":
        raise InvalidRequest(f"{where}: items of the past are not kept here; send the item itself.", param=where)


def thought_text(told: wire.ReasoningItem) -> str:
    """The thinking of an item: its summary, or else the thinking itself."""
    if told.summary:
        return BETWEEN.join(one.text for one in told.summary)
    return "".join(one.text for one in told.content or ())


def _result(told: wire.ResultItem, where: str) -> ToolResult:
    parts = []
    for part in read_parts(told.output, where):
        if not isinstance(part, Text | Image | Document):
            raise InvalidRequest(f"{where}.output: a tool's result is text, images or files.", param=f"{where}.output")
        parts.append(part)
    return ToolResult(told.call_id, tuple(parts))


def read_parts(content: str | list[wire.Part] | None, where: str) -> Iterator[Part]:
    """The parts of a message. Raises InvalidRequest for an image or file that is nowhere."""
    if isinstance(content, str):
        if content:
            yield Text(content)
        return
    for index, part in enumerate(content or ()):
        if isinstance(part, wire.InputImage):
            yield _image(part, f"{where}.content[{index}]")
        elif isinstance(part, wire.InputFile):
            yield _file(part, f"{where}.content[{index}]")
        elif isinstance(part, wire.InputAudio):
            yield Audio(part.input_audio.format, part.input_audio.data)
        elif isinstance(part, wire.RefusalPart):
            if part.refusal:
                yield Refusal(part.refusal)
        elif part.text:
            yield Text(part.text)


def _image(part: wire.InputImage, where: str) -> Image:
    if part.image_url is None and part.file_id is None:
        raise InvalidRequest(f"{where}: needs image_url or file_id.", param=where)
    inside = data_urls.split(part.image_url or "")
    if inside is not None:
        return Image(inside[0], inside[1], detail=part.detail)
    return Image(url=part.image_url, detail=part.detail, id=part.file_id)


def _file(part: wire.InputFile, where: str) -> Document:
    if part.file_data is not None:
        inside = data_urls.split(part.file_data)
        media_type, data = inside if inside is not None else (None, part.file_data)
        return Document(part.filename, media_type, data)
    if part.file_url is None and part.file_id is None:
        raise InvalidRequest(f"{where}: needs file_data, file_url or file_id.", param=where)
    return Document(part.filename, url=part.file_url, id=part.file_id)


def _tools(asked: wire.Request, body: bytes, extras: dict[str, Any]) -> tuple[Tool, ...]:
    """The functions; tools of other kinds are the provider's own and stay in the extras."""
    tools, others = [], []
    for index, tool in enumerate(asked.tools or ()):
        if tool.type != "function":
            others.append(index)
        elif tool.name is not None:
            tools.append(Tool(tool.name, tool.description, tool.parameters, tool.strict))
        else:
            raise InvalidRequest(f"tools[{index}].name: is missing.", param=f"tools[{index}].name")
    if others:
        told = field_of(body, "tools")
        extras["tools"] = [told[index] for index in others]
    return tuple(tools)


def _tool_choice(choice: str | dict[str, Any] | None, extras: dict[str, Any]) -> ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        known: dict[str, Literal["auto", "none", "required"]] = {"auto": "auto", "none": "none", "required": "required"}
        if choice not in known:
            raise InvalidRequest("tool_choice: must be auto, none, required or a function.", param="tool_choice")
        return ToolChoice(known[choice])
    name = choice.get("name")
    if choice.get("type") == "function" and isinstance(name, str):
        return ToolChoice("tool", name)
    extras["tool_choice"] = choice
    mode = choice.get("mode")
    return ToolChoice(mode) if mode in ("auto", "required") else None


def _format(text: dict[str, Any] | None, extras: dict[str, Any]) -> Format | None:
    others = {name: value for name, value in (text or {}).items() if name != "format"}
    if others:
        extras["text"] = others
    told = (text or {}).get("format")
    if told is None:
        return None
    kind = told.get("type") if isinstance(told, dict) else None
    if kind == "text":
        return Format("text")
    if kind == "json_object":
        return Format("json")
    if kind != "json_schema":
        raise InvalidRequest("text.format.type: must be text, json_object or json_schema.", param="text.format.type")
    try:
        schema = msgspec.convert(told, _Schema)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"text.format: {error}.", param="text.format") from None
    return Format("schema", schema.name, schema.schema, schema.strict, schema.description)


class _Schema(msgspec.Struct):
    name: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


def _thinking(told: dict[str, Any] | None, extras: dict[str, Any]) -> Thinking | None:
    if not told:
        return None
    others = {name: value for name, value in told.items() if name not in ("effort", "summary")}
    if others:
        extras["reasoning"] = others
    effort, summary = told.get("effort"), told.get("summary")
    for name, value in (("effort", effort), ("summary", summary)):
        if value is not None and not isinstance(value, str):
            raise InvalidRequest(f"reasoning.{name}: must be a text.", param=f"reasoning.{name}")
    return Thinking(effort=effort, summary=summary) if effort is not None or summary is not None else None
