"""OTLP's messages in Protocol Buffers' wire format: https://protobuf.dev/programming-guides/encoding/

The numbers of the fields are those of opentelemetry-proto 1.x, which never change. Only what Corral says is known here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from corral.telemetry.lines import sayable
from corral.telemetry.spans import MAX_TEXT, Span, Value

_VARINT, _FIXED64, _SIZED, _FIXED32 = 0, 1, 2, 5
_MORE = 0x80
_SMALL = 1024
_UINT64 = (1 << 64) - 1

Write = Callable[[int, Any], bytes]
"""Writes a field of a number."""
Shape = dict[str, tuple[int, Write]]
"""The number and the kind of each field of a message."""


def encode(shape: Shape, message: Mapping[str, Any]) -> bytes:
    """`message` in bytes, its fields in the order of their numbers. Raises KeyError for a field that `shape` does not have."""
    fields = sorted(((*shape[name], value) for name, value in message.items()), key=lambda field: field[0])
    return b"".join([write(number, value) for number, write, value in fields])


def varint(value: int) -> bytes:
    """A whole number, the smaller the shorter; negative ones take ten bytes."""
    value &= _UINT64
    out = bytearray()
    while value >= _MORE:
        out.append(value & (_MORE - 1) | _MORE)
        value >>= 7
    out.append(value)
    return bytes(out)


@cache
def _tag(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


@cache
def _size(length: int) -> bytes:
    return varint(length)


def sized(number: int, data: bytes) -> bytes:
    """A field that is text, bytes or a message."""
    length = len(data)
    return _tag(number, _SIZED) + (_size(length) if length < _SMALL else varint(length)) + data


def _text(number: int, value: str) -> bytes:
    return sized(number, value.encode())


def _hex(number: int, value: str) -> bytes:
    return sized(number, bytes.fromhex(value))


def _whole(number: int, value: Any) -> bytes:
    return _tag(number, _VARINT) + varint(int(value))


def _fixed64(number: int, value: Any) -> bytes:
    return _tag(number, _FIXED64) + struct.pack("<Q", int(value))


def _fixed32(number: int, value: int) -> bytes:
    return _tag(number, _FIXED32) + struct.pack("<I", value)


def _double(number: int, value: float) -> bytes:
    return _tag(number, _FIXED64) + struct.pack("<d", value)


def _counts(number: int, values: Sequence[Any]) -> bytes:
    return sized(number, struct.pack(f"<{len(values)}Q", *map(int, values)))


def _doubles(number: int, values: Sequence[float]) -> bytes:
    return sized(number, struct.pack(f"<{len(values)}d", *values))


def _one(shape: Shape) -> Write:
    return lambda number, value: sized(number, encode(shape, value))


def _many(shape: Shape) -> Write:
    return lambda number, values: b"".join([sized(number, encode(shape, value)) for value in values])


_FAILED = _whole(3, 2)
_SAMPLED = _fixed32(16, 1)
_VALUE: Shape = {"stringValue": (1, _text), "boolValue": (2, _whole), "intValue": (3, _whole), "doubleValue": (4, _double)}  # fmt: skip
_ATTRIBUTES = _many({"key": (1, _text), "value": (2, _one(_VALUE))})
RESOURCE: Shape = {"attributes": (1, _ATTRIBUTES)}
SCOPE: Shape = {"name": (1, _text), "version": (2, _text)}
_POINT: Shape = {
    "startTimeUnixNano": (2, _fixed64),
    "timeUnixNano": (3, _fixed64),
    "count": (4, _fixed64),
    "sum": (5, _double),
    "bucketCounts": (6, _counts),
    "explicitBounds": (7, _doubles),
    "attributes": (9, _ATTRIBUTES),
    "min": (11, _double),
    "max": (12, _double),
}
_HISTOGRAM: Shape = {"dataPoints": (1, _many(_POINT)), "aggregationTemporality": (2, _whole)}
METRIC: Shape = {"name": (1, _text), "description": (2, _text), "unit": (3, _text), "histogram": (9, _one(_HISTOGRAM))}


def span_bytes(span: Span) -> bytes:
    """Span, by hand: there are many of them, and what they say is mostly what others said before."""
    trace = span.trace
    error = sized(15, _text(2, _said(span.error)) + _FAILED) if span.error else b""
    return b"".join(
        [
            b"\x0a\x10", bytes.fromhex(trace.trace_id), b"\x12\x08", bytes.fromhex(trace.span_id),
            _text(3, trace.state) if trace.state else b"",
            b"\x22\x08" + bytes.fromhex(trace.parent_id) if trace.parent_id else b"",
            _text(5, _said(span.name)), _whole(6, span.kind),
            b"\x39", span.start.to_bytes(8, "little"), b"\x41", max(span.start, span.end).to_bytes(8, "little"),
            *[_attribute(key, value) if not isinstance(value, float) else _real(key, value) for key, value in span.attributes.items()],
            error, _SAMPLED,
        ]
    )  # fmt: skip


def _said(text: str) -> str:
    return sayable(text[:MAX_TEXT])


@lru_cache(maxsize=2048, typed=True)
def _attribute(key: str, value: Value) -> bytes:
    told = _text(1, _said(value)) if isinstance(value, str) else _whole(2 if isinstance(value, bool) else 3, value)
    return sized(9, _text(1, key) + sized(2, told))


def _real(key: str, value: float) -> bytes:
    return sized(9, _text(1, key) + b"\x12\x09\x21" + struct.pack("<d", value))


def fields(data: bytes) -> dict[int, int | bytes]:
    """The fields of a message by number, the last one of each; whole numbers and sized ones only. Empty for what is none."""
    found: dict[int, int | bytes] = {}
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        value, at = _read_varint(data, at)
        if tag & 7 == _SIZED:
            found[tag >> 3] = data[at : at + value]
            at += value
        elif tag & 7 == _VARINT:
            found[tag >> 3] = value
        else:
            return {}
    return found


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for place, byte in enumerate(data[at : at + 10], at):
        at = place + 1
        value |= (byte & (_MORE - 1)) << shift
        shift += 7
        if byte < _MORE:
            break
    return value, at
