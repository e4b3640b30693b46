"""A client's request into Corral's form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from corral.dialects import data_urls
from corral.dialects.decoding import extras_of, field_of, invalid, read_body
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
    ToolChoice,
    ToolResult,
)
from corral.dialects.openai_chat import wire
from corral.dialects.openai_chat.reasoning import from_details
from corral.kit.errors import InvalidRequest

NAME = "openai_chat"

_DECODER = msgspec.json.Decoder(wire.Request)
_LOOSE = msgspec.json.Decoder(dict[str, Any])


def read_request(body: bytes) -> ChatRequest:
    """Raises InvalidRequest naming the field at fault."""
    try:
        asked = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _why_not(body) from None
    extras = extras_of(body, wire.KNOWN)
    tools = _tools(asked, body, extras)
    messages = tuple(_messages(asked.messages))
    max_tokens = asked.max_completion_tokens if asked.max_completion_tokens is not None else asked.max_tokens
    return ChatRequest(
        model=asked.model,
        messages=messages,
        continues=is_begun(messages[-1]),
        stream=bool(asked.stream),
        include_usage=asked.stream_options is not None and bool(asked.stream_options.include_usage),
        tools=tools,
        tool_choice=_tool_choice(asked, extras),
        parallel_tools=asked.parallel_tool_calls,
        format=_format(asked.response_format, extras),
        thinking=_thinking(asked, extras),
        max_tokens=max_tokens if max_tokens is None or max_tokens >= 0 else None,
        temperature=asked.temperature,
        top_p=asked.top_p,
        top_k=asked.top_k,
        min_p=asked.min_p,
        seed=asked.seed,
        presence_penalty=asked.presence_penalty,
        frequency_penalty=asked.frequency_penalty,
        repeat_penalty=asked.repeat_penalty if asked.repeat_penalty is not None else asked.repetition_penalty,
        stop=(asked.stop,) if isinstance(asked.stop, str) else tuple(asked.stop or ()),
        choices=asked.n,
        logprobs=asked.logprobs,
        top_logprobs=asked.top_logprobs,
        logit_bias=asked.logit_bias,
        user=asked.user,
        metadata=asked.metadata,
        dialect=NAME,
        extras=extras,
    )


def is_begun(last: Message) -> bool:
    """Whether the last message is the beginning of the answer, to be gone on with."""
    if last.role != "assistant" or not last.parts:
        return False
    return isinstance(last.parts[-1], Text)


def _why_not(body: bytes) -> InvalidRequest:
    """The reason why `body` cannot be read; names the message at fault by its number."""
    fields = read_body(_LOOSE, body)
    messages = fields.get("messages")
    for index, message in enumerate(messages if isinstance(messages, list) else ()):
        try:
            msgspec.convert(message, wire.Message)
        except msgspec.ValidationError as error:
            found = invalid(error)
            field = f"messages[{index}].{found.param}" if found.param else f"messages[{index}]"
            return InvalidRequest(f"{field}: {found.message.partition(': ')[2]}", param=field)
    try:
        read_body(_DECODER, body)
    except InvalidRequest as error:
        return error
    return InvalidRequest("The body cannot be read.")


def _messages(messages: list[wire.Message]) -> Iterator[Message]:
    called: dict[str, str] = {}
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if message.role == "assistant":
            yield Message("assistant", _assistant(message, where, called, index), message.name)
        elif message.role == "tool":
            if message.tool_call_id is None:
                raise InvalidRequest(f"{where}.tool_call_id: is missing.", param=f"{where}.tool_call_id")
            yield Message("tool", (_result(message, message.tool_call_id, where),), message.name)
        elif message.role == "function":
            # The form before `tool_calls`: an answer names the function, not the call.
            call_id = called.get(message.name or "", f"call_{message.name}")
            yield Message("tool", (_result(message, call_id, where),))
        else:
            yield Message(message.role, tuple(_parts(message.content, where)), message.name)


def _parts(content: str | list[wire.Part] | None, where: str) -> Iterator[Part]:
    if isinstance(content, str):
        if content:
            yield Text(content)
        return
    for index, part in enumerate(content or ()):
        if isinstance(part, wire.TextPart):
            if part.text:
                yield Text(part.text, part.cache_control)
        elif isinstance(part, wire.ImagePart):
            yield _image(part)
        elif isinstance(part, wire.AudioPart):
            yield Audio(part.input_audio.format, part.input_audio.data)
        elif isinstance(part, wire.FilePart):
            yield _file(part, f"{where}.content[{index}]")
        elif part.refusal:
            yield Refusal(part.refusal)


def _image(part: wire.ImagePart) -> Image:
    url = part.image_url if isinstance(part.image_url, str) else part.image_url.url
    detail = None if isinstance(part.image_url, str) else part.image_url.detail
    inside = data_urls.split(url)
    if inside is None:
        return Image(url=url, detail=detail, cache=part.cache_control)
    return Image(inside[0], inside[1], detail=detail, cache=part.cache_control)


def _file(part: wire.FilePart, where: str) -> Document:
    file = part.file
    if file.file_id is not None:
        return Document(file.filename, id=file.file_id, cache=part.cache_control)
    if file.file_data is None:
        raise InvalidRequest(f"{where}.file: needs file_data or file_id.", param=f"{where}.file")
    inside = data_urls.split(file.file_data)
    media_type, data = inside if inside is not None else (None, file.file_data)
    return Document(file.filename, media_type, data, cache=part.cache_control)


def _assistant(message: wire.Message, where: str, called: dict[str, str], index: int) -> tuple[Part, ...]:
    parts: list[Part] = list(from_details(message.reasoning_details))
    text = message.reasoning_content or message.reasoning
    if text and not parts:
        parts.append(Reasoning(text))
    parts += _parts(message.content, where)
    if message.refusal:
        parts.append(Refusal(message.refusal))
    for number, call in enumerate(message.tool_calls or ()):
        if call.function is None or call.id is None:
            field = f"{where}.tool_calls[{number}].{'function' if call.function is None else 'id'}"
            raise InvalidRequest(f"{field}: is missing.", param=field)
        called[call.function.name] = call.id
        arguments = _json_text(call.function.arguments)
        parts.append(ToolCall(call.id, call.function.name, arguments, signature_of(call.extra_content)))
    if message.function_call is not None:
        name = message.function_call.name
        called[name] = f"call_{index}_{name}"
        parts.append(ToolCall(called[name], name, _json_text(message.function_call.arguments)))
    return tuple(parts)


def signature_of(extra: Any) -> str | None:
    """Gemini's signature of a thought, where its own OpenAI-compatible service puts it."""
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return signature if isinstance(signature, str) else None


