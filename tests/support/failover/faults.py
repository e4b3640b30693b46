"""The failures, one entry each: what the scripted provider does, and in which phases of an answer that can happen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Act = dict[str, Any]
Phase = Literal["connection", "answer", "start", "thinking", "text", "json", "tool", "end", "body"]
Deadline = Literal["", "silence", "whole"]
"""Which of a route's or provider's times ends what does not end by itself."""

PHASES: Mapping[Phase, str] = {
    "connection": "before any answer",
    "answer": "instead of an answer",
    "start": "the stream has begun, no content yet",
    "thinking": "in the middle of the thinking",
    "text": "in the middle of the text",
    "json": "in the middle of JSON by a schema",
    "tool": "in the middle of a tool call's JSON",
    "end": "behind the last word, before the finish reason",
    "body": "in the middle of the body",
}
STREAMED: tuple[Phase, ...] = ("start", "thinking", "text", "json", "tool", "end")

WORDS = [f"Wort{number:02}ß " for number in range(24)]
TEXT = "".join(WORDS)
"""No word twice, so that none is lost or doubled unnoticed."""
THOUGHTS = " ".join(f"Gedanke{number:02}" for number in range(6))
ARGUMENTS = {"city": "Köln am Rhein", "days": 3, "unit": "celsius"}
CALL = {"name": "weather", "arguments": ARGUMENTS}
VALUE = {"city": "Käse", "days": 7, "unit": "Käse"}
"""What a scripted provider says by itself, when it is asked for JSON of `SCHEMA`."""
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"type": "string"}},
    "required": ["city", "days", "unit"],
    "additionalProperties": False,
}
CUT: Mapping[Phase, int] = {"start": 0, "thinking": 3, "text": 10, "json": 3, "tool": 4, "end": len(WORDS)}
"""Behind how many tokens a stream breaks."""
USAGE = {"prompt": 7, "completion": 24}


def good(phase: Phase) -> Act:
    """What a provider that is well says in a cell of this phase."""
    if phase == "tool":
        return {"tool_calls": [CALL]}
    if phase == "json":
        # Asked by a tool it makes the same by itself.
        return {"text": json.dumps(VALUE, ensure_ascii=False), "usage": USAGE}
    return {"tokens": WORDS, "usage": USAGE, **({"reasoning": THOUGHTS} if phase == "thinking" else {})}


@dataclass(frozen=True, slots=True)
class Fault:
    """One way of failing. `act`: what a provider of a kind does in a phase. `whole`: its phases where no stream is asked for."""

    name: str
    says: str
    act: Callable[[Phase, str], Act]
    stream: tuple[Phase, ...] = ()
    whole: tuple[Phase, ...] = ()
    deadline: Deadline = ""
    gone: bool = False
    """Nobody listens at the provider's address."""
    final: bool = False
    """No candidate can mend it."""
    stays: bool = False
    """Asking the same one again cannot mend it."""


def _instead(**act: Any) -> Callable[[Phase, str], Act]:
    return lambda phase, kind: act


def _then(how: str, **more: Any) -> Callable[[Phase, str], Act]:
    def act(phase: Phase, kind: str) -> Act:
        said = good("text" if phase == "body" else phase)
        return {**said, "after": CUT.get(phase, 0), "then": how, **more}

    return act


def _before(name: str, says: str, **act: Any) -> Fault:
    return Fault(name, says, _instead(**act), ("connection",), ("connection",))


def _instead_of(name: str, says: str, *, final: bool = False, stays: bool = False, **act: Any) -> Fault:
    return Fault(name, says, _instead(**act), ("answer",), ("answer",), final=final, stays=stays)


def _spent(phase: Phase, kind: str) -> Act:
    """An account without credit, as each service says it."""
    if kind == "anthropic":
        return {"status": 400, "message": "Your credit balance is too low to access the API."}
    if kind in ("openai", "compatible"):
        return {"status": 429, "code": "insufficient_quota"}
    return {"status": 402, "message": "This needs a paid plan."}


FAULTS: tuple[Fault, ...] = (
    Fault("refused", "nobody listens", _instead(), ("connection",), ("connection",), gone=True, stays=True),
    _before("reset at once", "the connection is reset when the request is there", before="refuse"),
    _before("closed at once", "the connection is closed when the request is there", before="close"),
    _before("half a head", "the head of the answer breaks off", before="half_head"),
    _before("no HTTP", "what comes is not HTTP", before="garbage"),
    Fault("silent", "nothing comes", _instead(before="silent"), ("connection",), ("connection",), "silence"),
    _instead_of("400", "the request is refused", status=400, message="bad top_k", final=True, stays=True),
    _instead_of("401", "the key is refused", status=401, stays=True),
    Fault("quota", "the account is empty", _spent, ("answer",), ("answer",), stays=True),
    _instead_of("404", "the model is not known", status=404, stays=True),
    _instead_of("429", "too many requests, with Retry-After", status=429, retry_after=2),
    _instead_of("500", "it failed", status=500),
    _instead_of("503", "too much to do, with Retry-After", status=503, retry_after=2),
    _instead_of("content type", "a page of HTML, status 200", content_type="text/html"),
    _instead_of("empty", "status 200 and nothing else", status=200, body=""),
    _instead_of("error in 200", "an error as JSON, status 200", status=200, body='{"error": {"message": "broken", "type": "server_error"}}'),
    Fault("reset", "the connection is reset", _then("reset"), STREAMED, ("body",)),
    Fault("closed", "the connection is closed without an end of HTTP", _then("close"), STREAMED, ("body",)),
    Fault("truncated", "a clean end of HTTP, too early", _then("end"), STREAMED),
    Fault("half an event", "half an event, then a clean end of HTTP", _then("half"), STREAMED),
    Fault("malformed", "an event that is no JSON", _then("garbage"), STREAMED),
    Fault("error event", "an error, as the protocol tells it in a stream", _then("error"), STREAMED),
    Fault("stall", "silence", _then("stall"), STREAMED, ("body",), "silence"),
    Fault("pings", "pings, and nothing else", _then("pings"), ("start",), (), "silence"),
    Fault("slow drip", "a byte each tenth of a second", _then("drip"), ("start", "text"), ("body",), "whole"),
    Fault("endless line", "a line of 32 MiB", _then("endless"), ("start", "text")),
)  # fmt: skip
BY_NAME = {fault.name: fault for fault in FAULTS}
