"""From the record of a request to its event."""

from __future__ import annotations

from typing import Any

import msgspec

from corral.dialects.form import Usage
from corral.inference.money import nanos_of
from corral.inference.routes.types import LOCAL
from corral.inference.types import Attempt, Record

_NOTHING = Usage(0, 0)


def cost_of(record: Record) -> int | None:
    """What a request cost, all attempts together, in billionths of a dollar; None when a price that counts is not known."""
    total = 0
    for attempt in record.attempts:
        usage = attempt.usage
        if usage is None or not (usage.prompt_tokens or usage.completion_tokens):
            continue
        cost = nanos_of(attempt)
        if cost is None and attempt.prices is None and attempt.provider == LOCAL:
            cost = 0
        if cost is None:
            return None
        total += cost
    return total


def event_of(record: Record, identity: str, now_ms: int, now: float) -> dict[str, Any]:
    """The row of an event. `now` is the monotonic moment of `now_ms`, the milliseconds since 1970; its own time is its beginning."""
    usage = record.usage or _NOTHING
    by = record.answered_by
    ended = record.ended if record.ended is not None else now
    return {
        "id": identity,
        "at": now_ms - int((now - record.began) * 1000),
        "request_id": record.ask.request_id[:128],
        "user_id": record.user_id[:64],
        "key_id": record.key_id[:64] or None,
        "operation": record.ask.operation,
        "dialect": record.ask.dialect[:32],
        "stream": record.ask.stream,
        "route": record.route[:200],
        "provider": by.provider[:200] if by is not None else None,
        "model": by.model[:512] if by is not None else None,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "estimated": any(attempt.estimated for attempt in record.attempts),
        "cost": cost_of(record),
        "first_content_ms": _since(record.began, record.first_content),
        "duration_ms": max(0, int((ended - record.began) * 1000)),
        "outcome": record.outcome,
        "error": record.error[:64] or None,
        "cache": record.cache,
        "attempts": len(record.attempts),
        "tried": _tried(record.attempts) if len(record.attempts) > 1 else None,
    }


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
