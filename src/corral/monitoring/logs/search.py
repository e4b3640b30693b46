"""Finds lines in memory and in the files, the newest first, within bounds. Runs in a thread.

Files are read backwards in blocks. A block is looked at as a whole before its lines are: most searches are for
something rare, and most blocks then need no parsing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from corral.kit.errors import InvalidRequest
from corral.telemetry import LogFile, LogLine, level_number, list_files
from corral.telemetry.files import ALL, ERRORS
from corral.telemetry.lines import decode, encode

BLOCK = 256 * 1024
MAX_BYTES = 64 * 1024 * 1024
MAX_SECONDS = 2.0
_PAUSE = 0.0005
"""Seconds between two blocks in which the server's own work goes on."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; None is anything. `before` and `after` are ids (microseconds since 1970), neither included."""

    level: str | None = None
    source: str | None = None
    text: str | None = None
    request_id: str | None = None
    before: int | None = None
    after: int | None = None

    def matches(self, line: LogLine) -> bool:
        """Whether a line is one of these."""
        number = int(line.id)
        if (self.before is not None and number >= self.before) or (self.after is not None and number <= self.after):
            return False
        if self.level is not None and level_number(line.level) < level_number(self.level):
            return False
        if self.source is not None and not of_source(line.source, self.source):
            return False
        if self.request_id is not None and not _about(line, self.request_id):
            return False
        return self.text is None or _says(line, self.text.casefold())

    @property
    def needles(self) -> list[bytes]:
        """Bytes, in lower case, of which a line's JSON has at least all; none where that cannot be told."""
        found = []
        if self.request_id is not None and _bare(self.request_id):
            found.append(self.request_id.lower().encode())
        if self.text is not None and _bare(self.text):
            found.append(self.text.lower().encode())
        return found


def of_source(source: str, wanted: str) -> bool:
    """Whether a source is the wanted one, or below it: `corral` takes `corral.agents`, `engine` takes `engine:NAME`."""
    return source == wanted or (source.startswith(wanted) and source[len(wanted)] in ".:")


def _bare(text: str) -> bool:
    """Whether a line that has the text has the same bytes in its JSON."""
    return text.isascii() and text.isprintable() and not set(text) & {'"', "\\", "="}


def _about(line: LogLine, request_id: str) -> bool:
    candidates = line.fields.get("candidates")
    return line.request_id == request_id or (isinstance(candidates, list) and request_id in candidates)


def _says(line: LogLine, text: str) -> bool:
    if text in line.message.casefold() or text in line.source.casefold():
        return True
    return any(text in f"{name}={_told(value)}".casefold() for name, value in line.fields.items())


