"""OpenAI's chat completions as typed structs (API reference, "Chat"), with what other servers of this dialect add."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

_Tokens = Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)]
_Amount = Annotated[float, msgspec.Meta(ge=0, le=100)]
_Penalty = Annotated[float, msgspec.Meta(ge=-100, le=100)]
_Seed = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Count = Annotated[int, msgspec.Meta(ge=1, le=128)]


# What a client asks


class TextPart(msgspec.Struct, tag_field="type", tag="text"):
    text: str
    cache_control: dict[str, Any] | None = None


class ImageUrl(msgspec.Struct):
    url: str
    detail: str | None = None


class ImagePart(msgspec.Struct, tag_field="type", tag="image_url"):
    image_url: ImageUrl | str
    cache_control: dict[str, Any] | None = None


class Sound(msgspec.Struct):
    data: str
    format: str


class AudioPart(msgspec.Struct, tag_field="type", tag="input_audio"):
    input_audio: Sound


class FileFacts(msgspec.Struct):
    filename: str | None = None
    file_data: str | None = None
    file_id: str | None = None


class FilePart(msgspec.Struct, tag_field="type", tag="file"):
    file: FileFacts
    cache_control: dict[str, Any] | None = None


class RefusalPart(msgspec.Struct, tag_field="type", tag="refusal"):
    refusal: str


Part = TextPart | ImagePart | AudioPart | FilePart | RefusalPart


class Function(msgspec.Struct):
    name: str
    arguments: str | dict[str, Any] = ""


class Call(msgspec.Struct):
    id: str | None = None
    function: Function | None = None
    extra_content: dict[str, Any] | None = None


class Message(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: str | None = None
    function_call: Function | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[dict[str, Any]] | None = None


class OfferedFunction(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class OfferedTool(msgspec.Struct):
    type: str = "function"
    function: OfferedFunction | None = None
    cache_control: dict[str, Any] | None = None


class ReasoningOptions(msgspec.Struct):
    enabled: bool | None = None
    effort: str | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class Request(msgspec.Struct):
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    model: str = ""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[OfferedTool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    functions: list[OfferedFunction] | None = None
    function_call: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    reasoning: dict[str, Any] | None = None
    max_tokens: _Tokens | None = None
    max_completion_tokens: _Tokens | None = None
    temperature: _Amount | None = None
    top_p: _Amount | None = None
    top_k: int | None = None
    min_p: _Amount | None = None
    seed: _Seed | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    repeat_penalty: _Amount | None = None
    repetition_penalty: _Amount | None = None
    stop: str | list[str] | None = None
    n: _Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=1000)] | None = None
    logit_bias: dict[str, float] | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None


KNOWN = frozenset(Request.__struct_fields__)


# What a provider answers. Lenient: only what is read has a type.


class Delta(msgspec.Struct):
    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[DeltaCall] | None = None
    function_call: DeltaFunction | None = None
    images: list[Any] | None = None


class DeltaFunction(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class DeltaCall(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: DeltaFunction | None = None
    extra_content: Any = None


class Logprobs(msgspec.Struct):
    content: list[dict[str, Any]] | None = None


class Choice(msgspec.Struct):
    index: int = 0
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None
    stop_reason: Any = None
    logprobs: Logprobs | None = None


class PlainDelta(msgspec.Struct, forbid_unknown_fields=True):
    """A delta of text and thinking alone."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    role: str | None = None
    refusal: None = None
    tool_calls: None = None
    function_call: None = None


class PlainChoice(msgspec.Struct):
    delta: PlainDelta
    index: int = 0
    finish_reason: None = None
    logprobs: None = None
    message: None = None


class PlainChunk(msgspec.Struct):
    """An event of a stream that does nothing but go on with one choice."""

    choices: tuple[PlainChoice]
    id: str | None = None
    object: str | None = None
    created: float | None = None
    model: str | None = None
    usage: None = None
    error: None = None


class PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None


class Chunk(msgspec.Struct):
    """An event of a stream, or a whole answer."""

    id: str | None = None
    model: str | None = None
    created: float | None = None
    object: str | None = None
    choices: list[Choice] | None = None
    usage: Usage | None = None
    error: Any = None
    timings: Any = None
    """llama.cpp's, in the last event."""
