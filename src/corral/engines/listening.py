"""Who is told what an engine does (a port that a team fills)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from corral.engines.owner import Owner


class Listener(Protocol):
    """Whoever looks after the engines of a model."""

    def told(self, engine: Owner) -> None:
        """Its status has changed."""
        ...

    def turned(self, engine: Owner) -> None:
        """A lease was given or came back."""
        ...
