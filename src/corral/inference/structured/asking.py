"""How a candidate is asked for a form: in its own way where it has one, else in words; and how it is asked again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from corral.dialects.form import (
    Answer,
    ChatRequest,
    Choice,
    Message,
    StopReason,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    text_message,
    text_of,
)
from corral.inference.attempts.asking import Asking, Question
from corral.inference.routes.types import Candidate, RouteSpec
from corral.inference.structured.wanting import Wanted
from corral.inference.types import Ask
from corral.providers.types import Provider

ANSWER = "answer"
"""The name of the tool whose arguments are an answer."""
MAX_QUOTED = 20_000
"""Characters of an answer that is shown to the model again."""


class StructuredAsking(Asking):
    """One request for an answer of a form. `repair` makes the next ones."""

    def __init__(self, ask: Ask, route: RouteSpec, wanted: Wanted, request: ChatRequest | None = None) -> None:
        super().__init__(ask, route, request)
        if request is None:
            self._request = replace(wanted.request, stream=ask.stream)
        self.wanted = wanted
        self._again: ChatRequest | None = None
        self.whole = False
        """Whether the answer is looked at before it is told, so that it may come as the call of a tool."""

    def put(self, candidate: Candidate, provider: Provider) -> Question:
        """See `Asking.put`."""
        natively = native(provider, candidate.model, self.wanted) is not False
        if self._again is None and natively and not self._names_no_json(provider):
            return super().put(candidate, provider)
        request = self._again or self.request
        if natively:
            # With words beside it: OpenAI's JSON mode wants JSON to be named.
            return self.translate(self._again or instructed(request, self.wanted), candidate, provider)
        if self._may_call(provider, candidate.model):
            return self.translate(calling(request, self.wanted), candidate, provider)
        return self.in_words(candidate, provider)

    def in_words(self, candidate: Candidate, provider: Provider) -> Question:
        """The same for a candidate that cannot be asked, or refuses to be, in its own way."""
        request = self._again or instructed(self.request, self.wanted)
        return self.translate(replace(request, format=None), candidate, provider)

    def has_words(self, candidate: Candidate, provider: Provider) -> bool:
        """Whether a candidate that refused may be asked in words. Not when it was, and not when it was asked as its client does: then
        what is wrong with that is the client's to mend."""
        known = native(provider, candidate.model, self.wanted)
        if known is False:
            return self._may_call(provider, candidate.model)
        as_it_came = self.ask.dialect in provider.dialects.get("chat", ()) and not self.own
        return not self.wanted.tool and (known is None or not as_it_came)

    def as_said(self, answer: Answer) -> Answer:
        """A candidate's answer; one that came as the call of a tool as if it had been said."""
        called = any(isinstance(part, ToolCall) for choice in answer.choices for part in choice.parts)
        return uncalled(answer) if called and not self.request.tools else answer

    def repair(self, answer: Answer, text: str, problems: Sequence[str]) -> None:
        """From now on it is asked for again, in a conversation that holds `answer`, of which `text` is wrong, and what is wrong with it."""
        # Ollama's generate has no conversations: from here on the dialect is the one that the provider speaks best.
        self.own = True
        if self.wanted.tool:
            self._again = called_again(self.request, answer, self.wanted.tool, problems)
        else:
            self._again = again(self.request, self.wanted, text, problems)

    def _may_call(self, provider: Provider, model: str) -> bool:
        """Whether the answer may be the arguments of a tool: stronger than words where no form is known, but only for objects, and not
        beside tools of the client's or thinking, which many refuse then."""
        request, schema = self.request, self.wanted.schema
        free = not request.tools and (request.thinking is None or request.thinking.enabled is False)
        objects = schema is not None and schema.get("type") == "object"
        # Ollama's API cannot make a model call a tool.
        return self.whole and free and objects and provider.kind != "ollama" and bool(provider.abilities(model).tools)

    def _names_no_json(self, provider: Provider) -> bool:
        """Whether OpenAI's JSON mode would refuse the prompt, which has to name JSON; a client of that dialect has to know."""
        spoken = provider.dialects.get("chat", ())
        if self.wanted.schema is not None or self.ask.dialect in spoken or not spoken[0].startswith("openai"):
            return False
        return not any("json" in text_of(message).lower() for message in self.request.messages)


