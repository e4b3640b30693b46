"""Corral's own form of a chat request and of the answer to it: what all dialects are translated to and from.

Frozen structs; equal values compare equal, so "there and back" can be tested. Absent is not null: a field that the client
did not send is `None` here and is never sent on; a dialect's own fields, also those that were sent as null, are in `extras`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Role = Literal["system", "developer", "user", "assistant", "tool"]
StopReason = Literal["stop", "stop_sequence", "length", "tool_calls", "content_filter", "refusal", "pause", "error"]


class _Frozen(msgspec.Struct, frozen=True, omit_defaults=True):
    pass


class Text(_Frozen, frozen=True, tag="text"):
    """Text. `cache` is a mark that the prompt may be cached up to here, in Anthropic's form."""

    text: str
    cache: Mapping[str, Any] | None = None


class Image(_Frozen, frozen=True, tag="image"):
    """An image: `data` (base64) of `media_type`, a `url`, or the `id` under which the provider keeps it."""

    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    detail: str | None = None
    cache: Mapping[str, Any] | None = None
    id: str | None = None


class Document(_Frozen, frozen=True, tag="document"):
    """A file: `data` (base64) of `media_type`, a `url`, plain `text`, or the `id` under which the provider keeps it."""

    name: str | None = None
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    text: str | None = None
    id: str | None = None
    cache: Mapping[str, Any] | None = None


class Audio(_Frozen, frozen=True, tag="audio"):
    """Sound: `data` (base64) in `format` (wav, mp3)."""

    format: str
    data: str


class Reasoning(_Frozen, frozen=True, tag="reasoning"):
    """The model's thinking. `signature` proves it to its provider; `redacted` is thinking that only the provider can read."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    id: str | None = None


class Refusal(_Frozen, frozen=True, tag="refusal"):
    """The model's own words for saying no."""

    text: str


class ToolCall(_Frozen, frozen=True, tag="tool_call"):
    """A call of a tool; `arguments` is JSON text exactly as the model wrote it."""

    id: str
    name: str
    arguments: str
    signature: str | None = None
    cache: Mapping[str, Any] | None = None


class ToolResult(_Frozen, frozen=True, tag="tool_result"):
    """What a tool answered to the call `call_id`."""

    call_id: str
    parts: tuple[Text | Image | Document, ...] = ()
    failed: bool = False
    cache: Mapping[str, Any] | None = None


Part = Text | Image | Document | Audio | Reasoning | Refusal | ToolCall | ToolResult


class Message(_Frozen, frozen=True):
    """One message. Results of tools are parts of messages with the role `tool`."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None


class Tool(_Frozen, frozen=True):
    """A tool that is offered; `schema` is the JSON schema of its arguments."""

    name: str
    description: str | None = None
    schema: Mapping[str, Any] | None = None
    strict: bool | None = None
    cache: Mapping[str, Any] | None = None


class ToolChoice(_Frozen, frozen=True):
    """Which tool to use: `mode` is auto, none, required (any) or tool (the one of `name`)."""

    mode: Literal["auto", "none", "required", "tool"]
    name: str | None = None


class Format(_Frozen, frozen=True):
    """The form of the answer: text, json (any object) or schema (JSON that validates against `schema`)."""

    kind: Literal["text", "json", "schema"]
    name: str | None = None
    schema: Mapping[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class Thinking(_Frozen, frozen=True):
    """How much to think: `effort` (none, minimal, low, medium, high) or a `budget` of tokens; `enabled` alone turns it on or off."""

    enabled: bool | None = None
    effort: str | None = None
    budget: int | None = None
    summary: str | None = None


class ChatRequest(_Frozen, frozen=True):
    """A request for an answer.

    `continues`: the last message is the assistant's and is the beginning of the answer, to be gone on with; the answer's
    events then hold only what is new. `dialect` and `extras`: fields of the dialect that this form has no word for, by
    their name there; they go to a provider of the same dialect only.
    """

    model: str
    messages: tuple[Message, ...]
    continues: bool = False
    stream: bool = False
    include_usage: bool = False
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    format: Format | None = None
    thinking: Thinking | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repeat_penalty: float | None = None
    stop: tuple[str, ...] = ()
    choices: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: Mapping[str, float] | None = None
    user: str | None = None
    metadata: Mapping[str, Any] | None = None
    dialect: str = ""
    extras: Mapping[str, Any] = {}


# The answer, as events


class Started(_Frozen, frozen=True, tag="started"):
    """The answer begins; comes once and first, where the provider says so."""

    id: str = ""
    model: str = ""
    created: int = 0


class TextDelta(_Frozen, frozen=True, tag="text"):
    """A piece of the answer; `logprobs` in OpenAI's form (a list of tokens with their alternatives)."""

    text: str
    choice: int = 0
    logprobs: tuple[Mapping[str, Any], ...] | None = None


class ReasoningDelta(_Frozen, frozen=True, tag="reasoning"):
    """A piece of the model's thinking; a `signature` or `redacted` thinking comes in a piece of its own."""

    text: str = ""
    choice: int = 0
    signature: str | None = None
    redacted: str | None = None


class RefusalDelta(_Frozen, frozen=True, tag="refusal"):
    """A piece of a refusal."""

    text: str
    choice: int = 0


class ToolCallDelta(_Frozen, frozen=True, tag="tool_call"):
    """A piece of the tool call `index` (from 0 within the choice). The first piece of a call has `id` and `name`, later ones do not."""

    index: int
    arguments: str = ""
    id: str | None = None
    name: str | None = None
    choice: int = 0
    signature: str | None = None


class ImageDelta(_Frozen, frozen=True, tag="image"):
    """An image that the model made, whole."""

    image: Image
    choice: int = 0


class Timings(_Frozen, frozen=True):
    """How long an engine says that it read the prompt and wrote the answer, in milliseconds, and how many tokens each were."""

    prompt_ms: float
    predicted_ms: float
    prompt_tokens: int = 0
    predicted_tokens: int = 0


class Usage(_Frozen, frozen=True, tag="usage"):
    """Tokens so far; the last one counts. `prompt_tokens` includes those read from and written to a cache. timings: where an engine tells them."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    timings: Timings | None = None


class Finished(_Frozen, frozen=True, tag="finished"):
    """A choice is whole; `stop_sequence` is the one that ended it."""

    reason: StopReason
    choice: int = 0
    stop_sequence: str | None = None


ChatEvent = (
    Started | TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta | ImageDelta | Usage | Finished
)  # fmt: skip


class Choice(_Frozen, frozen=True):
    """One whole answer."""

    parts: tuple[Part, ...]
    reason: StopReason
    stop_sequence: str | None = None
    logprobs: tuple[Mapping[str, Any], ...] | None = None


class Answer(_Frozen, frozen=True):
    """A whole response: the same facts as its events, put together (see `gathering`)."""

    choices: tuple[Choice, ...]
    usage: Usage | None = None
    id: str = ""
    model: str = ""
    created: int = 0


def text_message(role: Role, text: str) -> Message:
    """A message of text alone."""
    return Message(role, (Text(text),))


def text_of(message: Message) -> str:
    """The text of a message, without its other parts."""
    return "".join(part.text for part in message.parts if isinstance(part, Text))
