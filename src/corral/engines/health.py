"""Asking an engine how it is, and what it has loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from corral.engines.backends import Plan
from corral.kit.errors import UpstreamFailed, UpstreamTimeout
from corral.kit.http import HttpPool, Timeouts

_TIMEOUTS = Timeouts(connect=2.0, head=5.0, idle=5.0)
_LIMIT = 4 << 20


class Answer(Enum):
    """What a question for its health brought."""

    WELL = auto()
    LOADING = auto()
    """It answers, but is not there yet."""
    REFUSED = auto()
    """It does not take our key."""
    SILENT = auto()
    """It took too long."""
    GONE = auto()
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Health:
    """An answer, and in words what happened."""

    answer: Answer
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What an engine runs with: tokens of context for each request, and requests at once."""

    context_length: int
    slots: int


async def probe(plan: Plan) -> Health:
    """Its health now; never raises for what an engine does."""
    try:
        status, _ = await _get(plan, b"/health" if plan.native else b"/v1/models")
    except UpstreamTimeout as error:
        return Health(Answer.SILENT, error.message)
    except UpstreamFailed as error:
        return Health(Answer.GONE, error.message)
    if status == 200:
        return Health(Answer.WELL)
    return Health(Answer.REFUSED if status in (401, 403) else Answer.LOADING, f"it answered with status {status}.")


async def loaded(plan: Plan, fallback: Loaded) -> Loaded:
    """What the engine says that it has loaded, where it is a llama.cpp; `fallback` for any other."""
    try:
        status, body = await _get(plan, b"/props")
        props = json.loads(body) if status == 200 else {}
    except (UpstreamFailed, UpstreamTimeout, ValueError):
        return fallback
    if not isinstance(props, dict):
        return fallback
    settings = props.get("default_generation_settings")
    context = _positive(settings.get("n_ctx") if isinstance(settings, dict) else None)
    return Loaded(context or fallback.context_length, _positive(props.get("total_slots")) or fallback.slots)


async def sleeping(plan: Plan) -> bool:
    """Whether it has given its weights back for being idle; asking does not wake it."""
    try:
        status, body = await _get(plan, b"/props")
        props = json.loads(body) if status == 200 else {}
    except (UpstreamFailed, UpstreamTimeout, ValueError):
        return False
    return isinstance(props, dict) and props.get("is_sleeping") is True


async def _get(plan: Plan, path: bytes) -> tuple[int, bytes]:
    # A connection of its own: an old one may go on to answer where nobody takes a new one.
    pool = HttpPool(plan.address)
    try:
        response = await pool.request(b"GET", path, headers=plan.headers, timeouts=_TIMEOUTS)
        return response.status, await response.read(_LIMIT)
    finally:
        pool.close()


def _positive(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
