"""Reads usage out of answers that pass by, without touching a byte."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import msgspec


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Answer(msgspec.Struct):
    usage: _Usage | None = None


_decoder = msgspec.json.Decoder(_Answer)
_TAIL = 24


@dataclass(slots=True)
class Totals:
    """What was asked of one model since the start."""

    requests: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Meter:
    """Totals by model."""

    def __init__(self) -> None:
        self.totals: defaultdict[str, Totals] = defaultdict(Totals)

    def add(self, model: str, usage: tuple[int, int] | None, *, failed: bool) -> None:
        """Counts one request."""
        totals = self.totals[model]
        totals.requests += 1
        totals.failures += failed
        if usage is not None:
            totals.prompt_tokens += usage[0]
            totals.completion_tokens += usage[1]


class StreamTap:
    """Watches an OpenAI event stream: whether it ended well, and its usage."""

    __slots__ = ("_tail", "_usage", "boundary", "done")

    def __init__(self) -> None:
        self._tail = b""
        self._usage = b""
        self.done = False
        self.boundary = True

    def feed(self, chunk: bytes) -> None:
        """Looks at a piece."""
        if b'"usage"' in chunk:
            self._usage = chunk
        elif self._usage and not self.done:
            # The event with the usage may be cut over two pieces.
            self._usage = (self._usage + chunk)[-65_536:]
        self.boundary = chunk.endswith(b"\n\n")
        self._tail = (self._tail + chunk)[-_TAIL:] if len(chunk) < _TAIL else chunk[-_TAIL:]
        if b"data: [DONE]" in self._tail:
            self.done = True

    def usage(self) -> tuple[int, int] | None:
        """Prompt and completion tokens, when the stream told them."""
        for line in reversed(self._usage.split(b"\n")):
            if line.startswith(b"data: {") and b'"usage"' in line:
                return read_usage(line[6:])
        return None


def read_usage(body: bytes) -> tuple[int, int] | None:
    """Prompt and completion tokens of a whole answer, None when it does not tell."""
    try:
        usage = _decoder.decode(body).usage
    except msgspec.DecodeError:
        return None
    return (usage.prompt_tokens, usage.completion_tokens) if usage else None
