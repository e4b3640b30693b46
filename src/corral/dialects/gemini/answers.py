"""Answers of Gemini's generateContent: whole, and as chunks of a stream, which have the same form."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from corral.dialects.decoding import read_told
from corral.dialects.fields import object_text, raw_object
from corral.dialects.form import (
    Answer,
    ChatEvent,
    Finished,
    Image,
    ImageDelta,
    Part,
    Reasoning,
    ReasoningDelta,
    Refusal,
    Started,
    StopReason,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from corral.dialects.gathering import gather
from corral.dialects.gemini import errors, wire
from corral.dialects.ports import About
from corral.kit.errors import ContentFiltered, InvalidRequest, UpstreamFailed

ENCODE = msgspec.json.Encoder().encode
RESPONSE = msgspec.json.Decoder(wire.Response)


class _Count(msgspec.Struct, rename="camel"):
    total_tokens: int


_COUNT = msgspec.json.Decoder(_Count)


class Chunks:
    """Turns answers and pieces of answers into events; remembers what the pieces have told so far."""

    def __init__(self) -> None:
        self._started = False
        self._id = ""
        self._calls: dict[int, int] = {}
        self._reasons: dict[int, StopReason | None] = {}
        self._usage: Usage | None = None

    @property
    def finished(self) -> bool:
        """Whether every candidate that began has ended, and one has."""
        return bool(self._reasons) and None not in self._reasons.values()

    def take(self, data: bytes, events: list[ChatEvent]) -> None:
        """Adds the events of one chunk. Raises the error that it tells, ContentFiltered for a prompt that was refused, UpstreamFailed."""
        response = read_told(RESPONSE, data)
        if response.error is not None:
            raise errors.of(response.error)
        if not self._started:
            self._started = True
            self._id = response.response_id or ""
            events.append(Started(self._id, response.model_version or ""))
        feedback = response.prompt_feedback
        if feedback is not None and feedback.block_reason and not response.candidates:
            raise ContentFiltered(f"The provider's rules do not allow the prompt ({feedback.block_reason[:60]}).")
        ended: list[Finished] = []
        for candidate in response.candidates or ():
            self._candidate(candidate, events, ended)
        if response.usage_metadata is not None:
            usage = read_usage(response.usage_metadata)
            if usage != self._usage:
                self._usage = usage
                events.append(usage)
        events.extend(ended)

    def _candidate(self, candidate: wire.Candidate, events: list[ChatEvent], ended: list[Finished]) -> None:
        index = candidate.index
        self._reasons.setdefault(index, None)
        logprobs = _read_logprobs(candidate.logprobs_result)
        for part in (candidate.content.parts if candidate.content is not None else None) or ():
            event = self._part(part, index)
            if isinstance(event, TextDelta) and logprobs is not None:
                event, logprobs = TextDelta(event.text, index, logprobs), None
            if event is not None:
                events.append(event)
        if logprobs is not None:
            events.append(TextDelta("", index, logprobs))
        told = candidate.finish_reason
        if told and told != "FINISH_REASON_UNSPECIFIED" and self._reasons[index] is None:
            reason = wire.FINISH_REASONS.get(told, "error")
            if reason == "stop" and self._calls.get(index):
                reason = "tool_calls"
            self._reasons[index] = reason
            ended.append(Finished(reason, index))

    def _part(self, part: wire.Part, choice: int) -> ChatEvent | None:
        signature = wire.SIGNED + part.thought_signature if part.thought_signature else None
        if part.function_call is not None:
            return self._call(part.function_call, choice, signature)
        if part.text is not None:
            if part.thought or (signature is not None and not part.text):
                return ReasoningDelta(part.text, choice, signature)
            return TextDelta(part.text, choice) if part.text else None
        blob = part.inline_data
        if blob is not None and blob.mime_type.startswith("image/"):
            return ImageDelta(Image(blob.mime_type, blob.data or ""), choice)
        return None

    def _call(self, call: wire.FunctionCall, choice: int, signature: str | None) -> ToolCallDelta:
        try:
            arguments = raw_object(call.args, "args")
        except InvalidRequest as error:
            raise UpstreamFailed(f"The provider's tool call is not as it must be: {error.message}") from None
        index = self._calls.get(choice, 0)
        self._calls[choice] = index + 1
        identity = call.id or self._made_id(choice, index, call.name, arguments)
        return ToolCallDelta(index, arguments, identity, call.name, choice, signature)

    def _made_id(self, *facts: object) -> str:
        """An id for a call that came without: different for every call of every answer, the same for the same bytes."""
        text = "\0".join(map(str, (self._id, *facts)))
        return "call_" + hashlib.blake2s(text.encode("utf-8", "replace"), digest_size=12).hexdigest()


def read_answer(body: bytes) -> Answer:
    """Raises UpstreamFailed for nonsense or an answer without an end, and the error for one that is told inside a 200."""
    chunks = Chunks()
    events: list[ChatEvent] = []
    chunks.take(body, events)
    if not chunks.finished:
        raise UpstreamFailed("The provider's answer has no end.")
    return gather(events)


def write_answer(answer: Answer, about: About) -> bytes:
    """A whole answer."""
    candidates = []
    for index, choice in enumerate(answer.choices):
        parts = [written for part in choice.parts if (written := write_part(part)) is not None]
        candidate = {
            "content": {"parts": parts, "role": "model"},
            "finishReason": wire.REASONS_OUT[choice.reason],
            "index": index,
        }
        if choice.logprobs is not None:
            candidate["logprobsResult"] = write_logprobs(choice.logprobs)
        candidates.append(candidate)
    return ENCODE(response(candidates, answer.usage, about))


def response(candidates: list[dict[str, Any]], usage: Usage | None, about: About) -> dict[str, Any]:
    """A whole answer or a chunk."""
    found: dict[str, Any] = {"candidates": candidates} if candidates else {}
    if usage is not None:
        found["usageMetadata"] = _write_usage(usage)
    found["modelVersion"] = about.model
    found["responseId"] = about.id
    return found


def write_part(part: Part) -> dict[str, Any] | None:
    """A part of an answer; None for what says nothing."""
    if isinstance(part, Text | Refusal):
        return {"text": part.text} if part.text else None
    if isinstance(part, Reasoning):
        found: dict[str, Any] = {"text": part.text}
        if part.text:
            found["thought"] = True
        if part.signature is not None:
            found["thoughtSignature"] = part.signature.removeprefix(wire.SIGNED)
        return found if len(found) > 1 else None
    if isinstance(part, ToolCall):
        arguments = object_text(part.arguments) or ENCODE({"INVALID_JSON": part.arguments})
        call: dict[str, Any] = {"functionCall": {"id": part.id, "name": part.name, "args": msgspec.Raw(arguments)}}
        if part.signature is not None:
            call["thoughtSignature"] = part.signature.removeprefix(wire.SIGNED)
        return call
    if isinstance(part, Image):
        if part.data is not None:
            return {"inlineData": {"mimeType": part.media_type or "image/png", "data": part.data}}
        return {"fileData": {"mimeType": part.media_type or "image/png", "fileUri": part.url or ""}}
    return None


def read_usage(told: wire.Usage) -> Usage:
    """Thinking counts to the answer in our form, the results of the provider's own tools to the prompt."""
    thought = max(told.thoughts_token_count or 0, 0)
    return Usage(
        max(told.prompt_token_count or 0, 0) + max(told.tool_use_prompt_token_count or 0, 0),
        max(told.candidates_token_count or 0, 0) + thought,
        max(told.cached_content_token_count or 0, 0),
        reasoning_tokens=thought,
    )


