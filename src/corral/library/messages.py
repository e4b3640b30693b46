"""What may be given as messages and tools, and what is made of it."""

from __future__ import annotations

import base64
import inspect
import mimetypes
import os
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from corral.dialects.form import Image, Message, Text, Tool, ToolCall, ToolResult, text_message
from corral.dialects.registry import DIALECTS
from corral.kit.errors import InvalidRequest

Messages = str | Message | Sequence[Message | Mapping[str, Any]]
"""A question, one message, or a conversation: `Message`s, or mappings as OpenAI's chat has them."""
ToolLike = Tool | Mapping[str, Any] | Callable[..., Any]
"""A tool, a mapping with `name`, `description` and `parameters` (a JSON schema), or a function whose signature says the same."""


def messages_of(given: Messages, system: str | None = None) -> tuple[Message, ...]:
    """The messages that are meant. Raises InvalidRequest."""
    if isinstance(given, str):
        found = [text_message("user", given)]
    elif isinstance(given, Message):
        found = [given]
    else:
        found = [one for each in given for one in _message(each)]
    if not found:
        raise InvalidRequest("messages: there are none.", param="messages")
    return (*([text_message("system", system)] if system is not None else []), *found)


def _message(given: Message | Mapping[str, Any]) -> Iterable[Message]:
    if isinstance(given, Message):
        return (given,)
    if not isinstance(given, Mapping):
        raise InvalidRequest(
            f"messages: {type(given).__name__} is no message; give corral.Message or a mapping with role and content.",
            param="messages",
        )
    try:
        body = msgspec.json.encode({"model": "", "messages": [given]})
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"messages: {error}", param="messages") from None
    return DIALECTS["openai_chat"].read_request(body).messages


def image(source: str | bytes | os.PathLike[str], media_type: str | None = None) -> Image:
    """An image for a message: a URL, a file, or the bytes of one with their `media_type`. Raises InvalidRequest, and OSError for a file."""
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        return Image(url=source)
    if isinstance(source, bytes):
        data, kind = source, media_type
    else:
        data, kind = Path(source).read_bytes(), media_type or mimetypes.guess_type(str(source))[0]
    if kind is None:
        raise InvalidRequest("media_type: is needed, such as image/png.", param="media_type")
    return Image(kind, base64.b64encode(data).decode())


def tool_result(call: ToolCall, content: str | Sequence[Text | Image], *, failed: bool = False) -> Message:
    """The message that tells what a tool answered to `call`; it goes behind the answer's `message`."""
    parts = (Text(content),) if isinstance(content, str) else tuple(content)
    return Message("tool", (ToolResult(call.id, parts, failed),))


def tool_of(given: ToolLike) -> Tool:
    """The tool that is meant. Raises InvalidRequest."""
    if isinstance(given, Tool):
        return given
    if isinstance(given, Mapping):
        inner = given.get("function", given)
        if not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str):
            raise InvalidRequest("tools: a tool needs a name.", param="tools")
        schema = inner.get("parameters", inner.get("input_schema"))
        return Tool(inner["name"], inner.get("description"), schema, inner.get("strict"))
    if callable(given):
        return _of_function(given)
    raise InvalidRequest(f"tools: {type(given).__name__} is neither a function, a schema nor a Tool.", param="tools")


def _of_function(function: Callable[..., Any]) -> Tool:
    """The name, the documentation and the parameters of a function."""
    import pydantic

    name = getattr(function, "__name__", "")
    if not name.isidentifier():
        raise InvalidRequest("tools: a function needs a name; give a corral.Tool instead.", param="tools")
    hints = typing.get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for one in inspect.signature(function).parameters.values():
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD, one.POSITIONAL_ONLY):
            raise InvalidRequest(
                f"tools: {name} has the parameter {one.name}, which no schema can tell.", param="tools"
            )
        fields[one.name] = (hints.get(one.name, Any), ... if one.default is one.empty else one.default)
    try:
        made: type[pydantic.BaseModel] = pydantic.create_model(name, **fields)
        schema = made.model_json_schema()
    except (pydantic.errors.PydanticUserError, TypeError) as error:
        raise InvalidRequest(f"tools: the parameters of {name} have no schema: {error}"[:500], param="tools") from None
    schema.pop("title", None)
    return Tool(name, inspect.getdoc(function), schema)
