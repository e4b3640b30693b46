"""Bounded memories of recent things."""

from __future__ import annotations

from collections import deque


class LineRing:
    """The last lines of a stream of text, bounded in number and in characters."""

    def __init__(self, max_lines: int = 200, max_chars: int = 64 * 1024, max_line: int = 2000) -> None:
        self._lines: deque[str] = deque()
        self._chars = 0
        self._max_lines = max_lines
        self._max_chars = max_chars
        self._max_line = max_line

    def append(self, line: str) -> None:
        """Adds a line, cut at `max_line` characters, and forgets the oldest as needed."""
        if len(line) > self._max_line:
            line = line[: self._max_line] + "…"
        self._lines.append(line)
        self._chars += len(line)
        while len(self._lines) > self._max_lines or self._chars > self._max_chars:
            self._chars -= len(self._lines.popleft())

    def tail(self, count: int | None = None) -> list[str]:
        """The last `count` lines (all without it), oldest first."""
        lines = list(self._lines)
        return lines if count is None else lines[-count:] if count else []
