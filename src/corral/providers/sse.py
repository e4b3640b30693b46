"""Reading server-sent events (WHATWG HTML, section 9.2) from pieces of bytes."""

from __future__ import annotations

from collections.abc import Iterator

from corral.kit.errors import UpstreamFailed

MAX_LINE = 8 * 1024 * 1024


class SseReader:
    """Turns pieces of a stream into the data of its events. Raises UpstreamFailed for an endless line."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._event = b""
        self._first = True

    def feed(self, chunk: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The events that end within `chunk`, as (event name, data)."""
        if self._first:
            chunk = chunk.removeprefix(b"\xef\xbb\xbf")
            self._first = False
        buffer = self._rest + chunk if self._rest else chunk
        lines = buffer.replace(b"\r\n", b"\n").split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MAX_LINE:
            raise UpstreamFailed("A line of the engine's stream is endless.")
        for line in lines:
            if not line:
                if self._data:
                    yield self._event, b"\n".join(self._data)
                self._data, self._event = [], b""
            elif line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif line.startswith(b"event:"):
                self._event = line[6:].strip()
