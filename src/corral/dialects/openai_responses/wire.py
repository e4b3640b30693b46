"""OpenAI's Responses as typed structs (API reference, "Responses")."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

_Tokens = Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)]
_Amount = Annotated[float, msgspec.Meta(ge=0, le=100)]


# Parts of a message


class InputText(msgspec.Struct, tag_field="type", tag="input_text"):
    text: str


class OutputText(msgspec.Struct, tag_field="type", tag="output_text"):
    text: str
    logprobs: list[dict[str, Any]] | None = None


class PlainText(msgspec.Struct, tag_field="type", tag="text"):
    text: str


class SummaryText(msgspec.Struct, tag_field="type", tag="summary_text"):
    text: str


class ReasoningText(msgspec.Struct, tag_field="type", tag="reasoning_text"):
    text: str


class RefusalPart(msgspec.Struct, tag_field="type", tag="refusal"):
    refusal: str


class InputImage(msgspec.Struct, tag_field="type", tag="input_image"):
    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None


class InputFile(msgspec.Struct, tag_field="type", tag="input_file"):
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None


class Sound(msgspec.Struct):
    data: str
    format: str


class InputAudio(msgspec.Struct, tag_field="type", tag="input_audio"):
    input_audio: Sound


Part = InputText | OutputText | PlainText | RefusalPart | InputImage | InputFile | InputAudio
Thought = SummaryText | ReasoningText | PlainText


# Items of the input, and of the output


class Kind(msgspec.Struct):
    """What decides how an item is read."""

    type: str = "message"


class MessageItem(msgspec.Struct):
    role: str
    content: str | list[Part] | None = None
    id: str | None = None


class CallItem(msgspec.Struct):
    call_id: str
    name: str
    arguments: str = ""
    id: str | None = None


class CustomCallItem(msgspec.Struct):
    call_id: str
    name: str
    input: str = ""


class ResultItem(msgspec.Struct):
    call_id: str
    output: str | list[Part]


class ReasoningItem(msgspec.Struct):
    id: str | None = None
    summary: list[Thought] | None = None
    content: list[Thought] | None = None
    encrypted_content: str | None = None


class ImageItem(msgspec.Struct):
    result: str | None = None
    output_format: str | None = None


class OfferedTool(msgspec.Struct):
    type: str
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Request(msgspec.Struct):
    input: str | Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1)]
    model: str = ""
    instructions: str | None = None
    stream: bool | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    prompt: Any = None
    background: bool | None = None
    tools: list[OfferedTool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    include: list[str] | None = None
    max_output_tokens: _Tokens | None = None
    temperature: _Amount | None = None
    top_p: _Amount | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=1000)] | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None


KNOWN = frozenset(Request.__struct_fields__)


# What a provider answers. Lenient: only what is read has a type.


class InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


class IncompleteDetails(msgspec.Struct):
    reason: str | None = None


class Response(msgspec.Struct):
    id: str | None = None
    created_at: float | None = None
    model: str | None = None
    status: str | None = None
    error: Any = None
    incomplete_details: IncompleteDetails | None = None
    output: list[msgspec.Raw] | None = None
    usage: Usage | None = None


ABSENT = msgspec.Raw()


class Event(msgspec.Struct):
    """An event of a stream, whichever; what is not read has no type."""

    type: str = ""
    sequence_number: Any = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    delta: Any = None
    logprobs: Any = None
    item: msgspec.Raw = ABSENT
    part: msgspec.Raw = ABSENT
    response: msgspec.Raw = ABSENT
    error: Any = None
