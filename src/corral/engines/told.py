"""What a running engine says that it has loaded: for engines whose file nobody here has read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from corral.engines.types import Door
from corral.kit.errors import UpstreamFailed, UpstreamTimeout
from corral.kit.http import Timeouts

_TIMEOUTS = Timeouts(connect=2.0, head=5.0, idle=5.0)
_LIMIT = 4 << 20
_MOST, _LONGEST = 100, 300


@dataclass(frozen=True, slots=True)
class Told:
    """The names that an engine answers to, and of the first what it says; None where it says nothing."""

    names: tuple[str, ...]
    parameters: int | None = None
    size_bytes: int | None = None
    context_length: int | None = None


async def ask(door: Door) -> Told | None:
    """Asks an engine; None when it is not there or says nothing of use."""
    if door.pool is None:
        return None
    try:
        response = await door.pool.request(b"GET", b"/v1/models", headers=door.headers, timeouts=_TIMEOUTS)
        body = await response.read(_LIMIT)
    except (UpstreamFailed, UpstreamTimeout):
        return None
    return read(body) if response.status == 200 else None


def read(body: bytes) -> Told | None:
    """Reads an answer of `/v1/models`, whoever wrote it; None when it names nothing."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    listed = answer.get("data") if isinstance(answer, dict) else None
    entries = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    named = [one for one in entries if _name(one.get("id"))][:_MOST]
    if not named:
        return None
    given = named[0].get("meta")
    meta: dict[str, Any] = given if isinstance(given, dict) else {}
    return Told(
        tuple(str(one["id"]) for one in named),
        _count(meta.get("n_params")),
        _count(meta.get("size")),
        _count(meta.get("n_ctx_train")) or _count(named[0].get("max_model_len")),
    )


def _name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable()


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**60 else None
