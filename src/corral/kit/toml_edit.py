"""Changes single keys of a TOML file and leaves everything else, comments too, as a person wrote it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def change(text: str, changes: Mapping[str, Any]) -> str:
    """`text` with the top-level keys of `changes` set, or taken out where the value is None.

    Raises ValueError when `text` is not TOML, or when the result would not mean what was asked for.
    """
    wanted = tomllib.loads(text)
    lines = text.splitlines(keepends=True)
    for key, value in changes.items():
        if not _BARE.fullmatch(key):
            raise ValueError(f"{key!r} is not a plain key")
        if value is None:
            wanted.pop(key, None)
        else:
            wanted[key] = value
        lines = _put(lines, key, None if value is None else f"{key} = {written(value)}\n")
    result = "".join(lines)
    if tomllib.loads(result) != wanted:
        raise ValueError("the file is written in a way that cannot be changed in place")
    return result


def _put(lines: list[str], key: str, statement: str | None) -> list[str]:
    """The lines with the statement of a top-level key replaced, added or taken out."""
    first_table = next((at for at, line in _statements(lines) if line.lstrip().startswith("[")), len(lines))
    for start, line in _statements(lines[:first_table]):
        if re.match(rf"\s*(?:{key}|\"{key}\"|'{key}')\s*=", line):
            end = _end(lines, start)
            return [*lines[:start], *([statement] if statement else []), *lines[end:]]
    if statement is None:
        return lines
    place = first_table
    while place > 0 and lines[place - 1].lstrip().startswith("#") and first_table < len(lines):
        place -= 1  # A comment right above a table belongs to it.
    before = lines[:place]
    if before and not before[-1].endswith("\n"):
        before[-1] += "\n"
    return [*before, statement, *lines[place:]]


def _statements(lines: Sequence[str]) -> list[tuple[int, str]]:
    """Where statements begin: not the later lines of a list or of a long text."""
    found = []
    at = 0
    while at < len(lines):
        line = lines[at]
        bare = line.strip()
        if not bare or bare.startswith("#"):
            at += 1
            continue
        found.append((at, line))
        at = _end(lines, at)
    return found


def _end(lines: Sequence[str], start: int) -> int:
    """The first line after the statement that begins at `start`."""
    for end in range(start + 1, len(lines) + 1):
        try:
            tomllib.loads("".join(lines[start:end]))
        except tomllib.TOMLDecodeError:
            continue
        return end
    return start + 1


def written(value: Any) -> str:
    """A value as TOML writes it. Raises ValueError for one that has no form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(written(item) for item in value)}]"
    raise ValueError(f"{type(value).__name__} has no form here")


def _text(value: str) -> str:
    def escaped(letter: str) -> str:
        if letter in _ESCAPES:
            return _ESCAPES[letter]
        return f"\\u{ord(letter):04X}" if ord(letter) < 32 or ord(letter) == 127 else letter

    return '"' + "".join(map(escaped, value)) + '"'
