"""What answers and streams of OpenAI's chat share: stop reasons, usage, images."""

from __future__ import annotations

from typing import Any

from corral.dialects import data_urls
from corral.dialects.form import Image, StopReason, Timings, Usage
from corral.dialects.openai_chat import wire
from corral.kit.errors import UpstreamFailed

_LONGEST_MS = 1e9
_MOST_TOKENS = 1 << 31
_READ: dict[str, StopReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "model_length": "length",
}
_WRITTEN: dict[StopReason, str] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "stop",
    "error": "error",
}


def read_reason(reason: str, stop_reason: Any, *, called: bool) -> tuple[StopReason, str | None]:
    """Why it stopped, and the sequence that ended it where that is told (vLLM's `stop_reason`). Where tools were `called`, some
    servers say `stop` all the same.

    Raises UpstreamFailed when it stopped for a failure: that is no end.
    """
    if reason == "error":
        raise UpstreamFailed("The provider broke the answer off.")
    known = _READ.get(reason, "stop")
    if known == "stop" and called:
        return "tool_calls", None
    if known == "stop" and isinstance(stop_reason, str):
        return "stop_sequence", stop_reason
    return known, None


def write_reason(reason: StopReason, *, legacy: bool = False) -> str:
    """`finish_reason`."""
    return "function_call" if legacy and reason == "tool_calls" else _WRITTEN[reason]


def read_usage(usage: wire.Usage, timings: Any = None) -> Usage:
    """Some count thinking beside the answer's tokens and only sum it up in the total; here the answer includes it."""
    prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
    details, spent = usage.prompt_tokens_details, usage.completion_tokens_details
    thought = (spent.reasoning_tokens or 0) if spent is not None else 0
    if thought and usage.total_tokens == prompt + completion + thought:
        completion += thought
    cached = details.cached_tokens if details is not None else None
    if cached is None:
        cached = usage.prompt_cache_hit_tokens or 0
    written = (details.cache_write_tokens or 0) if details is not None else 0
    return Usage(prompt, completion, cached, written, thought, read_timings(timings) if timings is not None else None)


def read_timings(told: Any) -> Timings | None:
    """llama.cpp's `timings`; None for what only looks like them."""
    if not isinstance(told, dict):
        return None
    read, wrote = told.get("prompt_ms"), told.get("predicted_ms")
    if not (isinstance(read, int | float) and isinstance(wrote, int | float)) or not 0 <= read + wrote < _LONGEST_MS:
        return None
    counts = (told.get("prompt_n"), told.get("predicted_n"))
    prompt, predicted = (count if isinstance(count, int) and 0 <= count < _MOST_TOKENS else 0 for count in counts)
    return Timings(max(0.0, read), max(0.0, wrote), prompt, predicted)


def write_usage(usage: Usage) -> dict[str, Any]:
    """`usage`."""
    prompt_details: dict[str, int] = {"cached_tokens": usage.cached_tokens}
    if usage.cache_write_tokens:
        prompt_details["cache_write_tokens"] = usage.cache_write_tokens
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def read_images(images: list[Any] | None) -> list[Image]:
    """Images that the model made, as OpenRouter tells them."""
    found = []
    for one in images or ():
        place = one.get("image_url") if isinstance(one, dict) else None
        url = place.get("url") if isinstance(place, dict) else place
        if isinstance(url, str):
            inside = data_urls.split(url)
            found.append(Image(url=url) if inside is None else Image(*inside))
    return found


def write_image(image: Image) -> dict[str, Any]:
    """An image that the model made."""
    url = image.url if image.data is None else data_urls.join(image.media_type or "image/png", image.data)
    return {"type": "image_url", "image_url": {"url": url or ""}}


def spoken(content: str | list[Any] | None) -> tuple[str, str]:
    """Text and thinking of a `content`, which some (Mistral) tell in parts."""
    if not isinstance(content, list):
        return content or "", ""
    texts: dict[str, list[str]] = {"text": [], "thinking": []}
    for part in content:
        if not isinstance(part, dict):
            continue
        kind = part.get("type")
        told = part.get("text" if kind == "text" else "thinking")
        if isinstance(told, list):
            told = "".join(one["text"] for one in told if isinstance(one, dict) and isinstance(one.get("text"), str))
        if isinstance(told, str):
            texts["text" if kind == "text" else "thinking"].append(told)
    return "".join(texts["text"]), "".join(texts["thinking"])
