"""Reads usage out of answers that pass by, without touching a byte."""

from __future__ import annotations

from collections import deque

import msgspec


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Answer(msgspec.Struct):
    usage: _Usage | None = None


_decoder = msgspec.json.Decoder(_Answer)
_KEPT = 16 * 1024


class StreamTap:
    """Watches an OpenAI event stream: whether it ended well, and its usage. Both are told by its last events, so
    only the last pieces are kept, and looked at when it has ended."""

    __slots__ = ("_last", "_size")

    def __init__(self) -> None:
        self._last: deque[bytes] = deque()
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """Sees a piece."""
        last = self._last
        last.append(chunk)
        self._size += len(chunk)
        while self._size - len(last[0]) >= _KEPT:
            self._size -= len(last.popleft())

    @property
    def boundary(self) -> bool:
        """Whether no event is half said."""
        last = self._last
        if not last or last[-1].endswith((b"\n\n", b"\r\n\r\n")):
            return True
        return len(last[-1]) < 4 and b"".join(last).endswith((b"\n\n", b"\r\n\r\n"))

    def done(self) -> bool:
        """Whether `[DONE]` was said."""
        return any(line.startswith(b"data:") and line[5:].strip() == b"[DONE]" for line in self._lines())

    def usage(self) -> tuple[int, int] | None:
        """Prompt and completion tokens, when the stream told them."""
        for line in self._lines():
            if line.startswith(b"data:") and b'"usage"' in line:
                usage = read_usage(line[5:])
                if usage is not None:
                    return usage
        return None

    def _lines(self) -> list[bytes]:
        """The last whole lines, the newest first."""
        lines = b"".join(self._last).split(b"\n")[:-1]
        lines.reverse()
        return lines


def read_usage(body: bytes) -> tuple[int, int] | None:
    """Prompt and completion tokens of a whole answer, None when it does not tell."""
    try:
        usage = _decoder.decode(body).usage
    except msgspec.DecodeError:
        return None
    return (usage.prompt_tokens, usage.completion_tokens) if usage else None
