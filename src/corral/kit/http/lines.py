"""Headers as the lines that they are on the wire, and what one of them says."""

from __future__ import annotations

from collections.abc import Mapping

CONTROLS = bytes(code for code in range(32) if code != 9) + b"\x7f"
"""What no header may hold; each line's end has two of them."""


def lines_of(headers: Mapping[str, str]) -> bytes:
    """The lines of `headers`, each with its end. Raises ValueError for a header that would begin another one."""
    if not headers:
        return b""
    lines = ("\r\n".join(map(": ".join, headers.items())) + "\r\n").encode("latin-1")
    if len(lines) - len(lines.translate(None, CONTROLS)) != 2 * len(headers):
        raise ValueError("a header holds what a header cannot")
    return lines


_USUAL = frozenset({"application/json", "text/event-stream", "application/x-ndjson"})


def media_type(told: str) -> str:
    """A content type without parameters, in lower case."""
    return told if told in _USUAL else told.partition(";")[0].strip().lower()
