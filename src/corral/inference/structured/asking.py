"""How a candidate is asked for a form: in its own way where it has one, else in words; and how it is asked again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from corral.dialects.form import ChatRequest, Message, Text, text_message, text_of
from corral.inference.attempts.asking import Asking, Question
from corral.inference.routes.types import Candidate, RouteSpec
from corral.inference.structured.wanting import Wanted
from corral.inference.types import Ask
from corral.providers.types import Provider

MAX_QUOTED = 20_000
"""Characters of an answer that is shown to the model again."""


class StructuredAsking(Asking):
    """One request for an answer of a form. `repair` makes the next ones."""

    def __init__(self, ask: Ask, route: RouteSpec, wanted: Wanted, request: ChatRequest | None = None) -> None:
        super().__init__(ask, route, request)
        self.wanted = wanted
        self._again: ChatRequest | None = None

    def put(self, candidate: Candidate, provider: Provider) -> Question:
        """See `Asking.put`."""
        natively = native(provider, candidate.model, self.wanted) is not False
        if self._again is None and natively and not self._names_no_json(provider):
            return super().put(candidate, provider)
        request = self._again or instructed(self.request, self.wanted)
        return self.translate(request if natively else replace(request, format=None), candidate, provider)

    def in_words(self, candidate: Candidate, provider: Provider) -> Question:
        """The same for a candidate that refuses to be asked in its own way."""
        request = self._again or instructed(self.request, self.wanted)
        return self.translate(replace(request, format=None), candidate, provider)

    def repair(self, text: str, problems: Sequence[str]) -> None:
        """From now on the answer is asked for again, in a conversation that holds the wrong one and what is wrong with it."""
        # Ollama's generate has no conversations: from here on the dialect is the one that the provider speaks best.
        self.own = True
        self._again = again(self.request, self.wanted, text, problems)

    def _names_no_json(self, provider: Provider) -> bool:
        """Whether OpenAI's JSON mode would refuse the prompt, which has to name JSON; a client of that dialect has to know."""
        spoken = provider.dialects.get("chat", ())
        if self.wanted.schema is not None or self.ask.dialect in spoken or not spoken[0].startswith("openai"):
            return False
        return not any("json" in text_of(message).lower() for message in self.request.messages)


def native(provider: Provider, model: str, wanted: Wanted) -> bool | None:
    """Whether a model keeps to the form by itself; None is not known."""
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
