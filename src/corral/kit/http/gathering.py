"""A connection's way out: what is written in one turn of the loop goes out behind it, in one piece.

A write wakes the other side where that sleeps, which costs more than the write. When all that a turn has to say goes out in a row,
those who read it are awake after the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

MOST = 64 * 1024
"""Bytes that wait for the end of the turn; beyond, they go out at once, so that whoever writes is told when the other side is behind."""


class Gathering:
    """A transport that gathers; in all else it is the one that it stands before."""

    __slots__ = ("_loop", "_pieces", "_size", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        """What is seldom asked for."""
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """See asyncio.Transport."""
        return self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Sends it with what else this turn has to say."""
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(data)
        self._size += len(data)
        if self._size > MOST:
            self.flush()

    def writelines(self, data: Iterable[bytes]) -> None:
        """See `write`."""
        for piece in data:
            self.write(piece)

    def flush(self) -> None:
        """Sends what was gathered."""
        pieces, self._pieces = self._pieces, []
        self._size = 0
        if pieces and not self._transport.is_closing():
            self._transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def close(self) -> None:
        """Closes behind what was gathered."""
        self.flush()
        self._transport.close()
