"""Those who wait for an engine to be ready."""

from __future__ import annotations

from collections.abc import Callable

from corral.engines.lease import Lease
from corral.engines.messages import Start
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
