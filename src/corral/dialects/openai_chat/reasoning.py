"""Thinking beside the answer: `reasoning_content` (DeepSeek, llama.cpp, vLLM), `reasoning` and `reasoning_details` (OpenRouter).

The details carry what the plain text cannot: signatures and thinking that only its provider can read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from corral.dialects.form import Reasoning


def from_details(details: Sequence[Any] | None) -> list[Reasoning]:
    """The thinking that `details` tell, where they tell more than text; else nothing."""
    found: list[Reasoning] = []
    telling = False
    for one in details or ():
        if not isinstance(one, dict):
            continue
        signature, data, text = one.get("signature"), one.get("data"), one.get("text", one.get("summary"))
        identity = one.get("id") if isinstance(one.get("id"), str) else None
        if one.get("type") == "reasoning.encrypted" and isinstance(data, str):
            found.append(Reasoning(redacted=data, id=identity))
            telling = True
        elif isinstance(text, str) or isinstance(signature, str):
            signature = signature if isinstance(signature, str) else None
            found.append(Reasoning(text if isinstance(text, str) else "", signature, id=identity))
            telling = telling or signature is not None or identity is not None
    return found if telling else []


def to_details(parts: Iterable[Reasoning]) -> list[dict[str, Any]]:
    """The details of `parts`, when one of them has more than text; else nothing."""
    parts = list(parts)
    if not any(part.signature or part.redacted is not None or part.id for part in parts):
        return []
    return [_detail(part, index) for index, part in enumerate(parts)]


def _detail(part: Reasoning, index: int) -> dict[str, Any]:
    detail: dict[str, Any]
    if part.redacted is not None:
        detail = {"type": "reasoning.encrypted", "data": part.redacted, "index": index}
    else:
        detail = {"type": "reasoning.text", "text": part.text, "index": index}
        if part.signature is not None:
            detail["signature"] = part.signature
    if part.id is not None:
        detail["id"] = part.id
    return detail
