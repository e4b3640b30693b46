"""Which form a request wants its answer in, and whether an answer has it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from corral.dialects.form import Answer, ChatRequest, Choice, Format, Refusal, Text, ToolCall, text_of
from corral.dialects.registry import DIALECTS
from corral.inference.structured.finding import candidates
from corral.inference.types import Ask
from corral.kit.errors import InvalidRequest
from corral.kit.json_schema import fault, problems

HEADER = "x-corral-repair"
"""Of a request: how often its answer may be asked for again. A stream that names more than 0 is held back until it fits."""
REPAIRS = 2
"""How often that is when nobody says."""
MOST_REPAIRS = 5
MAX_TEXT = 4 * 1024 * 1024
"""Characters of an answer that is looked at."""
MOST_TOLD = 10
"""Problems that a model is told of."""

_MARKS: Mapping[str, tuple[bytes, ...]] = {
    "openai_chat": (b'"response_format"',),
    "openai_responses": (b'"format"',),
    "anthropic": (b'"output_config"', b'"output_format"'),
    "gemini": (b'"responseSchema"', b'"responseJsonSchema"', b'"responseMimeType"'),
    "ollama_chat": (b'"format"',),
    "ollama_generate": (b'"format"',),
}
"""What stands in every body that wants a form. Most have none of it, and are not read for this."""
_FORCED = re.compile(rb'"tool_choice"\s*:\s*\{.{0,300}?"type"\s*:\s*"(?:tool|function)"', re.DOTALL)
"""What stands in a body that wants a certain tool called: a schema by another name."""
_WITH_TOOLS = frozenset(("openai_chat", "openai_responses", "anthropic"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """The form of an answer. `schema` is None for any JSON object. `repairs`: how often to ask again; None is for nobody having said.
    `before`: what of the answer the client has itself, which the rest has to go on with. `tool`: the arguments of this tool are
    meant, which has to be called. `request`: the request that it was read from."""

    request: ChatRequest
    schema: Mapping[str, Any] | None
    repairs: int | None = None
    before: str = ""
    tool: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What is to be said of a whole answer. `problems` is empty when it fits; else `text` is what the model said. `changed`: JSON
    was taken out of what stands around it."""

    answer: Answer
    problems: tuple[str, ...] = ()
    text: str = ""
    changed: bool = False


def wanted_by(ask: Ask, request: ChatRequest | None = None) -> Wanted | None:
    """The form that a request wants; None when it wants none. `request`: what it is in our form, when that is known.

    Raises InvalidRequest naming the field when its schema is not understood.
    """
    if ask.operation != "chat":
        return None
    request = request or ask.request
    if request is None:
        body = ask.body
        for mark in _MARKS.get(ask.dialect, ()):
            if mark in body:
                break
        else:
            if b'"tool_choice"' not in body or ask.dialect not in _WITH_TOOLS or _FORCED.search(body) is None:
                return None
        request = DIALECTS[ask.dialect].read_request(ask.body)
    form = request.format
    if form is None or form.kind == "text":
        return _by_tool(request, ask)
    schema = _checked(form, ask)
    before = text_of(request.messages[-1]) if request.continues else ""
    return Wanted(request, schema, _repairs(ask), before)


def _by_tool(request: ChatRequest, ask: Ask) -> Wanted | None:
    """The form of the arguments of a tool that has to be called. A schema that is not understood is that provider's business."""
    choice = request.tool_choice
    name = choice.name if choice is not None and choice.mode == "tool" else None
    tool = next((one for one in request.tools if one.name == name), None)
    if tool is None or tool.schema is None or fault(tool.schema) is not None:
        return None
    return Wanted(request, tool.schema, _repairs(ask), tool=tool.name)


def _checked(form: Format, ask: Ask) -> Mapping[str, Any] | None:
    if form.kind == "json":
        return None
    schema = form.schema if form.schema is not None else {}
    found = fault(schema)
    if found is not None:
        place = _place(ask) + found.path
        raise InvalidRequest(f"{place}: {found.reason}.", param=place)
    return schema


def _place(ask: Ask) -> str:
    """Where the schema stands in a request."""
    if ask.request is not None:
        return "schema"
    if ask.dialect == "openai_chat":
        return "response_format.json_schema.schema" if b'"json_schema"' in ask.body else "response_format.schema"
    if ask.dialect == "anthropic":
        return "output_config.format.schema" if b'"output_config"' in ask.body else "output_format.schema"
    if ask.dialect == "gemini":
        own = b'"responseJsonSchema"' not in ask.body
        return f"generationConfig.{'responseSchema' if own else 'responseJsonSchema'}"
    return "text.format.schema" if ask.dialect == "openai_responses" else "format"


def _repairs(ask: Ask) -> int | None:
    told = ask.headers.get(HEADER, "").strip()
    if not told:
        return None
    if not told.isdecimal() or int(told[:3]) > MOST_REPAIRS:
        raise InvalidRequest(
            f"The header X-Corral-Repair takes a number from 0 to {MOST_REPAIRS}.", param="X-Corral-Repair"
        )
    return int(told)


def examine(answer: Answer, wanted: Wanted) -> Found:
    """Whether every choice of `answer` is as it is wanted; JSON that only has something around it is taken out of that."""
    choices: list[Choice] = []
    changed = False
    for choice in answer.choices:
        wrong, text = flaws(choice, wanted)
        better = _taken_out(text, wanted) if wrong and not wanted.before and not wanted.tool else None
        if wrong and better is None:
            return Found(answer, tuple(wrong), text)
        choices.append(choice if better is None else _with_text(choice, better))
        changed = changed or better is not None
    return Found(replace(answer, choices=tuple(choices)) if changed else answer, changed=changed)


def flaws(choice: Choice, wanted: Wanted) -> tuple[list[str], str]:
    """What is wrong with a choice, and what it says."""
    calls = [part for part in choice.parts if isinstance(part, ToolCall)]
    text = "".join(part.text for part in choice.parts if isinstance(part, Text))
    if choice.reason not in ("stop", "stop_sequence", "tool_calls") or any(
        isinstance(one, Refusal) for one in choice.parts
    ):
        # It tells by itself why it is no JSON: it was cut, refused or filtered.
        return [], text
    if not wanted.tool:
        # A call of a tool comes before the answer.
        return ([] if calls else problems_of(text, wanted)), text
    named = [one.arguments for one in calls if one.name == wanted.tool]
    if not named:
        return [f"The tool {wanted.tool} was not called"], text
    return next(((wrong, one) for one in named if (wrong := problems_of(one or "{}", wanted))), ([], named[0]))


def problems_of(text: str, wanted: Wanted) -> list[str]:
    """What is wrong with the text of an answer; empty when it is as it is wanted."""
    if len(text) > MAX_TEXT:
        return ["$: is too long to be checked"]
    try:
        value = msgspec.json.decode(wanted.before + text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        return [f"It is no JSON: {error}" if text.strip() else "There is no text in it"]
    if wanted.schema is None:
        return [] if isinstance(value, dict) else ["$: must be object"]
    return problems(value, wanted.schema, most=MOST_TOLD)


def _taken_out(text: str, wanted: Wanted) -> str | None:
    return next((one for one in candidates(text) if not problems_of(one, wanted)), None)


def _with_text(choice: Choice, text: str) -> Choice:
    """The same with another text; what was said of its tokens does not count any more."""
    parts = [part for part in choice.parts if not isinstance(part, Text)]
    return replace(choice, parts=(*parts, Text(text)), logprobs=None)
