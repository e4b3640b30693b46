"""All engines: made on first use, a team for each model, ended together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from corral.bus import Bus
from corral.engines.carry import Carry
from corral.engines.lease import Lease
from corral.engines.reaper import Ledger
from corral.engines.starting import Host
from corral.engines.steward import Steward
from corral.engines.team import Team
from corral.engines.types import Door, EngineOptions, EngineSpec, EngineState, EngineStatus, Specs
from corral.kit.clock import Clock
from corral.kit.errors import ShuttingDown

TOPIC = "engines"


class Engines:
    """The engines of this server.

    Args:
        specs: tells how a model is run.
        ledger: folder for the notes that let a later server find what is left over; KV states are kept in `kv` beside it.
        environ: the server's environment, of which engines get a few variables.
    """

    def __init__(
        self, specs: Specs, ledger: Path, *, clock: Clock, bus: Bus, options: EngineOptions, environ: Mapping[str, str]
    ) -> None:
        self._specs = specs
        self._ledger = Ledger(ledger)
        self._bus = bus
        self._steward = Steward(options, clock)
        self._carry = Carry(ledger.parent / "kv", options.kv_budget)
        self._host = Host(clock, self._ledger, options, environ, self._steward, self._carry)
        self._teams: dict[str, Team] = {}
        self._closed = False

    async def start_up(self) -> None:
        """Ends engines that an earlier server left behind."""
        await asyncio.to_thread(self._ledger.reap)
        self._steward.start()

    async def shut_down(self) -> None:
        """Stops all engines and takes no new work."""
        self._closed = True
        await asyncio.gather(*(team.close() for team in self._teams.values()))
        await self._steward.stop()

    def watch_demand(self, demand: Callable[[str], int]) -> None:
        """`demand` tells how many requests for a model are on their way; an engine that is wanted is not idle."""
        self._steward.demand = demand

    def statuses(self) -> tuple[EngineStatus, ...]:
        """The models whose engines were used since the start, by name; `replicas` has each where there are several."""
        return tuple(team.status for _, team in sorted(self._teams.items()))

    def doors(self) -> tuple[Door, ...]:
        """The engines that were used since the start, each with the way to ask it for its figures."""
        return tuple(door for _, team in sorted(self._teams.items()) for door in team.doors())

    def status(self, model: str) -> EngineStatus:
        """The state of a model's engines together; `stopped` for one never used. Raises ModelNotFound."""
        team = self._teams.get(model)
        if team is not None:
            return team.status
        spec = self._specs.spec(model)
        return EngineStatus(
            model, EngineState.STOPPED, slots=spec.slots, context_length=spec.context_length, pinned=spec.stay.pinned
        )

    def memory(self) -> dict[str, int]:
        """Bytes: `budget` of all engines, and what of it is `taken` or promised."""
        return {"budget": self._steward.limit(), "taken": self._steward.taken()}

    def carries(self, model: str) -> bool | None:
        """Whether the model's KV state outlives its engine; None when that was not tried yet."""
        team = self._teams.get(model)
        return self._carry.verdict(team.spec if team is not None else self._specs.spec(model))

    def capacity(self, model: str, slots: int) -> int:
        """Requests that all engines of a model answer at once; `slots` while nobody knows."""
        team = self._teams.get(model)
        return team.capacity if team is not None else slots

    def coming(self, model: str) -> bool:
        """Whether an engine of the model is being loaded, and not just waiting for memory."""
        team = self._teams.get(model)
        return team is not None and any(
            one.state is EngineState.LOADING or (one.state is EngineState.STARTING and not one.waits_for_memory)
            for one in team.statuses()
        )

    def try_lease(self, model: str, body: bytes = b"") -> Lease | None:
        """A lease when an engine of the model is ready now; `body` is the request, to find the engine that has read it."""
        team = self._teams.get(model)
        return team.try_lease(body) if team is not None else None

    async def lease(self, model: str, body: bytes = b"") -> Lease:
        """A lease; the first one starts an engine. Raises ModelNotFound, EngineFailed, ShuttingDown."""
        return self.try_lease(model, body) or await self._team(model).lease(body)

    async def start(self, model: str) -> EngineStatus:
        """Starts the model's engines and waits until one is ready. Raises as `lease` does."""
        return await self._team(model).start()

    async def stop(self, model: str) -> EngineStatus:
        """Stops the model's engines. Raises ModelNotFound."""
        team = self._teams.get(model)
        return self.status(model) if team is None else await team.stop()

    async def restart(self, model: str) -> EngineStatus:
        """Stops the model's engines if they run, and starts them."""
        await self.stop(model)
        return await self.start(model)

    async def apply(self, model: str, spec: EngineSpec | None = None) -> EngineStatus:
        """Lets running engines of the model go over to `spec` (what `Specs` says without it), answers unharmed.

        Raises EngineFailed with the reason when an engine does not come up with it; then the old ones serve as before.
        Without a running engine it holds from the next start on.
        """
        team = self._teams.get(model)
        if team is None:
            return self.status(model)
        await team.apply(spec or self._specs.spec(model))
        return team.status

    def stale(self, model: str) -> bool:
        """Whether an engine of the model runs otherwise than it would be started now."""
        team = self._teams.get(model)
        return team is not None and team.stale(self._specs.spec(model))

    def logs(self, model: str) -> list[str]:
        """The last lines of the model's engines."""
        team = self._teams.get(model)
        return team.logs() if team is not None else []

    def _team(self, model: str) -> Team:
        if self._closed:
            raise ShuttingDown("The server is stopping.", retry_after=5)
        team = self._teams.get(model)
        if team is None:
            team = self._teams[model] = Team(lambda: self._specs.spec(model), self._host, self._tell)
        elif team.status.state in (EngineState.STOPPED, EngineState.FAILED):
            team.use(self._specs.spec(model))
        return team

    def _tell(self, status: EngineStatus) -> None:
        self._bus.publish(TOPIC, {"event": "models:status", **status.as_dict()})
