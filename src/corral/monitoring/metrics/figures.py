"""What engines say about themselves: the text of `/metrics` and the list of `/slots`, and rates from two of them.

`/metrics` of llama.cpp neither wakes an engine that sleeps nor keeps it awake, so it is always asked; `/slots` does
wake it, so it is only asked where the metrics tell of work. Tokens of an answer that is under way stand in its slot and
enter the counter at its end, so both together grow steadily.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

_NAMES = {
    b"llamacpp:tokens_predicted_total": "tokens", b"llamacpp:prompt_tokens_total": "prompt_tokens",
    b"llamacpp:requests_processing": "running", b"llamacpp:requests_deferred": "deferred",
    b"llamacpp:kv_cache_usage_ratio": "kv_use", b"vllm:generation_tokens_total": "tokens",
    b"vllm:prompt_tokens_total": "prompt_tokens", b"vllm:num_requests_running": "running",
    b"vllm:num_requests_waiting": "deferred", b"vllm:gpu_cache_usage_perc": "kv_use", b"vllm:kv_cache_usage_perc": "kv_use",
    b"sglang:generation_tokens_total": "tokens", b"sglang:prompt_tokens_total": "prompt_tokens",
    b"sglang:num_running_reqs": "running", b"sglang:num_queue_reqs": "deferred", b"sglang:token_usage": "kv_use",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Counters:
    """What an engine counted so far. `tokens` and `prompt_tokens` only grow, as long as it runs."""

    tokens: float
    prompt_tokens: float
    running: int = 0
    deferred: int = 0
    kv_use: float | None = None


@dataclass(frozen=True, slots=True)
class SlotFigures:
    """What its slots hold: those at work, tokens of answers under way, and the share of the cache in use."""

    busy: int
    count: int
    pending_tokens: int
    kv_use: float | None


def parse_counters(text: bytes) -> Counters | None:
    """The counters of `/metrics`; None when it tells nothing that is known. Labels are added up (kv_use: the largest)."""
    values: dict[str, float] = {}
    for line in text.splitlines():
        if not line or line[0] == 0x23:
            continue
        name, _, rest = line.partition(b" ")
        if b"{" in line:
            name, rest = line[: line.index(b"{")], line.rpartition(b"}")[2].strip()
        known = _NAMES.get(name)
        if known is None:
            continue
        try:
            value = float(rest.split()[0])
        except (ValueError, IndexError):
            continue
        if math.isfinite(value) and value >= 0:
            values[known] = max(values.get(known, 0.0), value) if known == "kv_use" else values.get(known, 0.0) + value
    if "tokens" not in values:
        return None
    kv_use = values.get("kv_use")
    return Counters(
        values["tokens"],
        values.get("prompt_tokens", 0.0),
        int(values.get("running", 0.0)),
        int(values.get("deferred", 0.0)),
        min(1.0, kv_use) if kv_use is not None else None,
    )


class _Next(msgspec.Struct):
    n_decoded: int = 0


class _Slot(msgspec.Struct):
    n_ctx: int = 0
    is_processing: bool = False
    n_prompt_tokens: int = 0
    next_token: list[_Next] | _Next | None = None


class _Props(msgspec.Struct):
    is_sleeping: bool = False


_slots = msgspec.json.Decoder(list[_Slot])
_props = msgspec.json.Decoder(_Props)


def is_awake(body: bytes) -> bool:
    """Whether `/props` tells of an engine that does not sleep. Asking for it wakes nobody."""
    try:
        return not _props.decode(body).is_sleeping
    except msgspec.DecodeError:
        return False


def parse_slots(body: bytes) -> SlotFigures | None:
    """The figures of `/slots`; None for what is not llama.cpp's list."""
    try:
        slots = _slots.decode(body)
    except msgspec.DecodeError:
        return None
    if not slots:
        return None
    room = sum(max(0, slot.n_ctx) for slot in slots)
    used = sum(min(max(0, slot.n_prompt_tokens), max(0, slot.n_ctx)) for slot in slots)
    busy = [slot for slot in slots if slot.is_processing]
    return SlotFigures(len(busy), len(slots), sum(map(_decoded, busy)), used / room if room else None)


def _decoded(slot: _Slot) -> int:
    following = slot.next_token
    if isinstance(following, list):
        return sum(max(0, one.n_decoded) for one in following)
    return max(0, following.n_decoded) if following is not None else 0


@dataclass(frozen=True, slots=True)
class Totals:
    """An engine's totals at a moment (monotonic seconds). `pending` are tokens of answers that are not counted yet."""

    moment: float
    tokens: float
    prompt_tokens: float
    pending: int = 0


def rate(before: Totals | None, now: Totals) -> tuple[float, float]:
    """Tokens and prompt tokens a second between two totals of one run of an engine.

    A counter that went back has begun anew, as after a sleep. Pending tokens that are gone while the counter stands
    still belong to an answer that was given up.
    """
    if before is None or now.moment <= before.moment:
        return 0.0, 0.0
    seconds = now.moment - before.moment
    if now.tokens < before.tokens:
        tokens = now.tokens + now.pending
    else:
        tokens = max(0.0, now.tokens + now.pending - before.tokens - before.pending)
    fresh = now.prompt_tokens < before.prompt_tokens
    prompt = now.prompt_tokens - (0.0 if fresh else before.prompt_tokens)
    return round(tokens / seconds, 2), round(prompt / seconds, 2)
