"""Headers as the lines that they are on the wire."""

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
