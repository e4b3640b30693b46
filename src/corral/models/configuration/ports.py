"""What the configuration needs of the rooms above; `app` fills it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol


class EngineControl(Protocol):
    """The engines, as far as a change of the configuration concerns them."""

    def running(self, name: str) -> bool:
        """Whether an engine of the model runs or starts."""
        ...

    def stale(self, name: str) -> bool:
        """Whether the model's engine runs with other options than those that count now."""
        ...

    def apply(self, name: str) -> Awaitable[None]:
        """Makes the engine of a model run with the options that count now; the old one serves until the new one is ready.

        Raises EngineFailed when the new one does not start; the old one serves on.
        """
        ...

    def renew(self) -> Awaitable[None]:
        """Lets all engines that run take over what needs no new start, such as how long they may idle."""
        ...

    def stop(self, name: str) -> Awaitable[None]:
        """Stops a model's engine after its requests."""
        ...
