"""Errors in OpenAI's form: `{"error": {"message", "type", "param", "code"}}`, and what other servers of the dialect make of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from corral.dialects.failures import MAX_MESSAGE, by_status, too_long
from corral.kit.errors import (
    ContentFiltered,
    ContextExceeded,
    CorralError,
    InvalidRequest,
    QuotaExhausted,
    RateLimited,
    UpstreamFailed,
)
from corral.kit.rendering import render_openai

_MAX_WAIT = 24 * 3600.0

_QUOTA = frozenset({"insufficient_quota", "billing_not_active", "billing_hard_limit_reached", "access_terminated"})
_CONTEXT = frozenset({"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"})
_CONTENT = frozenset({"content_filter", "content_policy_violation", "moderation_blocked"})
_RATE = frozenset({"rate_limit_exceeded", "rate_limit_error", "rate_limited"})
_KINDS = {
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "timeout_error": 504,
}
_LIMIT = re.compile(r"(?:context (?:length|window)|context size|maximum)\D{0,60}?(\d+)", re.IGNORECASE)
_ASKED = (
    re.compile(r"(\d+) in the messages", re.IGNORECASE),
    re.compile(r"(?:resulted in|requested|contains|has|input is|prompt is)(?: about| at least)? (\d+)", re.IGNORECASE),
    re.compile(r"\((\d+) tokens\)"),
)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def write_error(error: CorralError) -> bytes:
    """The body of an error answer."""
    return msgspec.json.encode(render_openai(error))


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> CorralError:
    """What an answer with a status of 400 and more means (header names in lower case)."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        told = body[:MAX_MESSAGE].decode("utf-8", "replace").strip()
    return told_error(status, headers, told)


def told_error(status: int, headers: Mapping[str, str], told: Any) -> CorralError:
    """What `told`, an error as plain values, means. `status` 200 is for one inside an answer that had begun well."""
    facts = _facts(told)
    message = str(facts.get("message") or facts.get("detail") or f"status {status}")[:MAX_MESSAGE]
    kinds = {str(facts.get("code")), str(facts.get("type")), str(facts.get("status"))}
    wait = retry_after(headers)
    if status < 400:
        code = facts.get("code") or facts.get("status")
        known = code if isinstance(code, int) and 400 <= code < 600 else 502
        status = next((_KINDS[kind] for kind in kinds if kind in _KINDS), known)
    param = facts.get("param")
    param = param if isinstance(param, str) else None
    if kinds & _CONTEXT or (400 <= status < 500 and "context length" in message and "maximum" in message):
        return _context(message, facts)
    if kinds & _QUOTA or status == 402:
        return QuotaExhausted(f"The account at the provider is used up: {message}")
    if kinds & _CONTENT:
        return ContentFiltered(f"The provider's rules refuse the prompt: {message}", param=param)
    if status == 429 or kinds & _RATE:
        return RateLimited(f"The provider takes no more for now: {message}", retry_after=wait)
    if kinds & {"overloaded_error", "server_overloaded", "engine_overloaded"}:
        status = 529
    return _by_status(status, message, wait, param)


def _by_status(status: int, message: str, wait: float | None, param: str | None) -> CorralError:
    if status in (409, 425):
        return UpstreamFailed(f"The provider cannot do it now: {message}", retry_after=wait)
    if status == 501:
        return InvalidRequest(f"The provider cannot do this: {message}", param=param)
    # 524: a proxy in front of the provider waited too long.
    return by_status(504 if status == 524 else status, message, retry_after=wait, param=param)


def _facts(told: Any) -> dict[str, Any]:
    """The error's own object, wherever a server puts it."""
    if isinstance(told, list) and told:
        told = told[0]
    if isinstance(told, str):
        return {"message": told}
    if not isinstance(told, dict):
        return {}
    error = told.get("error", told)
    if isinstance(error, str):
        return {**told, "message": told.get("message") or error}
    if not isinstance(error, dict):
        return {}
    for key in ("message", "detail"):
        if isinstance(error.get(key), list | dict):
            error = {**error, key: msgspec.json.encode(error[key]).decode()}
    return error


def _context(message: str, facts: Mapping[str, Any]) -> ContextExceeded:
    prompt, context = facts.get("n_prompt_tokens"), facts.get("n_ctx")
    if not isinstance(context, int):
        match = _LIMIT.search(message)
        context = int(match[1]) if match else None
    if not isinstance(prompt, int):
        found = next((match for pattern in _ASKED if (match := pattern.search(message))), None)
        prompt = int(found[1]) if found else None
    if prompt is None or context is None:
        return ContextExceeded(message, details={"n_prompt_tokens": prompt, "n_ctx": context}, param="messages")
    return too_long(prompt, context)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a provider asks to wait, at most a day: `Retry-After` (seconds or a date), or OpenAI's own headers."""
    for name, reading in _WAITS:
        value = headers.get(name)
        if value is None:
            continue
        seconds = reading(value, headers)
        if seconds is not None:
            return min(max(seconds, 0.0), _MAX_WAIT)
    return None


def _number(value: str, scale: float = 1.0) -> float | None:
    try:
        seconds = float(value) * scale
    except ValueError:
        return None
    return seconds if seconds == seconds and abs(seconds) != float("inf") else None


def _moment(value: str, headers: Mapping[str, str]) -> float | None:
    """A date, counted from the date of the answer itself: the clocks of two machines differ."""
    seconds = _number(value)
    if seconds is not None:
        return seconds
    until, now = _date(value), _date(headers.get("date", ""))
    return (until - now).total_seconds() if until is not None and now is not None else None


def _date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return None
    return moment if moment.tzinfo is not None else None


def _span(value: str, _: Mapping[str, str]) -> float | None:
    found = _SPAN.findall(value)
    return sum(float(amount) * _SECONDS[unit] for amount, unit in found) if found else _number(value)


_WAITS: tuple[tuple[str, Callable[[str, Mapping[str, str]], float | None]], ...] = (
    ("retry-after-ms", lambda value, _: _number(value, 0.001)),
    ("retry-after", _moment),
    ("x-ratelimit-reset-requests", _span),
    ("x-ratelimit-reset-tokens", _span),
)
