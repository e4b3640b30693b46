"""Spans on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from corral.telemetry.lines import sayable
from corral.telemetry.spans import MAX_TEXT, Kind, Span, Value

LAYERS = ("browser", "http", "realtime", "agents", "storage", "inference", "engine")
"""Where something happens, from the outside to the inside."""
_ENGINE = ("engine ", "read the prompt", "write the answer")


def layer_of(span: Span) -> str:
    """The layer of a span that was taken here: it says its room, or its name does."""
    room = span.attributes.get("room")
    if isinstance(room, str) and room in LAYERS:
        return room
    if span.name.startswith(_ENGINE):
        return "engine"
    return "http" if span.kind is Kind.SERVER else "inference"


def span_form(span: Span, layer: str, place: Mapping[str, Any]) -> dict[str, Any]:
    """A span; times in milliseconds since 1970. `place`: slot and task, told of engines' spans."""
    facts = {key: _shown(value) for key, value in span.attributes.items() if key != "room"}
    if layer == "engine":
        facts |= place
    return {
        "id": span.trace.span_id, "parentId": span.trace.parent_id or None, "traceId": span.trace.trace_id,
        "name": sayable(span.name[:200]), "layer": layer, "start": span.start / 1e6, "ms": (span.end - span.start) / 1e6,
        "attributes": facts, "error": sayable(span.error[:200]) or None,
        "marks": [{"at": at / 1e6, "name": name} for at, name in span.marks],
    }  # fmt: skip


def in_order(forms: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """By beginning; what lies around others comes before them."""
    return sorted(forms, key=lambda one: (one["start"], -one["ms"]))


def _shown(value: Value) -> Value:
    return sayable(value[:MAX_TEXT]) if isinstance(value, str) else value
