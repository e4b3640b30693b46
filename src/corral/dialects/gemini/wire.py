"""The shapes of Gemini's generateContent as they are on the wire, and its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from corral.dialects.form import StopReason

NAME = "gemini"
SIGNED = "gemini:"
"""Before a signature in our form: only Gemini takes what Gemini signed, and only that."""

ANY_SIGNATURE = "skip_thought_signature_validator"
"""What the API takes in place of a signature for a call that another model made (see its guide on thought signatures)."""

Json = dict[str, Any]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Amount = Annotated[float, msgspec.Meta(ge=-100, le=1000)]
NOTHING = msgspec.Raw()


class Blob(msgspec.Struct, rename="camel"):
    """`inlineData` and `fileData`."""

    mime_type: str = ""
    data: str | None = None
    file_uri: str | None = None


class FunctionCall(msgspec.Struct, rename="camel"):
    """A call; `args` is an object."""

    name: str = ""
    id: str | None = None
    args: msgspec.Raw = NOTHING


class FunctionResponse(msgspec.Struct, rename="camel"):
    """What a function answered."""

    name: str = ""
    id: str | None = None
    response: msgspec.Raw = NOTHING


class Part(msgspec.Struct, rename="camel"):
    """A part of a content: one of its fields is set."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: Blob | None = None
    file_data: Blob | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None


class Content(msgspec.Struct, rename="camel"):
    """A message."""

    parts: list[Part] | None = None
    role: str | None = None


class Calling(msgspec.Struct, rename="camel"):
    """`toolConfig.functionCallingConfig`."""

    mode: Literal["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"] = "AUTO"
    allowed_function_names: list[str] | None = None


class Thinking(msgspec.Struct, rename="camel"):
    """`generationConfig.thinkingConfig`."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class TokenProbability(msgspec.Struct, rename="camel"):
    """A token and its log-probability."""

    token: str = ""
    token_id: int | None = None
    log_probability: float = 0.0


class TopTokens(msgspec.Struct, rename="camel"):
    """The likeliest tokens at one place."""

    candidates: list[TokenProbability] = []


class Logprobs(msgspec.Struct, rename="camel"):
    """`logprobsResult`."""

    chosen_candidates: list[TokenProbability] = []
    top_candidates: list[TopTokens] = []


class Candidate(msgspec.Struct, rename="camel"):
    """One of the answers, or a piece of it."""

    content: Content | None = None
    finish_reason: str | None = None
    index: Count = 0
    logprobs_result: Logprobs | None = None


class Feedback(msgspec.Struct, rename="camel"):
    """`promptFeedback`."""

    block_reason: str | None = None


class Usage(msgspec.Struct, rename="camel"):
    """`usageMetadata`: thinking is counted beside the answer, cached tokens within the prompt."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None


class Response(msgspec.Struct, rename="camel"):
    """A whole answer, or one chunk of a stream: they have the same form."""

    candidates: list[Candidate] | None = None
    prompt_feedback: Feedback | None = None
    usage_metadata: Usage | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Json | None = None


_FILTERED = (
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "MODEL_ARMOR",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "ESCALATION",
)

FINISH_REASONS: Mapping[str, StopReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "pause",
    **dict.fromkeys(_FILTERED, "content_filter"),
}
"""Those that are not named here (a malformed call, "other") mean that the model broke off."""

REASONS_OUT: Mapping[StopReason, str] = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refusal": "PROHIBITED_CONTENT",
    "pause": "CONTINUATION",
    "error": "OTHER",
}
