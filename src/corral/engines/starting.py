"""Bringing one engine up: given a place, launched, asked for its health, and cleaned away again when that fails."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from corral.engines.backends import Plan, make_plan
from corral.engines.carry import Carry
from corral.engines.claims import Claim, NoRoom, Tenant
from corral.engines.health import Answer, Health, Loaded, loaded, probe
from corral.engines.policy import Progress, diagnose
from corral.engines.process import EngineProcess
from corral.engines.reaper import Ledger
from corral.engines.steward import Steward
from corral.engines.types import EngineOptions, EngineProblem, EngineSpec, EngineState
from corral.kit.clock import Clock
from corral.kit.errors import CorralError
from corral.kit.http import HttpPool, TcpAddress
from corral.kit.rings import LineRing

PORT_TRIES = 3
Show = Callable[..., None]
"""Tells the owner's status: fields of EngineStatus by name."""


@dataclass(frozen=True, slots=True)
class Host:
    """What an engine needs of its surroundings."""

    clock: Clock
    ledger: Ledger
    options: EngineOptions
    environ: Mapping[str, str]
    steward: Steward
    carry: Carry


@dataclass(slots=True, eq=False)
class Up:
    """An engine that answers. `process` and `claim` are None for one that is attached."""

    plan: Plan
    pool: HttpPool
    process: EngineProcess | None
    claim: Claim | None
    loaded: Loaded
    leases: int = 0
    watchers: list[asyncio.Task[None]] = field(default_factory=list)


class Starting:
    """One try to bring an engine up. Cancelled, it leaves nothing behind."""

    def __init__(self, tenant: Tenant, host: Host, log: LineRing, show: Show) -> None:
        self._tenant = tenant
        self._spec: EngineSpec = tenant.spec
        self._host = host
        self._log = log
        self._show = show
        self._claim: Claim | None = None
        self._plan: Plan | None = None
        self._process: EngineProcess | None = None

    async def run(self) -> Up | EngineProblem:
        """The engine, or why there is none."""
        name = self._spec.model
        result: Up | EngineProblem | None = None
        try:
            result = await self._launch()
        except NoRoom as error:
            result = EngineProblem("no_room", error.message, "")
        except CorralError as error:
            result = EngineProblem("bad_settings", error.message, "Check its settings.")
        except OSError as error:
            text = f"The engine of {name!r} could not be started: {error}."
            result = EngineProblem("not_started", text, "See `corral doctor`.")
        finally:
            if not isinstance(result, Up):
                await clean_up(self._host, self._plan, self._process, self._claim)
        return result

    async def _launch(self) -> Up | EngineProblem:
        if not self._spec.attached:
            self._claim = self._host.steward.claim(self._tenant)
            await self._claim.prepared()
        for _ in range(PORT_TRIES):
            result = await self._try()
            taken = isinstance(result, EngineProblem) and result.code == "port_taken"
            if not taken or self._plan is None or not isinstance(self._plan.address, TcpAddress):
                break
            # Somebody else took the port between our choice and its start: another one.
            await clean_up(self._host, self._plan, self._process, None)
        return result

    async def _try(self) -> Up | EngineProblem:
        plan = self._plan = make_plan(self._spec, self._host.environ)
        self._process = None
        if plan.launch is not None:
            self._tell_more(plan.launch.config)
            # Noted first: whatever ends us from here on, the next server finds what is left.
            self._host.ledger.add(plan.launch.token, str(plan.folder or ""))
            self._process = await EngineProcess.start(plan.launch, self._log)
            # Its program is up while those that it displaces still leave.
            if self._claim is not None:
                await self._claim.granted()
            self._process.configure(plan.launch.config)
        self._show(state=EngineState.LOADING, progress=0.0, pid=self._process.pid if self._process else None)
        problem = await self._until_ready(plan)
        if problem is not None:
            return problem
        fallback = Loaded(self._spec.context_length, self._spec.slots)
        up = Up(plan, HttpPool(plan.address), self._process, self._claim, await loaded(plan, fallback))
        await self._host.carry.restore(self._spec, self._tenant.replica, up.pool, plan)
        return up

    def _tell_more(self, config: object) -> None:
        """Tells an embedded engine where it keeps its states, and when it may sleep."""
        stay = self._spec.stay
        if self._spec.entry is None and isinstance(config, dict):
            saves = self._host.carry.folder(self._spec)
            # With the slash at its end: the engine puts names right behind it.
            config["saves"] = f"{saves}/" if saves is not None else ""
            sleep = math.ceil(stay.idle_sleep) if stay.idle_sleep and not stay.pinned else -1
            config["settings"] = [*config["settings"], ["sleep_idle_seconds", sleep]]

    async def _until_ready(self, plan: Plan) -> EngineProblem | None:
        """Asks for its health until it is well. Lines and memory are progress; without any it is given up."""
        clock, options, process = self._host.clock, self._host.options, self._process
        progress = Progress(clock.monotonic())
        interval = options.health_interval
        while True:
            if process is not None and process.code is not None:
                return diagnose(self._spec.model, await process.wait(), self._log.tail())
            health = await self._asked(plan)
            if health.answer is Answer.WELL:
                return None
            now = clock.monotonic()
            if process is not None:
                memory = process.memory()
                progress.seen(now, process.lines, memory)
                if self._spec.size_bytes:
                    self._show(progress=round(min(0.99, progress.memory / self._spec.size_bytes), 2))
            problem = self._hopeless(health, progress.stalled(now))
            if problem is not None:
                return problem
            await clock.sleep(interval)
            interval = min(0.5, interval * 1.3)

    async def _asked(self, plan: Plan) -> Health:
        process, address = self._process, plan.address
        # Whoever else listens at that port is not to learn its key, nor to be taken for it.
        if (
            process is not None
            and isinstance(address, TcpAddress)
            and not await asyncio.to_thread(process.listens, address.port)
        ):
            return Health(Answer.GONE, "it does not listen yet.")
        return await probe(plan)

    def _hopeless(self, health: Health, stalled: float) -> EngineProblem | None:
        """Whether it makes no sense to wait any longer."""
        name, entry = self._spec.model, self._spec.entry
        if health.answer is Answer.REFUSED:
            hint = "Check its api_key." if entry is not None and entry.url else "Pass {key} to it in its command."
            return EngineProblem("bad_key", f"The engine of {name!r} refuses our key.", hint, tuple(self._log.tail()))
        if self._process is None:
            gone = health.answer is Answer.GONE and stalled > self._host.options.attach_patience
            return unreachable(self._spec, health) if gone or stalled > self._host.options.start_stall else None
        if stalled > self._host.options.start_stall:
            return diagnose(name, None, self._log.tail(), stalled=stalled)
        return None


