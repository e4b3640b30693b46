"""Server-sent events (WHATWG HTML, section 9.2), read from any cut of bytes and written."""

from __future__ import annotations

from collections.abc import Iterator

from corral.kit.errors import UpstreamFailed

MAX_EVENT = 8 * 1024 * 1024
"""Bytes that a line, and all lines of an event together, may have."""

MEDIA_TYPE = "text/event-stream"
KEEP_ALIVE = b": keep-alive\n\n"
"""A comment: readers skip it, connections stay open."""

DONE = b"data: [DONE]\n\n"
"""How OpenAI's streams end."""

_BOM = b"\xef\xbb\xbf"


class SseReader:
    """Turns pieces of a stream into its events. Lines end in LF, CRLF or CR; an event that the stream leaves unfinished is none.

    Raises UpstreamFailed for an endless line or event.
    """

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._rest_size = 0
        self._data: list[bytes] = []
        self._data_size = 0
        self._event = b""
        self._begun = False
        self._after_cr = False

    def feed(self, chunk: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The events that end within `chunk`, as (event name, data)."""
        for line in self._lines(chunk):
            if not line:
                if self._data:
                    data, name = self._data, self._event
                    self._data, self._event, self._data_size = [], b"", 0
                    yield name, data[0] if len(data) == 1 else b"\n".join(data)
                self._event = b""
            elif line.startswith(b"data:"):
                data_line = line[6:] if line[5:6] == b" " else line[5:]
                self._data_size += len(data_line) + 1
                if self._data_size > MAX_EVENT:
                    raise UpstreamFailed("An event of the stream is endless.")
                self._data.append(data_line)
            elif line.startswith(b"event:"):
                self._event = line[6:].strip()
            elif line == b"data":
                self._data.append(b"")

    def one(self, chunk: bytes) -> tuple[bytes, bytes] | None:
        """The event that `chunk` is, when it is nothing but one whole event of a single line of data, as nearly all are. Else None,
        and `feed` is for it."""
        if self._rest or self._data or self._event or not chunk.endswith(b"\n\n") or b"\r" in chunk:
            return None
        lines = chunk.count(b"\n")
        name, place = b"", 0
        if lines == 3 and chunk.startswith(b"event:"):
            place = chunk.find(b"\n") + 1
            name = chunk[6 : place - 1].strip()
        elif lines != 2:
            return None
        if not chunk.startswith(b"data:", place) or len(chunk) > MAX_EVENT:
            return None
        self._begun, self._after_cr = True, False
        return name, chunk[place + (6 if chunk.startswith(b" ", place + 5) else 5) : -2]

    def _lines(self, chunk: bytes) -> list[bytes]:
        """The lines that end within `chunk`."""
        if not self._begun:
            # A byte order mark may be cut too: wait until its three bytes could be there.
            chunk = b"".join((*self._rest, chunk))
            self._rest, self._rest_size = [], 0
            if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
                self._rest, self._rest_size = [chunk], len(chunk)
                return []
            self._begun = True
            chunk = chunk.removeprefix(_BOM)
        if not chunk:
            return []
        if self._after_cr and chunk[0] == 10:
            chunk = chunk[1:]
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        elif chunk:
            self._after_cr = False
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if lines and self._rest:
            self._rest.append(lines[0])
            lines[0] = b"".join(self._rest)
            self._rest, self._rest_size = [], 0
        if rest:
            self._rest.append(rest)
            self._rest_size += len(rest)
            if self._rest_size > MAX_EVENT:
                raise UpstreamFailed("A line of the stream is endless.")
        return lines


def event(data: bytes) -> bytes:
    """An event without a name. `data` is one line."""
    return b"data: " + data + b"\n\n"


def named(name: bytes, data: bytes) -> bytes:
    """An event with a name. `data` is one line."""
    return b"event: " + name + b"\ndata: " + data + b"\n\n"
