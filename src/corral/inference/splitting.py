"""Whole events out of a stream's bytes, without changing one of them."""

from __future__ import annotations

import re

from corral.kit.errors import UpstreamFailed

MAX_EVENT = 8 * 1024 * 1024
_BLANK = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE = re.compile(rb"\n")


class Splitter:
    """Cuts a stream behind its events: blank lines for server-sent events, line ends for JSON lines. What is not whole waits."""

    __slots__ = ("_end", "_pattern", "_rest")

    def __init__(self, media_type: str) -> None:
        lines = media_type == "application/x-ndjson"
        self._pattern = _LINE if lines else _BLANK
        self._end = b"\n" if lines else b"\n\n"
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that `chunk` completes. Raises UpstreamFailed for one that does not end."""
        end = self._end
        if not self._rest:
            if 0 < chunk.find(end) == len(chunk) - len(end) and b"\r" not in chunk:
                return [chunk]
            whole = chunk
        else:
            whole = self._rest + chunk
        events, begin = [], 0
        for found in self._pattern.finditer(whole, max(0, len(self._rest) - 3)):
            events.append(whole[begin : found.end()])
            begin = found.end()
        self._rest = whole[begin:]
        if len(self._rest) > MAX_EVENT:
            raise UpstreamFailed("An event of the stream does not end.")
        return events

    @property
    def waits(self) -> bool:
        """Whether an event is half said."""
        return bool(self._rest)

    def rest(self) -> bytes:
        """What the stream's end left half said."""
        rest, self._rest = self._rest, b""
        return rest
