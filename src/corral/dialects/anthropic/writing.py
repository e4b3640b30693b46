"""Our form, written as a request of Anthropic's Messages API.

What a client of this dialect asked for is said as it said it. What a client of another dialect asked for is fitted to the
API's rules: it refuses some combinations that others allow.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from corral.dialects.anthropic import wire
from corral.dialects.anthropic.models import thinks_by_itself, wants_budget
from corral.dialects.anthropic.schemas import fitting
from corral.dialects.fields import object_text
from corral.dialects.form import (
    Audio,
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
)
from corral.dialects.ports import Written
from corral.kit.errors import InvalidRequest

_ENCODE = msgspec.json.Encoder().encode
_ID = re.compile(r"[a-zA-Z0-9_-]{1,256}")
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 24576, "xhigh": 32768, "max": 32768}
_LEAST_BUDGET = 1024
_OTHERS = ("gemini:", "gAAAA")
"""How proofs of Gemini begin in our form, and those of OpenAI (Fernet tokens)."""
_EFFORTS = {"minimal": "low"}
_UNSAID = (
    "seed",
    "min_p",
    "presence_penalty",
    "frequency_penalty",
    "repeat_penalty",
    "logprobs",
    "top_logprobs",
    "logit_bias",
)
_HEADS = (("/9j/", "image/jpeg"), ("iVBOR", "image/png"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp"))


def write_request(request: ChatRequest, model: str) -> Written:
    """Raises InvalidRequest for sound, for images of the model's own, for several choices and where nothing is said."""
    if request.choices is not None and request.choices > 1:
        raise InvalidRequest("This provider gives one answer a request.", param="n")
    dropped = [name for name in _UNSAID if getattr(request, name) is not None]
    foreign = request.dialect != wire.NAME
    body: dict[str, Any] = dict(request.extras) if not foreign else {}
    own_tools = body.pop("tools", None) or []
    body["model"] = model
    body["max_tokens"] = request.max_tokens if request.max_tokens is not None else wire.DEFAULT_MAX_TOKENS
    body.update(_conversation(request, dropped))
    if request.stream:
        body["stream"] = True
    _tools(request, body, own_tools)
    _output(request, model, body, dropped)
    _sampling(request, body, dropped)
    if request.user is not None:
        body["metadata"] = {**(body.get("metadata") or {}), "user_id": request.user}
    if request.metadata:
        dropped.append("metadata")
    if foreign or "messages.reasoning" in dropped:
        _think_or_not(body, dropped)
    if foreign:
        _settle(request, body, dropped)
    return Written(_ENCODE(body), tuple(dict.fromkeys(dropped)))


def _conversation(request: ChatRequest, dropped: list[str]) -> dict[str, Any]:
    system: list[Part] = []
    messages: list[dict[str, Any]] = []
    after_tool = False
    for message in request.messages:
        if message.name is not None:
            dropped.append("messages.name")
        if message.role in ("system", "developer") and (request.dialect != wire.NAME or not messages):
            system.extend(message.parts)
            continue
        if not (blocks := _blocks(message, dropped)):
            continue
        role = message.role if message.role in ("assistant", "system") else "user"
        # Results must all be in the one message that follows the calls, and first in it.
        if after_tool and role == "user":
            messages[-1]["content"].extend(blocks)
        else:
            messages.append({"role": role, "content": blocks})
        after_tool = message.role == "tool"
    head = [block for part in system if (block := _block(part, "system", dropped)) is not None]
    if not messages and head:
        # The API wants a user's message; a prompt that is all instructions is one.
        messages, head = [{"role": "user", "content": head}], []
    if not messages:
        raise InvalidRequest(
            "The messages say nothing: this provider needs at least one with content.", param="messages"
        )
    for entry in messages:
        entry["content"] = _short(entry["content"])
    if request.continues and messages and messages[-1]["role"] == "assistant":
        _trim(messages[-1], dropped)
    return {"system": _short(head), "messages": messages} if head else {"messages": messages}


def _blocks(message: Message, dropped: list[str]) -> list[dict[str, Any]]:
    return [block for part in message.parts if (block := _block(part, message.role, dropped)) is not None]


