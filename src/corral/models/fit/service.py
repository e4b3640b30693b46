"""The use cases of the fit analysis."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from corral.bus import Bus, Lagged
from corral.kit.clock import Clock
from corral.kit.errors import CorralError, InvalidRequest
from corral.kit.tasks import Tasks
from corral.models.fit.anatomy import anatomy
from corral.models.fit.files import Base, Body, plan_of, predict, read_body
from corral.models.fit.judging import judge
from corral.models.fit.remote import resized, unknown
from corral.models.fit.types import Machine, Plan, Report
from corral.models.gguf import GgufError, Header
from corral.models.options.values import check, check_together
from corral.models.registry import TOPIC, ModelRegistry
from corral.models.types import Model
from corral.telemetry import get_logger

_KEPT = 1024
_GATHER = 0.5
_TURN = 100
_log = get_logger("corral.fit")


class Settings(Protocol):
    """What is set, and where analyses are kept; a port that `app` fills."""

    def values(self, name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """What would be set for a model, by Python names, with its own values changed so."""
        ...

    def base(self) -> Base:
        """What counts where nothing is set."""
        ...

    def limit(self) -> int | None:
        """Bytes that all engines may use, None without a limit."""
        ...

    def used(self, name: str) -> int:
        """Bytes that a model's engines use now."""
        ...

    def revision(self) -> object:
        """Changes whenever `values` or `base` may."""
        ...

    def kept(self, name: str) -> Awaitable[Mapping[str, Any] | None]:
        """The last analysis of a model, by the columns of its table; None when there is none."""
        ...

    def keep(self, name: str, columns: Mapping[str, Any]) -> Awaitable[None]:
        """Keeps an analysis, by the columns of its table."""
        ...


