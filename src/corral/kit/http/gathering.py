"""A connection's way out: what is written in one turn of the loop goes out behind it, in one piece.

A write wakes the other side where that sleeps, which costs more than the write. When all that a turn has to say goes out in a row,
those who read it are awake after the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

MOST = 64 * 1024
"""Bytes that wait for the end of the turn; beyond, they go out at once, so that whoever writes is told when the other side is behind."""

_speaking: WeakKeyDictionary[asyncio.AbstractEventLoop, list[Gathering]] = WeakKeyDictionary()
"""By loop, who has said something in its turn: one step behind it speaks for them all."""


class Gathering:
    """A transport that gathers; in all else it is the one that it stands before."""

    __slots__ = ("_loop", "_speaking", "held", "wire")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.wire = transport
        self._loop = loop
        self.held = b""
        """What this turn has said so far."""
        self._speaking = _speaking.setdefault(loop, [])

    def __getattr__(self, name: str) -> Any:
        """What is seldom asked for."""
        return getattr(self.wire, name)

    def is_closing(self) -> bool:
        """See asyncio.Transport."""
        return self.wire.is_closing()

    def write(self, data: bytes) -> None:
        """Sends it with what else this turn has to say."""
        if self.held:
            data = self.held + data
        else:
            speaking = self._speaking
            if not speaking:
                self._loop.call_soon(_speak, speaking)
            speaking.append(self)
        self.held = data
        if len(data) > MOST:
            self.flush()

    def writelines(self, data: Iterable[bytes]) -> None:
        """See `write`."""
        for piece in data:
            self.write(piece)

    def flush(self) -> None:
        """Sends what was gathered."""
        held, self.held = self.held, b""
        if held and not self.wire.is_closing():
            self.wire.write(held)

    def close(self) -> None:
        """Closes behind what was gathered."""
        self.flush()
        self.wire.close()


def _speak(speaking: list[Gathering]) -> None:
    """The end of a turn."""
    speakers = speaking.copy()
    speaking.clear()
    for one in speakers:
        held, one.held = one.held, b""
        try:
            # As `flush`, without a call for each.
            if held and not one.wire.is_closing():
                one.wire.write(held)
        except RuntimeError as error:
            # The others must be heard all the same.
            asyncio.get_running_loop().call_exception_handler({"message": "A connection broke.", "exception": error})