def outcome(task: asyncio.Task[Up | EngineProblem], model: str) -> Up | EngineProblem:
    """What became of a start that has ended, in whatever way."""
    if task.cancelled() or task.exception() is not None:
        text = f"The engine of {model!r} could not be started."
        return EngineProblem("internal", text, "This is a fault of Corral; its log has more.")
    return task.result()


def unreachable(spec: EngineSpec, health: Health) -> EngineProblem:
    """The problem of a server of somebody else that does not answer."""
    url = spec.entry.url if spec.entry is not None else None
    text = f"The server that {spec.model!r} is attached to ({url}) does not answer: {health.detail}"
    return EngineProblem("unreachable", text, "Start it, or correct the url; Corral tries again by itself.")


async def clean_up(host: Host, plan: Plan | None, process: EngineProcess | None, claim: Claim | None) -> None:
    """Ends what there is of an engine, and then gives its place back; also when the caller is cancelled meanwhile."""
    ending = asyncio.ensure_future(_end(host, plan, process, claim))
    try:
        await asyncio.shield(ending)
    except asyncio.CancelledError:
        await ending
        raise


async def _end(host: Host, plan: Plan | None, process: EngineProcess | None, claim: Claim | None) -> None:
    if claim is not None:
        claim.leaving()
    if process is not None:
        await process.end(host.options.stop_grace)
    if plan is not None:
        plan.clean()
        if plan.launch is not None:
            host.ledger.remove(plan.launch.token)
    if claim is not None:
        await claim.free()
