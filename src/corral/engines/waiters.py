"""Those who wait for an engine to be ready."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from corral.engines.lease import Lease
from corral.engines.messages import Change, Message, Start, Stop
from corral.kit.errors import CorralError


class Waiters:
    """Their wishes, in the order in which they came."""

    def __init__(self) -> None:
        self._wishes: list[Start] = []

    def __len__(self) -> int:
        return sum(not wish.done.done() for wish in self._wishes)

    def add(self, wish: Start) -> None:
        """One more."""
        self._wishes = [one for one in self._wishes if not one.done.done()] + [wish]

    def serve(self, lease: Callable[[Start], Lease | None]) -> None:
        """Answers all with what `lease` gives for each."""
        wishes, self._wishes = self._wishes, []
        for wish in wishes:
            if not wish.done.done():
                wish.done.set_result(lease(wish))

    def refuse(self, error: CorralError) -> None:
        """Answers all with an error."""
        wishes, self._wishes = self._wishes, []
        for wish in wishes:
            if not wish.done.done():
                wish.done.set_exception(error)

    def close(self, mailbox: asyncio.Queue[Message], error: CorralError) -> None:
        """Answers all with an error, also whoever's wish is in a mailbox that nobody will read."""
        while not mailbox.empty():
            message = mailbox.get_nowait()
            if isinstance(message, Start):
                self.add(message)
            elif isinstance(message, Stop | Change) and not message.done.done():
                message.done.set_exception(error)
        self.refuse(error)
