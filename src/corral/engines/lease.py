"""The right to one request at a ready engine."""

from __future__ import annotations

from collections.abc import Callable

from corral.engines.lines import EngineLog
from corral.engines.starting import Up
from corral.engines.types import EngineSpec
from corral.kit.context import request_id


class Lease:
    """Release it when the answer has ended."""

    __slots__ = ("_entry", "_log", "_released", "_turned", "_up", "headers", "native", "pool", "upstream_model")

    def __init__(
        self, up: Up, spec: EngineSpec, turned: Callable[[int], None], log: EngineLog, request: str | None = None
    ) -> None:
        """`turned` is told how many leases there are after each change; `log` learns which `request` it is for, None for
        the one being served."""
        self._log = log
        # Only llama.cpp names its tasks; whoever else answers has nothing to lead to.
        self._entry = log.leased(request_id.get() if request is None else request) if up.plan.native else None
        self._turned = turned
        self._up = up
        self._released = False
        up.leases += 1
        turned(up.leases)
        self.pool = up.pool
        self.headers = up.plan.headers
        self.native = up.plan.native
        self.upstream_model = spec.entry.upstream_model if spec.entry else None

    def release(self) -> None:
        """Gives it back; a second time does nothing."""
        if not self._released:
            self._released = True
            if self._entry is not None:
                self._log.released(self._entry)
            self._up.leases -= 1
            self._turned(self._up.leases)