def _json_text(arguments: str | dict[str, Any]) -> str:
    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()


def _result(message: wire.Message, call_id: str, where: str) -> ToolResult:
    parts = []
    for part in _parts(message.content, where):
        if not isinstance(part, Text | Image | Document):
            raise InvalidRequest(
                f"{where}.content: a tool's result is text, images or files.", param=f"{where}.content"
            )
        parts.append(part)
    return ToolResult(call_id, tuple(parts))


def _tools(asked: wire.Request, body: bytes, extras: dict[str, Any]) -> tuple[Tool, ...]:
    if asked.functions:
        # Kept as it came too: a client that speaks the old form gets its answer in the old form.
        extras["functions"] = field_of(body, "functions")
    tools, others = [], []
    for index, tool in enumerate(asked.tools or ()):
        if tool.type != "function":
            others.append(index)
        elif tool.function is not None:
            tools.append(_tool(tool.function, tool.cache_control))
        else:
            raise InvalidRequest(f"tools[{index}].function: is missing.", param=f"tools[{index}].function")
    if others:
        # Tools that a provider runs itself.
        told = field_of(body, "tools")
        extras["tools"] = [told[index] for index in others]
    return tuple(tools or (_tool(one, None) for one in asked.functions or ()))


def _tool(function: wire.OfferedFunction, cache: dict[str, Any] | None) -> Tool:
    return Tool(function.name, function.description, function.parameters, function.strict, cache)


def _tool_choice(asked: wire.Request, extras: dict[str, Any]) -> ToolChoice | None:
    choice, field = (
        (asked.tool_choice, "tool_choice") if asked.tool_choice is not None else (asked.function_call, "function_call")
    )
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice == "any":
            return ToolChoice("required")
        if choice not in ("auto", "none", "required"):
            raise InvalidRequest(f"{field}: must be auto, none, required or a function.", param=field)
        return ToolChoice(choice)  # type: ignore[arg-type]
    function = choice.get("function", choice if field == "function_call" else None)
    if isinstance(function, dict) and isinstance(function.get("name"), str):
        return ToolChoice("tool", function["name"])
    extras[field] = choice
    allowed = choice.get("allowed_tools")
    mode = allowed.get("mode") if isinstance(allowed, dict) else None
    return ToolChoice(mode) if mode in ("auto", "required") else None


def _format(told: dict[str, Any] | None, extras: dict[str, Any]) -> Format | None:
    if told is None:
        return None
    kind = told.get("type")
    if kind == "text":
        return Format("text")
    if kind == "json_object":
        schema = told.get("schema")
        # llama.cpp takes a schema here too.
        return Format("schema", None, schema) if isinstance(schema, dict) else Format("json")
    schema = told.get("json_schema")
    if kind == "json_schema" and isinstance(schema, dict):
        if not isinstance(schema.get("schema", {}), dict):
            raise InvalidRequest(
                "response_format.json_schema.schema: must be an object.", param="response_format.json_schema.schema"
            )
        return Format(
            "schema", schema.get("name"), schema.get("schema"), schema.get("strict"), schema.get("description")
        )
    if kind == "json_schema" or not isinstance(kind, str):
        name = "json_schema" if kind == "json_schema" else "type"
        wrong = (
            "is missing" if told.get(name) is None else f"must be {'an object' if name == 'json_schema' else 'text'}"
        )
        raise InvalidRequest(f"response_format.{name}: {wrong}.", param=f"response_format.{name}")
    extras["response_format"] = told
    return None


def _thinking(asked: wire.Request, extras: dict[str, Any]) -> Thinking | None:
    if asked.reasoning is None:
        return Thinking(effort=asked.reasoning_effort) if asked.reasoning_effort is not None else None
    # OpenRouter's form; what it says more (`exclude`) stays with it.
    extras["reasoning"] = asked.reasoning
    try:
        told = msgspec.convert(asked.reasoning, wire.ReasoningOptions)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"reasoning: {invalid(error).message}", param="reasoning") from None
    return Thinking(told.enabled, told.effort or asked.reasoning_effort, told.max_tokens)
