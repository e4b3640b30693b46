"""OTLP's messages as plain values, named as its JSON form names them: https://opentelemetry.io/docs/specs/otlp/

64-bit integers are text there, and ids hexadecimal; `protobuf` and `encoding` make bytes of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from corral.telemetry.instruments import Histogram
from corral.telemetry.lines import sayable
from corral.telemetry.spans import MAX_TEXT, Span, Value

Message = dict[str, Any]
_FAILED = 2
_CUMULATIVE = 2


def attributes(given: Mapping[str, Value] | Iterable[tuple[str, Value]]) -> list[Message]:
    """Attributes, each with its kind."""
    pairs = given.items() if isinstance(given, Mapping) else given
    return [{"key": key, "value": _value(value)} for key, value in pairs]


def _value(value: Value) -> Message:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": sayable(value[:MAX_TEXT])}


def span_message(span: Span) -> Message:
    """Span."""
    trace = span.trace
    told: Message = {"traceId": trace.trace_id, "spanId": trace.span_id}
    if trace.state:
        told["traceState"] = trace.state
    if trace.parent_id:
        told["parentSpanId"] = trace.parent_id
    told |= {
        "name": sayable(span.name[:MAX_TEXT]),
        "kind": int(span.kind),
        "startTimeUnixNano": str(span.start),
        "endTimeUnixNano": str(max(span.start, span.end)),
        "attributes": attributes(span.attributes),
    }
    if span.error:
        told["status"] = {"message": sayable(span.error[:MAX_TEXT]), "code": _FAILED}
    # The low bit is the caller's: sampled.
    return {**told, "flags": 1}


def metric_message(one: Histogram, start: int, now: int) -> Message:
    """Metric; `start` is when counting began, in nanoseconds since 1970."""
    points = [
        {
            "startTimeUnixNano": str(start),
            "timeUnixNano": str(now),
            "count": str(series.count),
            "sum": series.sum,
            "bucketCounts": [str(count) for count in series.counts],
            "explicitBounds": list(one.bounds),
            "attributes": attributes(labels),
            "min": series.least,
            "max": series.most,
        }
        for labels, series in one.series.items()
    ]
    body = {"dataPoints": points, "aggregationTemporality": _CUMULATIVE}
    return {"name": one.name, "description": one.help, "unit": one.unit, "histogram": body}
