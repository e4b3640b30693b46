"""What Claude Code puts before every prompt and changes with every request."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from corral.dialects.form import ChatRequest, Part, Text

_BILLING = re.compile(r"x-anthropic-billing-header:[^\n]*(?:\n|$)")
_HEAD = b"x-anthropic-billing-header:"


def normalise_prefix(request: ChatRequest) -> ChatRequest:
    """The request without Claude Code's billing line, which says nothing to a model and, because it is the first line of the
    instructions and never the same, makes an engine read every prompt anew. Only the head of the instructions is looked at."""
    for index, message in enumerate(request.messages):
        if message.role not in ("system", "developer"):
            break
        parts = tuple(_without(message.parts))
        if parts == message.parts:
            continue
        kept = (msgspec.structs.replace(message, parts=parts),) if parts else ()
        messages = (*request.messages[:index], *kept, *request.messages[index + 1 :])
        return msgspec.structs.replace(request, messages=messages)
    return request


def has_billing_line(body: bytes) -> bool:
    """Whether `normalise_prefix` may have something to do: a cheap look at a body as it came."""
    return _HEAD in body


def _without(parts: tuple[Part, ...]) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, Text) and (match := _BILLING.match(part.text)):
            rest = part.text[match.end() :]
            if rest:
                yield Text(rest, part.cache)
        else:
            yield part