def native(provider: Provider, model: str, wanted: Wanted) -> bool | None:
    """Whether a model keeps to the form by itself; None is not known."""
    if wanted.tool:
        # All that can be done is what the client has done: to say that it has to be called.
        return True
    if wanted.schema is None and provider.dialects.get("chat", ("",))[0] == "anthropic":
        # Its API has schemas, and no word for just JSON.
        return False
    return provider.abilities(model).json_schema


def instructed(request: ChatRequest, wanted: Wanted) -> ChatRequest:
    """`request` with the form told in words, in the instructions."""
    told = _instruction(wanted.schema)
    messages = request.messages
    if messages and messages[0].role in ("system", "developer"):
        first = messages[0]
        messages = (Message(first.role, (*first.parts, Text(f"\n\n{told}")), first.name), *messages[1:])
    else:
        messages = (text_message("system", told), *messages)
    return replace(request, messages=messages)


def _instruction(schema: Mapping[str, Any] | None) -> str:
    what = "one JSON object" if schema is None else "one JSON value that validates against this JSON schema"
    told = f"Answer with {what} and nothing else: no introduction, no explanation, no code fence."
    return told if schema is None else f"{told}\n{json.dumps(schema, ensure_ascii=False)}"


def again(request: ChatRequest, wanted: Wanted, text: str, problems: Sequence[str]) -> ChatRequest:
    """The request for another answer, after `text` was the wrong one."""
    listed = "\n".join(f"- {one}" for one in problems)
    told = (
        f"That answer is not in the form that is needed. What is wrong with it ($ is the whole of it):\n{listed}\n"
        f"Write the whole answer again, corrected. {_instruction(wanted.schema)}"
    )
    said = text[:MAX_QUOTED] if text.strip() else "(nothing)"
    messages = (*request.messages, text_message("assistant", said), text_message("user", told))
    return replace(request, messages=messages, continues=False)


def calling(request: ChatRequest, wanted: Wanted) -> ChatRequest:
    """`request` for an answer that is the call of a tool; `uncalled` makes it one of text."""
    description = request.format.description if request.format is not None else None
    tool = Tool(ANSWER, description or "Takes the whole answer.", wanted.schema)
    return replace(request, format=None, tools=(tool,), tool_choice=ToolChoice("tool", ANSWER))


def uncalled(answer: Answer) -> Answer:
    """What `calling` brought, as if it had been said."""
    return replace(answer, choices=tuple(_uncalled(choice) for choice in answer.choices))


def _uncalled(choice: Choice) -> Choice:
    call = next((part for part in choice.parts if isinstance(part, ToolCall) and part.name == ANSWER), None)
    if call is None:
        return choice
    parts = [part for part in choice.parts if not isinstance(part, ToolCall | Text)]
    reason: StopReason = "stop" if choice.reason == "tool_calls" else choice.reason
    return replace(choice, parts=(*parts, Text(call.arguments)), reason=reason)


def called_again(request: ChatRequest, answer: Answer, tool: str, problems: Sequence[str]) -> ChatRequest:
    """The request for another call of `tool`, after the one in `answer` was wrong."""
    told = "The arguments are not in the form that the tool needs. What is wrong ($ is the whole of them):\n"
    told += "\n".join(f"- {one}" for one in problems) + f"\nCall {tool} again, with all arguments, corrected."
    parts = tuple(part for part in answer.choices[0].parts if isinstance(part, Text | ToolCall))
    calls = [part for part in parts if isinstance(part, ToolCall)]
    result = Message("tool", tuple(ToolResult(call.id, (Text(told),), failed=True) for call in calls))
    last = result if calls else text_message("user", told)
    messages = (*request.messages, Message("assistant", parts or (Text("(nothing)"),)), last)
    return replace(request, messages=messages, continues=False)
