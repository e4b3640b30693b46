"""Ports of `/api/v1`, filled with what the server knows of itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from corral.app.catalogue import Catalogue
from corral.engines import Engines
from corral.kit.clock import Clock, iso
from corral.kit.errors import ModelNotFound


class StatusSource:
    """See `surfaces.v1.application.ServerStatus`. `waiting` tells how many requests wait for a slot of a model."""

    def __init__(
        self, catalogue: Catalogue, engines: Engines, waiting: Callable[[str], int], *, clock: Clock, since: datetime
    ) -> None:
        self._catalogue = catalogue
        self._engines = engines
        self._waiting = waiting
        self._clock = clock
        self._since = since
        self._began = clock.monotonic()

    def default_model(self) -> str | None:
        """See the port."""
        try:
            return self._catalogue.default()
        except ModelNotFound:
            return None

    def status(self) -> dict[str, Any]:
        """See the port."""
        reason = self._catalogue.readiness()
        engines = [
            {"model": one.model, "state": one.state.value, "waiting": self._waiting(one.model)}
            for one in self._engines.statuses()
        ]
        return {
            "status": "ok" if reason is None else "unavailable",
            "reason": reason,
            "startedAt": iso(self._since),
            "uptimeSeconds": round(self._clock.monotonic() - self._began, 3),
            "engines": engines,
        }
