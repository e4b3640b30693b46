"""A line of the log, in the one form that files, listeners and searches share."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import msgspec

from corral.kit.clock import iso

LEVELS = ("debug", "info", "warning", "error")
_NUMBERS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_PLAIN = (int, float, bool, type(None))


class LogLine(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """One line. `id` is text of digits, the microseconds of its moment; ids of one server ascend strictly."""

    id: str
    at: str
    level: str
    source: str
    message: str
    request_id: str = ""
    fields: dict[str, Any] = {}

    def as_dict(self) -> dict[str, Any]:
        """The wire form."""
        line = {
            "id": self.id,
            "at": self.at,
            "level": self.level,
            "source": self.source,
            "message": self.message,
            "fields": self.fields,
        }
        return {**line, "requestId": self.request_id} if self.request_id else line


_encoder = msgspec.json.Encoder(enc_hook=str)
_decoder = msgspec.json.Decoder(LogLine)


def encode(line: LogLine) -> bytes:
    """The line as JSON, without a newline in it."""
    return _encoder.encode(line)


def decode(text: bytes) -> LogLine | None:
    """The line of a file, None for what is none: a half one, or one that somebody else wrote."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def level_number(level: str) -> int:
    """The number of a level's name in the standard library."""
    return _NUMBERS[level]


def level_name(number: int) -> str:
    """The nearest of our four names for a level of the standard library."""
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warning"
    return "info" if number >= logging.INFO else "debug"


def moment(created: float) -> str:
    """Seconds since 1970 in the form of times on the wire."""
    return iso(datetime.fromtimestamp(created, UTC))


def plain(value: Any) -> Any:
    """`value` as JSON can say it; what JSON does not know becomes text."""
    if isinstance(value, str):
        return sayable(value)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, dict):
        return {sayable(str(key)): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(entry) for entry in value]
    return sayable(str(value))


def sayable(text: str) -> str:
    """The text without halves of characters, which no encoding takes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
