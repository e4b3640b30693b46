"""Whole answers of Responses."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from corral.dialects import data_urls
from corral.dialects.decoding import read_told
from corral.dialects.form import (
    Answer,
    Choice,
    Image,
    Part,
    Reasoning,
    Refusal,
    StopReason,
    Text,
    ToolCall,
)
from corral.dialects.openai_chat.errors import told_error
from corral.dialects.openai_responses import wire
from corral.dialects.openai_responses.frame import Frame, read_usage
from corral.dialects.openai_responses.items import (
    OpenPart,
    call_item,
    image_item,
    message_item,
    reasoning_item,
)
from corral.dialects.openai_responses.proofs import read_proof, write_proof
from corral.dialects.openai_responses.requests import read_parts, thought_text
from corral.dialects.ports import About
from corral.kit.errors import InvalidRequest, UpstreamFailed

RESPONSE = msgspec.json.Decoder(wire.Response)
KIND = msgspec.json.Decoder(wire.Kind)
_MESSAGE = msgspec.json.Decoder(wire.MessageItem)
_CALL = msgspec.json.Decoder(wire.CallItem)
_REASONING = msgspec.json.Decoder(wire.ReasoningItem)
_IMAGE = msgspec.json.Decoder(wire.ImageItem)


def read_answer(body: bytes) -> Answer:
    """Raises UpstreamFailed for nonsense or an answer that is not ended, and the error that is told inside a 200."""
    told = read_told(RESPONSE, body)
    if told.error is not None:
        raise told_error(200, {}, told.error)
    if told.output is None:
        raise UpstreamFailed("The provider's answer has no output.")
    parts = tuple(part for raw in told.output for part in read_item(raw))
    reason = read_reason(told, called=any(isinstance(part, ToolCall) for part in parts))
    usage = read_usage(told.usage) if told.usage is not None else None
    choice = Choice(parts, reason, logprobs=_logprobs(told.output))
    return Answer((choice,), usage, told.id or "", told.model or "", int(told.created_at or 0))


def read_reason(told: wire.Response, *, called: bool) -> StopReason:
    """Why the answer ended. Raises the error of one that failed, and UpstreamFailed for one that has not ended."""
    if told.status == "incomplete":
        why = told.incomplete_details.reason if told.incomplete_details is not None else None
        return "content_filter" if why == "content_filter" else "length"
    if told.status not in ("completed", None):
        if told.error is not None:
            raise told_error(200, {}, told.error)
        raise UpstreamFailed(f"The provider's answer is {told.status}.")
    return "tool_calls" if called else "stop"


def read_item(raw: msgspec.Raw) -> Iterator[Part]:
    """The parts of an item. Kinds that are not known here (searches of the provider) say nothing. Raises UpstreamFailed."""
    data = bytes(raw)
    kind = read_told(KIND, data).type
    if kind == "message":
        try:
            yield from read_parts(read_told(_MESSAGE, data).content, "output")
        except InvalidRequest as error:
            raise UpstreamFailed(f"The provider's answer cannot be read: {error.message}") from None
    elif kind == "function_call":
        call = read_told(_CALL, data)
        yield ToolCall(call.call_id, call.name, call.arguments)
    elif kind == "reasoning":
        yield from read_reasoning(data)
    elif kind == "image_generation_call":
        yield from read_image(data)


def read_reasoning(data: bytes, *, told: bool = False) -> Iterator[Reasoning]:
    """The thinking of an item, if it tells any; `told`: its text was told before."""
    item = read_told(_REASONING, data)
    text = thought_text(item)
    if text or item.encrypted_content is not None:
        yield read_proof(text, item.encrypted_content, None, told=told)


def read_image(data: bytes) -> Iterator[Image]:
    """The image of an item, if it is made."""
    told = read_told(_IMAGE, data)
    if told.result is None:
        return
    if told.result.startswith(("http://", "https://")):
        yield Image(url=told.result)
        return
    inside = data_urls.split(told.result)
    yield Image(*inside) if inside is not None else Image(f"image/{told.output_format or 'png'}", told.result)


def _logprobs(output: list[msgspec.Raw]) -> tuple[dict[str, object], ...] | None:
    found: list[dict[str, object]] = []
    for raw in output:
        if read_told(KIND, bytes(raw)).type != "message":
            continue
        content = read_told(_MESSAGE, bytes(raw)).content
        for part in content if isinstance(content, list) else ():
            if isinstance(part, wire.OutputText) and part.logprobs:
                found += part.logprobs
    return tuple(found) or None


def write_answer(answer: Answer, about: About) -> bytes:
    """A whole answer for a client. This dialect has one choice."""
    choice = answer.choices[0] if answer.choices else Choice((), "stop")
    items = list(_items(choice, about.id.removeprefix("resp_")))
    return Frame(about).ended(choice.reason, items, answer.usage)[1]


def _items(choice: Choice, suffix: str) -> Iterator[bytes]:
    """The items of the output; texts that follow each other are one message."""
    status = "incomplete" if choice.reason == "length" else "completed"
    said: list[OpenPart] = []
    logprobs = list(choice.logprobs or ())
    number = 0
    for part in choice.parts:
        if isinstance(part, Text | Refusal):
            kind = "output_text" if isinstance(part, Text) else "refusal"
            said.append(OpenPart("output_text" if kind == "output_text" else "refusal", len(said), [part.text]))
            if kind == "output_text" and logprobs:
                said[-1].logprobs, logprobs = logprobs, []
            continue
        if said:
            yield message_item(f"msg_{suffix}_{number}", [one.told() for one in said], status)
            said, number = [], number + 1
        item = _item(part, f"{suffix}_{number}", status)
        if item is not None:
            yield item
            number += 1
    if said:
        yield message_item(f"msg_{suffix}_{number}", [one.told() for one in said], status)


def _item(part: Part, suffix: str, status: str) -> bytes | None:
    if isinstance(part, ToolCall):
        return call_item(f"fc_{suffix}", part.id, part.name, part.arguments, status)
    if isinstance(part, Reasoning):
        parts = [OpenPart("summary_text", 0, [part.text])] if part.text else []
        return reasoning_item(f"rs_{suffix}", parts, write_proof(part.signature, part.redacted))
    if isinstance(part, Image):
        return image_item(f"ig_{suffix}", part.data if part.data is not None else part.url, part.media_type, status)
    return None
