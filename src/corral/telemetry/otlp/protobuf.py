"""OTLP's messages in Protocol Buffers' wire format: https://protobuf.dev/programming-guides/encoding/

The numbers of the fields are those of opentelemetry-proto 1.x, which never change. Only what Corral says is known here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

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


_VALUE: Shape = {"stringValue": (1, _text), "boolValue": (2, _whole), "intValue": (3, _whole), "doubleValue": (4, _double)}  # fmt: skip
_ATTRIBUTES = _many({"key": (1, _text), "value": (2, _one(_VALUE))})
RESOURCE: Shape = {"attributes": (1, _ATTRIBUTES)}
SCOPE: Shape = {"name": (1, _text), "version": (2, _text)}
SPAN: Shape = {
    "traceId": (1, _hex),
    "spanId": (2, _hex),
    "traceState": (3, _text),
    "parentSpanId": (4, _hex),
    "name": (5, _text),
    "kind": (6, _whole),
    "startTimeUnixNano": (7, _fixed64),
    "endTimeUnixNano": (8, _fixed64),
    "attributes": (9, _ATTRIBUTES),
    "status": (15, _one({"message": (2, _text), "code": (3, _whole)})),
    "flags": (16, _fixed32),
}
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
