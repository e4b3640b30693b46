"""How the candidates of routes are doing, told at most once a second and only where something changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from corral.bus import Bus
from corral.inference.routes.types import Candidate, RouteSpec
from corral.kit.clock import Clock

TOPIC = "route-states"
EVERY = 1.0
MANY = 500
"""Candidates above which it is looked more seldom, so that looking costs next to nothing."""
Told = dict[str, Any]


class States:
    """Asks `condition` for each candidate; `app` fills it with inference's."""

    def __init__(self, clock: Clock, bus: Bus, routes: Callable[[], Iterable[RouteSpec]]) -> None:
        self._clock = clock
        self._bus = bus
        self._routes = routes
        self._before: dict[tuple[str, str], Any] = {}
        self.condition: Callable[[Candidate], Told] | None = None

    def listing(self) -> dict[str, Any]:
        """All routes with the states of their candidates."""
        told = self._told()
        return {"routes": [_row(route, told) for route in self._routes()]}

    async def run(self) -> None:
        """Tells of changes until cancelled."""
        while True:
            told = self._told()
            now = {key: _lasting(state) for key, state in told.items()}
            changed = {key for key, state in now.items() if self._before.get(key) != state}
            self._before = now
            rows = [
                _row(route, told) for route in self._routes() if any(_key(one) in changed for one in route.candidates)
            ]
            if rows:
                self._bus.publish(TOPIC, {"event": "routes:state", "routes": rows})
            await self._clock.sleep(EVERY if len(told) <= MANY else EVERY * (1 + len(told) // MANY))

    def _told(self) -> dict[tuple[str, str], Told]:
        condition = self.condition
        if condition is None:
            return {}
        found: dict[tuple[str, str], Told] = {}
        for route in self._routes():
            for one in route.candidates:
                if _key(one) not in found:
                    found[_key(one)] = condition(one)
        return found


def _row(route: RouteSpec, told: dict[tuple[str, str], Told]) -> dict[str, Any]:
    return {"name": route.name, "candidates": [told[_key(one)] for one in route.candidates if _key(one) in told]}


def _key(candidate: Candidate) -> tuple[str, str]:
    return candidate.provider, candidate.model


def _lasting(state: Told) -> Any:
    """What of a state is worth telling: not the seconds that pass by themselves."""
    resting = [one["label"] for one in state.get("restingKeys", ())]
    return {
        **{name: value for name, value in state.items() if name not in ("retryIn", "restingKeys")},
        "resting": resting,
    }