def _short(blocks: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """One plain text is written as a string."""
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        text: str = blocks[0]["text"]
        return text
    return blocks


def _trim(message: dict[str, Any], dropped: list[str]) -> None:
    """The API refuses a beginning of an answer that ends in white space."""
    content = message["content"]
    if isinstance(content, str):
        trimmed = content.rstrip()
        if trimmed != content:
            message["content"] = trimmed
            dropped.append("trailing_whitespace")
    elif content[-1]["type"] == "text" and content[-1]["text"] != content[-1]["text"].rstrip():
        content[-1]["text"] = content[-1]["text"].rstrip()
        dropped.append("trailing_whitespace")


def _block(part: Part, role: str, dropped: list[str]) -> dict[str, Any] | None:
    """A part as a content block; None for what says nothing here."""
    if isinstance(part, Text):
        # Empty text is refused, and so is a block of white space alone.
        return _marked({"type": "text", "text": part.text}, part.cache) if part.text.strip() else None
    if isinstance(part, ToolCall):
        return _call(part)
    if isinstance(part, ToolResult):
        return _result(part, dropped)
    if isinstance(part, Reasoning):
        return _reasoning(part, dropped)
    if isinstance(part, Refusal):
        return {"type": "text", "text": part.text} if part.text.strip() else None
    if isinstance(part, Audio):
        raise InvalidRequest("This provider takes no sound.", param="messages")
    if role == "assistant":
        raise InvalidRequest("This provider takes no images or files in the assistant's messages.", param="messages")
    return _image(part, dropped) if isinstance(part, Image) else _document(part)


def _marked(block: dict[str, Any], cache: Any) -> dict[str, Any]:
    if cache is not None:
        block["cache_control"] = cache
    return block


def _reasoning(part: Reasoning, dropped: list[str]) -> dict[str, Any] | None:
    """Thinking is taken only with the API's own proof: what other models thought is left out."""
    proof = part.redacted if part.redacted is not None else part.signature
    if proof is None or proof.startswith(_OTHERS):
        dropped.append("messages.reasoning")
        return None
    if part.redacted is not None:
        return {"type": "redacted_thinking", "data": part.redacted}
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _call(part: ToolCall) -> dict[str, Any]:
    arguments = object_text(part.arguments)
    if arguments is None:
        # A model's broken call stays in its history: this is how the API wants to be told of one.
        arguments = _ENCODE({"INVALID_JSON": part.arguments})
    block = {"type": "tool_use", "id": tool_id(part.id), "name": part.name, "input": msgspec.Raw(arguments)}
    return _marked(block, part.cache)


def _result(part: ToolResult, dropped: list[str]) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": tool_id(part.call_id)}
    inner = [found for one in part.parts if (found := _block(one, "tool", dropped)) is not None]
    if inner:
        block["content"] = _short(inner)
    if part.failed:
        block["is_error"] = True
    return _marked(block, part.cache)


def tool_id(known: str) -> str:
    """An id as the API allows it: the same one, or the same stand-in for the same foreign id."""
    if _ID.fullmatch(known):
        return known
    return "toolu_" + hashlib.blake2s(known.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _image(part: Image, dropped: list[str]) -> dict[str, Any]:
    if part.detail is not None:
        dropped.append("messages.detail")
    source: dict[str, Any]
    if part.data is not None:
        kind = part.media_type or next((kind for head, kind in _HEADS if part.data.startswith(head)), "image/png")
        source = {"type": "base64", "media_type": kind, "data": part.data}
    elif part.url is not None:
        source = {"type": "url", "url": part.url}
    elif part.id is not None:
        source = {"type": "file", "file_id": part.id}
    else:
        raise InvalidRequest("An image has neither data nor a URL.", param="messages")
    return _marked({"type": "image", "source": source}, part.cache)


def _document(part: Document) -> dict[str, Any]:
    source: dict[str, Any]
    if part.text is not None:
        source = {"type": "text", "media_type": "text/plain", "data": part.text}
    elif part.data is not None:
        source = {"type": "base64", "media_type": part.media_type or "application/pdf", "data": part.data}
    elif part.url is not None:
        source = {"type": "url", "url": part.url}
    elif part.id is not None:
        source = {"type": "file", "file_id": part.id}
    else:
        raise InvalidRequest("A file has neither data nor a URL.", param="messages")
    block: dict[str, Any] = {"type": "document", "source": source}
    if part.name is not None:
        block["title"] = part.name
    return _marked(block, part.cache)


def _tools(request: ChatRequest, body: dict[str, Any], own: list[Any]) -> None:
    tools = [_tool(tool) for tool in request.tools]
    if not tools and not own:
        # The API wants the tools of calls in the history to be named, others do not.
        names = dict.fromkeys(_called(request.messages))
        if names:
            body["tools"] = [{"name": name, "input_schema": {"type": "object"}} for name in names]
            body["tool_choice"] = {"type": "none"}
        return
    body["tools"] = [*tools, *own]
    choice: dict[str, Any] = {}
    if request.tool_choice is not None:
        mode = request.tool_choice.mode
        choice = {"type": "any" if mode == "required" else mode}
        if mode == "tool":
            choice["name"] = request.tool_choice.name
    if request.parallel_tools is not None and choice.get("type") != "none":
        choice = {"type": "auto", **choice, "disable_parallel_tool_use": not request.parallel_tools}
    if choice:
        body["tool_choice"] = choice


def _called(messages: Iterable[Message]) -> Iterable[str]:
    return (part.name for message in messages for part in message.parts if isinstance(part, ToolCall))


def _tool(tool: Tool) -> dict[str, Any]:
    found: dict[str, Any] = {"name": tool.name, "input_schema": tool.schema or {"type": "object"}}
    if tool.description is not None:
        found["description"] = tool.description
    if tool.strict is not None:
        found["strict"] = tool.strict
        if tool.strict and tool.schema:
            found["input_schema"] = fitting(tool.schema)
    return _marked(found, tool.cache)


def _output(request: ChatRequest, model: str, body: dict[str, Any], dropped: list[str]) -> None:
    """The form of the answer and how much to think."""
    output: dict[str, Any] = dict(body.get("output_config") or {})
    if request.format is not None and request.format.kind == "schema" and request.format.schema is not None:
        output["format"] = {"type": "json_schema", "schema": fitting(request.format.schema)}
    elif request.format is not None and request.format.kind == "json":
        dropped.append("format")
    if request.thinking is not None:
        foreign = request.dialect != wire.NAME
        if foreign and wants_budget(model):
            _budgeted(request.thinking, body)
        else:
            _said(request.thinking, body, output, adaptive=foreign and thinks_by_itself(model))
    if output:
        body["output_config"] = output


def _said(thinking: Thinking, body: dict[str, Any], output: dict[str, Any], *, adaptive: bool) -> None:
    found: dict[str, Any] = {}
    effort = thinking.effort
    if thinking.enabled is False or effort == "none":
        found, effort = {"type": "disabled"}, None if effort == "none" else effort
    elif thinking.budget is not None and not adaptive:
        found = {"type": "enabled", "budget_tokens": thinking.budget}
    elif thinking.enabled or adaptive:
        found = {"type": "adaptive"}
    if found and found["type"] != "disabled" and thinking.summary in ("summarized", "omitted"):
        found["display"] = thinking.summary
    if found:
        body["thinking"] = found
    if effort is not None:
        output["effort"] = _EFFORTS.get(effort, effort)


def _budgeted(thinking: Thinking, body: dict[str, Any]) -> None:
    """For models that know a budget of tokens only."""
    if thinking.enabled is False or thinking.effort == "none":
        body["thinking"] = {"type": "disabled"}
        return
    budget = thinking.budget if thinking.budget is not None else _BUDGETS.get(thinking.effort or "medium", 8192)
    body["thinking"] = {"type": "enabled", "budget_tokens": max(budget, _LEAST_BUDGET)}


def _sampling(request: ChatRequest, body: dict[str, Any], dropped: list[str]) -> None:
    for name in ("temperature", "top_p", "top_k"):
        value = getattr(request, name)
        if value is not None:
            body[name] = value
    if request.stop:
        stop = request.stop
        if request.dialect != wire.NAME:
            stop = tuple(one for one in stop if one.strip())
            if stop != request.stop:
                dropped.append("stop")
        if stop:
            body["stop_sequences"] = stop


def _think_or_not(body: dict[str, Any], dropped: list[str]) -> None:
    """With a budget to think, the API wants the message that called tools to begin with its thinking. Where another model
    called them, or the thinking was lost on the way, the calls are answered without any."""
    messages = body["messages"]
    if body.get("thinking", {}).get("type") != "enabled" or len(messages) < 2:
        return
    results, said = messages[-1]["content"], messages[-2]["content"]
    in_loop = isinstance(results, list) and results[0]["type"] == "tool_result"
    if in_loop and isinstance(said, list) and said[0]["type"] not in ("thinking", "redacted_thinking"):
        del body["thinking"]
        dropped.append("thinking")


def _settle(request: ChatRequest, body: dict[str, Any], dropped: list[str]) -> None:
    """Fits what another dialect allows together to what this API allows together."""
    thinking = body.get("thinking")
    if thinking is not None and thinking["type"] != "disabled":
        if body.get("tool_choice", {}).get("type") in ("any", "tool"):
            del body["thinking"]
            dropped.append("thinking")
        else:
            dropped.extend(name for name in ("temperature", "top_p", "top_k") if body.pop(name, None) is not None)
            budget = thinking.get("budget_tokens", 0)
            if body["max_tokens"] <= budget:
                body["max_tokens"] = budget + (request.max_tokens or wire.DEFAULT_MAX_TOKENS)
    if "temperature" in body:
        if body["temperature"] > 1:
            body["temperature"] = 1.0
            dropped.append("temperature")
        if body.pop("top_p", None) is not None:
            dropped.append("top_p")
