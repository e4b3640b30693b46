"""One value of one option: read from text, typed, and held within its bounds."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from corral.models.options.types import Kind, Option

_DEEPEST = 32
_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_UNSET = ("", "default", "null", "none")
_LISTS = (Kind.INTS, Kind.FLOATS, Kind.TEXTS, Kind.PATHS)
_NEVER_ZERO = ("sleep_idle_seconds", "threads", "threads_batch", "draft_threads", "threads_http", "sse_ping_interval")
"""Options where -1 stands for none or automatic and 0 means nothing."""
_N = TypeVar("_N", int, float)


class Unfit(ValueError):
    """A value that an option does not take; the message says what it takes."""


def fitting(option: Option, value: object) -> object:
    """The value as this option keeps it; None is not set. Raises Unfit."""
    if value is None:
        return None
    if option.kind in _LISTS:
        return _list(option, value)
    return _ONE.get(option.kind, _text)(option, value)


def read(option: Option, text: str) -> object:
    """A value from text, as on a command line. Raises Unfit."""
    text = text.strip()
    if text.lower() in _UNSET and text.lower() not in option.choices:
        return None
    if option.kind is Kind.JSON or (option.kind in _LISTS and text.startswith("[")):
        return _json(text)
    if option.kind in _LISTS:
        return [_READ.get(option.kind, str)(part.strip()) for part in text.split(",")]
    return _READ.get(option.kind, str)(text)


def _flag(text: str) -> bool:
    if text.lower() not in _YES + _NO:
        raise Unfit("takes true or false")
    return text.lower() in _YES


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Unfit("takes a whole number") from None


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Unfit("takes a number") from None


def _json(text: str) -> object:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        raise Unfit("takes JSON") from None
    return found


def _bool(option: Option, value: object) -> bool:
    if not isinstance(value, bool):
        raise Unfit("takes true or false")
    return value


def _bounded_int(option: Option, value: object) -> int:
    number = _within(option, _whole(value))
    if number == 0 and option.name in _NEVER_ZERO:
        raise Unfit(f"takes -1, or 1 to {_shown(option.maximum)}")
    return number


def _bounded_float(option: Option, value: object) -> float:
    return _within(option, _real(value))


def _list(option: Option, value: object) -> list[object]:
    least, most = option.count
    if not isinstance(value, list | tuple):
        raise Unfit("takes a list")
    if not least <= len(value) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise Unfit(f"takes a list of {wanted} values")
    if option.kind is Kind.INTS:
        return [_within(option, _whole(one)) for one in value]
    if option.kind is Kind.FLOATS:
        return [_within(option, _real(one)) for one in value]
    return [_text(option, one) for one in value]


def _text(option: Option, value: object) -> str:
    if not isinstance(value, str):
        raise Unfit("takes a text")
    if option.choices:
        if value not in option.choices:
            raise Unfit(f"takes one of {', '.join(option.choices)}")
        return value
    most = option.maximum or 4096
    if not (option.minimum or 1) <= len(value) <= most:
        raise Unfit(f"takes {option.minimum or 1:.0f} to {most:.0f} characters")
    allowed = "\n\r\t" if option.multiline or option.kind is Kind.TEXTS else ""
    if any((ord(char) < 32 and char not in allowed) or 0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise Unfit("takes no control characters")
    return value


def _object(option: Option, value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise Unfit("takes a JSON object")
    if _depth(value) > _DEEPEST:
        raise Unfit(f"is nested deeper than {_DEEPEST} levels")
    try:
        size = len(json.dumps(value, allow_nan=False).encode())
    except (TypeError, ValueError):
        raise Unfit("takes a JSON object") from None
    if size > (option.maximum or 4096):
        raise Unfit(f"takes at most {option.maximum or 4096:.0f} bytes of JSON")
    return _biases(value) if option.name == "logit_bias" else value


def _biases(value: Mapping[str, object]) -> dict[str, Any]:
    for token, bias in value.items():
        if not (token.isascii() and token.isdigit() and len(token) <= 9):
            raise Unfit(f"{token[:20]!r} is no token number")
        if isinstance(bias, bool) or not isinstance(bias, int | float) or not -100 <= bias <= 100:
            raise Unfit(f"the bias of token {token} must be a number from -100 to 100")
    return {str(int(token)): bias for token, bias in value.items()}


def _depth(value: object) -> int:
    """How deep a value is nested, no further than needed: not by recursion, since it may be very deep."""
    depth, layer = 0, [value]
    while layer and depth <= _DEEPEST:
        inner: list[object] = []
        for one in layer:
            inner += one.values() if isinstance(one, dict) else one if isinstance(one, list | tuple) else ()
        layer, depth = inner, depth + 1
    return depth


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise Unfit("takes a whole number")
    return int(value)


def _real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit("takes a number")
    try:
        number = float(value)
    except OverflowError:
        raise Unfit("takes a smaller number") from None
    if not math.isfinite(number):
        raise Unfit("takes a number")
    return number


def _within(option: Option, value: _N) -> _N:
    low, high = option.minimum, option.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        unit = f" {option.unit}" if option.unit else ""
        raise Unfit(f"takes {_shown(low)} to {_shown(high)}{unit}")
    return value


def _shown(bound: float | None) -> str:
    return "any" if bound is None else f"{bound:.0f}" if bound == int(bound) else f"{bound:g}"


_ONE: dict[Kind, Callable[[Option, object], object]] = {
    Kind.BOOL: _bool, Kind.INT: _bounded_int, Kind.FLOAT: _bounded_float, Kind.JSON: _object,
}  # fmt: skip
_READ: dict[Kind, Callable[[str], object]] = {
    Kind.BOOL: _flag, Kind.INT: _int, Kind.FLOAT: _float, Kind.INTS: _int, Kind.FLOATS: _float,
}  # fmt: skip
