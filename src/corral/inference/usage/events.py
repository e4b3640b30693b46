"""From the record of a request to its event."""

from __future__ import annotations

import msgspec

from corral.dialects.form import Usage
from corral.inference.money import nanos_of
from corral.inference.routes.types import LOCAL
from corral.inference.types import Attempt, Record

_NOTHING = Usage(0, 0)

Event = tuple[str | int | bool | None, ...]
"""A row of the table, in the order of its columns; the first is its id."""


def cost_of(record: Record) -> int | None:
    """What a request cost, all attempts together, in billionths of a dollar; None when a price that counts is not known."""
    total = 0
    for attempt in record.attempts:
        cost = nanos_of(attempt)
        if cost is not None:
            total += cost
        elif attempt.tokens and not (attempt.prices is None and attempt.provider == LOCAL):
            return None
    return total


def event_of(record: Record, by: Attempt | None, identity: str, zero: float) -> Event:
    """The row of an event of a request that was answered by `by`. `zero` is when the monotonic clock was 0, in milliseconds since 1970; its own time is its beginning."""
    ask, began, ended, attempts = record.ask, record.began, record.ended, record.attempts
    count, first = len(attempts), record.first_content
    # Of one attempt, as nearly always, there is nothing to add up.
    usage = by.usage if by is not None and count == 1 else record.usage
    if usage is None:
        usage = _NOTHING
    return (
        identity,
        int(zero + began * 1000),
        ask.request_id,
        record.user_id,
        record.key_id or None,
        ask.operation,
        ask.dialect,
        ask.stream,
        record.route[:200],
        by.provider[:200] if by is not None else None,
        by.model[:512] if by is not None else None,
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
        attempts[0].estimated if count == 1 else any(attempt.estimated for attempt in attempts),
        cost_of(record),
        _since(began, first) if first is not None else None,
        int((ended - began) * 1000) if ended is not None else 0,
        record.outcome,
        record.error[:64] or None,
        record.cache,
        count,
        _tried(attempts) if count > 1 else None,
    )


def _since(began: float, moment: float | None) -> int | None:
    return None if moment is None else max(0, int((moment - began) * 1000))


def _tried(attempts: list[Attempt]) -> str:
    told = [
        {
            "provider": one.provider,
            "model": one.model,
            "kind": one.kind,
            "key": one.key,
            "outcome": one.outcome,
            "error": one.error,
            "promptTokens": one.usage.prompt_tokens if one.usage else None,
            "completionTokens": one.usage.completion_tokens if one.usage else None,
            "firstContentMs": _since(one.began, one.first_content),
            "durationMs": _since(one.began, one.ended),
        }
        for one in attempts
    ]
    return msgspec.json.encode(told).decode()