def _write_usage(usage: Usage) -> dict[str, int]:
    found = {
        "promptTokenCount": usage.prompt_tokens,
        "candidatesTokenCount": max(usage.completion_tokens - usage.reasoning_tokens, 0),
        "totalTokenCount": usage.prompt_tokens + usage.completion_tokens,
    }
    if usage.cached_tokens:
        found["cachedContentTokenCount"] = usage.cached_tokens
    if usage.reasoning_tokens:
        found["thoughtsTokenCount"] = usage.reasoning_tokens
    return found


def _read_logprobs(told: wire.Logprobs | None) -> tuple[Mapping[str, Any], ...] | None:
    """In OpenAI's form, which is ours."""
    if told is None or not told.chosen_candidates:
        return None
    found = []
    for place, chosen in enumerate(told.chosen_candidates):
        top = told.top_candidates[place].candidates if place < len(told.top_candidates) else []
        found.append({**_probability(chosen), "top_logprobs": [_probability(one) for one in top]})
    return tuple(found)


def _probability(told: wire.TokenProbability) -> dict[str, Any]:
    return {"token": told.token, "logprob": told.log_probability, "bytes": list(told.token.encode("utf-8", "replace"))}


def write_logprobs(logprobs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Log-probabilities in Gemini's form."""
    chosen, top = [], []
    for one in logprobs:
        chosen.append({"token": one.get("token", ""), "logProbability": one.get("logprob", 0.0)})
        others = one.get("top_logprobs") or ()
        listed = [{"token": other.get("token", ""), "logProbability": other.get("logprob", 0.0)} for other in others]
        top.append({"candidates": listed})
    return {"chosenCandidates": chosen, "topCandidates": top}


def read_count(body: bytes) -> int:
    """The answer of countTokens. Raises UpstreamFailed."""
    return max(read_told(_COUNT, body).total_tokens, 0)