class Fit:
    """Says what memory models need. `start` it to have all models analysed as they come."""

    def __init__(
        self,
        registry: ModelRegistry,
        settings: Settings,
        look: Callable[[int | None], Machine],
        *,
        clock: Clock,
        bus: Bus,
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._look = look
        self._clock = clock
        self._bus = bus
        self._bodies: OrderedDict[object, Body] = OrderedDict()
        self._machine: Machine | None = None
        self._expected: dict[str, tuple[object, int]] = {}
        self._seen: dict[str, tuple[Any, ...]] = {}
        self._tasks = Tasks("fit")

    def start(self) -> None:
        """Analyses every model that has no analysis yet, one after the other, now and when models come."""
        self._tasks.start("survey", self._survey())

    async def stop(self) -> None:
        """Ends that."""
        await self._tasks.stop()

    async def analyze(self, name: str, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The report on a model as it is set, or with `changes` (which are not kept). Raises ModelNotFound and InvalidRequest."""
        model = self._registry.get(name)
        if model.problem is not None:
            raise InvalidRequest(f"The model {name!r} cannot be used: {model.problem}.", param="name")
        checked = check(changes or {}, scope="model")
        values = self._settings.values(name, checked)
        if checked:
            check_together(values)
        report = await asyncio.to_thread(self._report, model, values)
        if not checked:
            await self._settings.keep(name, columns(report, values))
        return report.as_dict()

    def expected(self, name: str) -> int:
        """Bytes that a model's engine will use as it is set now; 0 while its files have not been read. Takes no time."""
        made_of = self._registry.get(name), self._settings.revision(), len(self._bodies), self._machine
        kept = self._expected.get(name)
        if kept is None or kept[0] != made_of:
            kept = self._expected[name] = made_of, self._work_out(name)
        return kept[1]

    def _work_out(self, name: str) -> int:
        model, values = self._registry.get(name), self._settings.values(name, {})
        plan = plan_of(model, values, self._settings.base())
        body = self._bodies.get(_key(model, values, plan))
        return predict(body, plan, self._machine).host if body is not None and self._machine is not None else 0

    async def judge_choices(self, header: Header | None, choices: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
        """Reports on files that are not here yet, by their quantisation and bytes; `header` is that of one of them.

        Without a header only the bytes are known, and a usual share on top of them is taken.
        """
        return await asyncio.to_thread(self._judge_choices, header, choices)

    def _judge_choices(self, header: Header | None, choices: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
        base, machine = self._settings.base(), self._look(self._settings.limit())
        found = None
        if header is not None:
            with contextlib.suppress(GgufError):
                found = anatomy([header])
        reports = []
        for quant, count in choices:
            body = Body(resized(found, quant, count) if found is not None else unknown(quant, count))
            plain = Model("", Path(), 0, context_length=body.anatomy.trained, embeddings=body.anatomy.embeds)
            reports.append(judge(body, plan_of(plain, {}, base), machine).as_dict())
        return reports

    def _report(self, model: Model, values: Mapping[str, Any]) -> Report:
        plan = plan_of(model, values, self._settings.base())
        machine = self._look(self._settings.limit())
        self._machine = self._machine or machine
        # What its own engine uses now is free for the next one.
        used = self._settings.used(model.name)
        free = replace(machine, available=min(machine.total, machine.available + used))
        return replace(judge(self._body(model, values, plan), plan, free), measured=used or None)

    def _body(self, model: Model, values: Mapping[str, Any], plan: Plan) -> Body:
        """The headers of a model, read once while it stays as it is."""
        key = _key(model, values, plan)
        body = self._bodies.get(key)
        if body is None:
            body = self._bodies[key] = read_body(model, values, plan)
            while len(self._bodies) > _KEPT:
                self._bodies.popitem(last=False)
        return body

    async def _survey(self) -> None:
        while True:
            # What comes meanwhile is seen by the next round, however much it is.
            with contextlib.suppress(Lagged), self._bus.subscribe(TOPIC) as news:
                await self._analyze_new()
                async for _ in news:
                    break
            await self._clock.sleep(_GATHER)

    async def _analyze_new(self) -> None:
        """Analyses the models that have no analysis as they are now. Thousands are nothing to hurry about: a tenth of a core at most."""
        models = self._registry.all()
        names = {model.name for model in models}
        for known in (self._seen, self._expected):
            for name in known.keys() - names:
                del known[name]
        for count, model in enumerate(models):
            if count % _TURN == 0:
                await asyncio.sleep(0)
            if model.problem is not None:
                continue
            mark = (model.path, model.size_bytes, model.modified, _options(self._settings.values(model.name, {})))
            if self._seen.get(model.name) == mark:
                continue
            self._seen[model.name] = mark
            began = self._clock.monotonic()
            try:
                if not await self._still_true(model, mark[-1]):
                    await self.analyze(model.name)
            except CorralError as error:
                _log.debug("not_analyzed", model=model.name, reason=error.message)
            await self._clock.sleep(9 * (self._clock.monotonic() - began))

    async def _still_true(self, model: Model, options: str) -> bool:
        """Whether the kept analysis is of this file, these options and this machine."""
        kept = await self._settings.kept(model.name)
        if kept is None:
            return False
        if self._machine is None:
            self._machine = await asyncio.to_thread(self._look, self._settings.limit())
        now = (self._registry.fingerprint(model.name), options, self._machine.total)
        return (kept["fingerprint"], kept["options"], kept["machine_total_bytes"]) == now


def _options(values: Mapping[str, Any]) -> str:
    return json.dumps({name: value for name, value in sorted(values.items()) if value is not None})


def _key(model: Model, values: Mapping[str, Any], plan: Plan) -> object:
    named = [values.get(name) for name in ("mmproj", "mmproj_auto", "model_draft", "lora")]
    return model.path, model.size_bytes, model.modified, model.mmproj, plan.image_max_tokens, json.dumps(named)


def columns(report: Report, values: Mapping[str, Any]) -> dict[str, Any]:
    """A report by the columns of `model_fit_params`."""
    parts, machine, wire = report.prediction.parts, report.machine, report.as_dict()
    return {
        "options": _options(values),
        "verdict": report.verdict.value,
        "reason": report.reason,
        "total_bytes": parts.total,
        "weights_bytes": parts.weights + parts.adapters,
        "kv_bytes": parts.kv,
        "compute_bytes": parts.compute,
        "output_bytes": parts.output,
        "projector_bytes": parts.projector,
        "draft_bytes": parts.draft,
        "prompt_cache_bytes": parts.prompt_cache,
        "runtime_bytes": parts.runtime,
        "per_device": json.dumps(wire["perDevice"]),
        "machine_total_bytes": machine.total,
        "machine_available_bytes": machine.available,
        "recommended": json.dumps(wire["recommended"]),
        "measured_bytes": report.measured,
    }