def _told(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()


@dataclass(slots=True)
class Found:
    """Lines, the oldest first; `more` says that there may be others before `before`."""

    lines: list[LogLine] = field(default_factory=list)
    more: bool = False
    before: int | None = None
    scanned: int = 0

    def as_dict(self) -> dict[str, object]:
        """The wire form."""
        return {
            "lines": [line.as_dict() for line in self.lines],
            "more": self.more,
            "before": str(self.before) if self.more and self.before is not None else None,
            "scannedBytes": self.scanned,
        }


def search(folder: Path | None, recent: Sequence[LogLine], wanted: Wanted, limit: int) -> Found:
    """The newest `limit` lines that match, from memory and then from the files of `folder`."""
    found = Found()
    for line in reversed(recent):
        found.before = int(line.id)
        if wanted.matches(line):
            found.lines.append(line)
            if len(found.lines) >= limit:
                break
    if len(found.lines) < limit and folder is not None and not _past(found, wanted):
        oldest = int(recent[0].id) if recent else None
        _search_files(folder, wanted, limit, found, oldest)
    elif len(found.lines) >= limit:
        found.more = True
    found.lines.reverse()
    return found


def _past(found: Found, wanted: Wanted) -> bool:
    return wanted.after is not None and found.before is not None and found.before <= wanted.after


def _search_files(folder: Path, wanted: Wanted, limit: int, found: Found, oldest: int | None) -> None:
    deadline = time.monotonic() + MAX_SECONDS
    # The smaller files have all of the graver lines.
    grave = wanted.level is not None and level_number(wanted.level) >= level_number("warning")
    ceiling = min((one for one in (oldest, wanted.before) if one is not None), default=None)
    for file in reversed(list_files(folder, ERRORS if grave else ALL)):
        if not _may_hold(file, ceiling, wanted.after):
            continue
        for lines, size in read_backwards(file.path, wanted.needles, ceiling):
            found.scanned += size
            for line in lines:
                number = int(line.id)
                if ceiling is not None and number >= ceiling:
                    continue
                found.before = number
                if wanted.matches(line):
                    found.lines.append(line)
                    if len(found.lines) >= limit:
                        found.more = True
                        return
            if _past(found, wanted):
                found.more = False
                return
            if found.scanned >= MAX_BYTES or time.monotonic() > deadline:
                found.more = True
                return
            time.sleep(_PAUSE)
    found.more = False


def _may_hold(file: LogFile, before: int | None, after: int | None) -> bool:
    begin = _midnight(file.day)
    if begin is None:
        return False
    end = begin + 86_400_000_000
    return (before is None or begin < before) and (after is None or end > after)


def _midnight(day: str) -> int | None:
    try:
        return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1_000_000
    except ValueError:
        return None


def read_backwards(
    path: Path, needles: Sequence[bytes] = (), ceiling: int | None = None
) -> Iterator[tuple[list[LogLine], int]]:
    """The lines of a file before the id `ceiling` in blocks, the newest first, with the bytes read.

    Of a block without all `needles` only its oldest line is given, so that the reader knows how far it has come.
    """
    try:
        file = path.open("rb")
    except OSError:
        return
    with file:
        size = file.seek(0, os.SEEK_END)
        yield from _blocks(file, needles, size if ceiling is None else _end_before(file, size, ceiling))


def _end_before(file: BinaryIO, size: int, ceiling: int) -> int:
    """A place in the file behind all lines with lower ids than `ceiling`, found by halving, as ids ascend."""
    low, high = 0, size
    while high - low > BLOCK:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        line = next((found for found in (decode(file.readline()) for _ in range(8)) if found is not None), None)
        if line is not None and int(line.id) < ceiling:
            low = middle
        else:
            high = middle
    file.seek(high)
    file.readline()
    return file.tell()


def _blocks(file: BinaryIO, needles: Sequence[bytes], end: int) -> Iterator[tuple[list[LogLine], int]]:
    rest = b""
    while end > 0:
        start = max(0, end - BLOCK)
        file.seek(start)
        data, size = file.read(end - start) + rest, end - start
        end, rest = start, b""
        if start > 0:
            # The first line of a block is only whole together with the block before it.
            cut = data.find(b"\n") + 1
            if cut == 0 and len(data) < 4 * BLOCK:
                rest = data
                continue
            rest, data = data[:cut], data[cut:]
        lines = (decode(one) for one in reversed(_sifted(data, needles)))
        yield [line for line in lines if line is not None], size


def _sifted(data: bytes, needles: Sequence[bytes]) -> list[bytes]:
    raw = data.split(b"\n")
    if not needles:
        return raw
    lower = data.lower()
    if not all(needle in lower for needle in needles):
        return raw[:1]
    return [raw[0], *(one for one in raw[1:] if all(needle in one.lower() for needle in needles))]


def matching(files: Sequence[LogFile], wanted: Wanted) -> Iterator[bytes]:
    """The matching lines of files as JSON, the oldest first, in pieces; for a download."""
    needles = wanted.needles
    for file in files:
        if not _may_hold(file, wanted.before, wanted.after):
            continue
        try:
            source = file.path.open("rb")
        except OSError:
            continue
        with source:
            while raw := source.readlines(BLOCK):
                kept = (one for one in raw if all(needle in one.lower() for needle in needles))
                lines = (decode(one) for one in kept)
                yield b"".join(encode(line) + b"\n" for line in lines if line is not None and wanted.matches(line))


def place(value: str | int | None, name: str) -> int | None:
    """An id, or a time in ISO 8601, as microseconds since 1970. Raises InvalidRequest naming the field."""
    if value is None or value == "":
        return None
    text = str(value)
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{name} is the id of a line or a time in ISO 8601.", param=name) from None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    try:
        return int(aware.timestamp() * 1_000_000)
    except (OverflowError, ValueError):
        raise InvalidRequest(f"{name} is not a time that there was.", param=name) from None
