"""The `response` object, which begins, ends and is the whole of an answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from corral.dialects.form import ChatRequest, Format, StopReason, Usage
from corral.dialects.openai_chat.writing import effort_of
from corral.dialects.openai_responses import wire
from corral.dialects.openai_responses.writing import write_format, write_tool
from corral.dialects.ports import About
from corral.kit.errors import (
    ContextExceeded,
    CorralError,
    InvalidRequest,
    QuotaExhausted,
    TooManyRequests,
)

_encode = msgspec.json.Encoder().encode

_CODES: tuple[tuple[type[CorralError], str], ...] = (
    (ContextExceeded, "context_length_exceeded"),
    (InvalidRequest, "invalid_prompt"),
    (QuotaExhausted, "insufficient_quota"),
    (TooManyRequests, "rate_limit_exceeded"),
)
_INCOMPLETE: dict[StopReason, str] = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
    "refusal": "content_filter",
}


class Frame:
    """The facts of one answer that stay the same from its first event to its last."""

    def __init__(self, about: About) -> None:
        request = about.request
        self._head = _encode({"id": about.id, "object": "response", "created_at": about.created})[:-1]
        self._tail = _encode(
            {
                "background": False,
                "instructions": None,
                "max_output_tokens": request.max_tokens,
                "model": about.model,
                "parallel_tool_calls": request.parallel_tools is not False,
                "previous_response_id": None,
                "reasoning": _reasoning(request),
                "store": False,
                "temperature": request.temperature,
                "text": {"format": write_format(request.format or Format("text"))},
                "tool_choice": _tool_choice(request),
                "tools": [write_tool(tool, native=False) for tool in request.tools],
                "top_p": request.top_p,
                "truncation": "disabled",
                "user": request.user,
                "metadata": request.metadata or {},
            }
        )[1:]

    def begun(self) -> bytes:
        """The object while the answer is being written."""
        return self._told("in_progress", (), None)

    def ended(self, reason: StopReason, output: Iterable[bytes], usage: Usage | None) -> tuple[str, bytes]:
        """How the answer ended (completed or incomplete), and the object that says so."""
        why = _INCOMPLETE.get(reason)
        status = "completed" if why is None else "incomplete"
        details = None if why is None else {"reason": why}
        return status, self._told(status, output, usage, details=details)

    def failed(self, error: CorralError, output: Iterable[bytes]) -> bytes:
        """The object of an answer that failed."""
        return self._told("failed", output, None, error={"code": error_code(error), "message": error.message})

    def _told(
        self,
        status: str,
        output: Iterable[bytes],
        usage: Usage | None,
        *,
        error: dict[str, str] | None = None,
        details: dict[str, str] | None = None,
    ) -> bytes:
        state = _encode({"status": status, "error": error, "incomplete_details": details})[1:-1]
        told = _encode(write_usage(usage) if usage is not None else None)
        return b"".join(
            (self._head, b",", state, b',"output":[', b",".join(output), b'],"usage":', told, b",", self._tail)
        )


def _reasoning(request: ChatRequest) -> dict[str, Any]:
    thinking = request.thinking
    if thinking is None:
        return {"effort": None, "summary": None}
    return {"effort": effort_of(thinking), "summary": thinking.summary}


def _tool_choice(request: ChatRequest) -> Any:
    choice = request.tool_choice
    if choice is None:
        return "auto"
    return {"type": "function", "name": choice.name} if choice.mode == "tool" else choice.mode


def error_code(error: CorralError) -> str:
    """The code of a failure after the answer had begun."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), "server_error")


def write_usage(usage: Usage) -> dict[str, Any]:
    """`usage`."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.cache_write_tokens},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def read_usage(usage: wire.Usage) -> Usage:
    """`usage`."""
    details, spent = usage.input_tokens_details, usage.output_tokens_details
    return Usage(
        usage.input_tokens or 0,
        usage.output_tokens or 0,
        (details.cached_tokens or 0) if details is not None else 0,
        (details.cache_write_tokens or 0) if details is not None else 0,
        (spent.reasoning_tokens or 0) if spent is not None else 0,
    )
