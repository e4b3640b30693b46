"""Models and their engines together, as the rooms above them ask for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from corral.app.loaded import LoadedModels
from corral.app.rows import at_rest, describe, describe_told, state
from corral.engines import Engines, EngineSpec, Stay
from corral.engines.types import EngineStatus
from corral.inference import Route
from corral.kit.errors import CorralError, EngineFailed, ModelNotFound
from corral.models import Model, ModelRegistry
from corral.models.configuration import Configuration
from corral.models.options.launching import embeds, shape
from corral.models.registry import unknown_model
from corral.settings import Settings

INCLUDED_OPTIONS = {"n_predict": 96}
"""What the included model runs with unless it was set otherwise: its answers are short, and one that is not has lost its way."""


class Catalogue:
    """Models and their engines together: fills the ports of engines, inference and the surfaces."""

    def __init__(self, settings: Settings, registry: ModelRegistry) -> None:
        self._given = settings
        self._registry = registry
        self._rows: dict[str, tuple[Any, dict[str, Any]]] = {}
        self._listed: tuple[Any, list[dict[str, Any]]] = (None, [])
        self._resolved: tuple[Any, dict[str | None, Route]] = (None, {})
        self.engines: Engines | None = None
        self.configuration: Configuration | None = None
        self.loaded: LoadedModels | None = None
        self.expected: Callable[[str], int] = lambda _: 0
        """Bytes that a model's engine is expected to use, 0 when nobody has worked it out."""

    @property
    def _settings(self) -> Settings:
        """Those that count now."""
        return self.configuration.settings.now if self.configuration is not None else self._given

    def spec(self, model: str) -> EngineSpec:
        """See `engines.types.Specs`."""
        settings, entry, options = self._settings, self._settings.engines.get(model), self._options(model)
        if entry is not None:
            path = Path(entry.model) if entry.model else None
            context = options.get("ctx_size") or entry.context_length or settings.context_length
            slots = options.get("parallel") or entry.slots
            stay = self._stay(options)
            return EngineSpec(model, path, 0, context, slots, entry=entry, options=options, stay=stay)
        found = self._registry.get(model)
        if found.problem is not None:
            raise EngineFailed(f"The model {model!r} cannot be used: {found.problem}.")
        context, slots = shape(
            options, context=settings.context_length, slots=settings.slots, trained=found.context_length
        )
        return EngineSpec(
            model, found.path, found.size_bytes, context, slots, found.embeddings, found.mmproj, options=options,
            stay=self._stay(options), memory_bytes=self.expected(model),
        )  # fmt: skip

    def _stay(self, options: Mapping[str, Any]) -> Stay:
        """How long a model's engines stay: as set for it, else as in the settings; 0 and less mean for ever."""
        settings = self._settings
        sleep, stop = options.get("sleep_idle_seconds"), options.get("idle_stop")
        sleep = settings.idle_sleep if sleep is None else sleep
        stop = settings.idle_stop if stop is None else stop
        return Stay(
            pinned=bool(options.get("pinned")),
            replicas=options.get("replicas") or 1,
            group=options.get("swap_group"),
            idle_sleep=sleep if sleep > 0 else None,
            idle_stop=stop if stop > 0 else None,
        )

    def _options(self, model: str) -> dict[str, Any]:
        """What is set for a model: for all of them, and its own."""
        known = self.configuration.set_for(model) if self.configuration is not None else {}
        if model not in self._settings.engines and self._registry.has(model) and self._registry.get(model).included:
            return {**INCLUDED_OPTIONS, **known}
        return known

    def longest_answer(self, name: str) -> int | None:
        """The longest answer of a model in tokens, where one is set for it; of the default model when `name` is empty."""
        try:
            limit = self._options(name or self.default()).get("n_predict")
        except ModelNotFound:
            return None
        return limit if limit is not None and limit > 0 else None

    def _embeds(self, model: Model) -> bool:
        """Whether a model makes vectors: as its file says, unless it was set otherwise."""
        return embeds(self._options(model.name), model.embeddings)

    def version(self, name: str) -> str:
        """What a model's answers depend on beside the question: its file and what is set for it. Empty for an unknown one."""
        try:
            spec = self.spec(name)
        except CorralError:
            return ""
        return repr(
            (spec.path, spec.size_bytes, spec.context_length, spec.mmproj, spec.entry, sorted(spec.options.items()))
        )

    def resolve(self, name: str | None) -> Route:
        """See `inference.service.Routes`. Asked for every request, so it is worked out once a change."""
        made_of = self._settings, self._registry.revision, self._revision()
        if self._resolved[0] != made_of:
            self._resolved = made_of, {}
        found = self._resolved[1].get(name)
        if found is None:
            found = self._resolved[1][name] = self._route(name)
        return found

    def _route(self, name: str | None) -> Route:
        if name is None:
            name = self.default()
        if not self.has(name):
            raise unknown_model(name, self.names())
        entry = self._settings.engines.get(name)
        slots = self._options(name).get("parallel") or (entry.slots if entry else self._settings.slots)
        return Route(name, slots)

    def default(self) -> str:
        """The model of new chats. Raises ModelNotFound when there is none."""
        if self._settings.default_model:
            return self._settings.default_model
        usable = (model.name for model in self._registry.all() if model.problem is None and not self._embeds(model))
        name = next(iter(self._settings.engines), None) or next(usable, None)
        if name is None:
            raise ModelNotFound(f"There is no model yet. Put a GGUF file into {self._settings.data / 'models'}.")
        return name

    def has(self, name: str) -> bool:
        """See `inference.routes.service.LocalModels`."""
        return name in self._settings.engines or self._registry.has(name)

    def names(self) -> list[str]:
        """All names of models of this machine."""
        return list(dict.fromkeys((*self._settings.engines, *(model.name for model in self._registry.all()))))

    def readiness(self) -> str | None:
        """Why no chat can be answered, None when one can."""
        try:
            self.resolve(None)
        except ModelNotFound as error:
            return error.message
        return None

    # surfaces.api.models.ModelControl

    def models(self) -> list[dict[str, Any]]:
        """All models in the wire form, without what only one page needs. Rows that did not change are the same objects."""
        statuses = self._running.statuses()
        made_of = (self._registry.revision, self._revision(), self.loaded.revision if self.loaded else 0, statuses)
        if self._listed[0] != made_of:
            by_name = {status.model: status for status in statuses}
            default, names = self._default_or_none(), self.names()
            self._rows = {name: self._row(name, by_name.get(name), is_default=name == default) for name in names}
            self._listed = made_of, [row for _, row in self._rows.values()]
        return self._listed[1]

    def _revision(self) -> int:
        return self.configuration.revision if self.configuration is not None else 0

    def _row(self, name: str, status: EngineStatus | None, *, is_default: bool) -> tuple[Any, dict[str, Any]]:
        """The row of a model, after all that it was made of."""
        found, configuration = self._found(name), self.configuration
        told = self.loaded.get(name) if self.loaded is not None else None
        made_of = (found, status, configuration.mark(name) if configuration is not None else None, is_default, told)
        kept = self._rows.get(name)
        if kept is not None and kept[0] == made_of:
            return kept
        known = configuration.row(name) if configuration is not None else {}
        shown = state(status, found) if status is not None else self._at_rest(name, found)
        return made_of, {**self._facts(name, found), **shown, **known, "default": is_default}

    def model(self, name: str) -> dict[str, Any]:
        """One model in the wire form, with all that is set for it."""
        found = self._found(name)
        statuses = {status.model: status for status in self._running.statuses()}
        row = self._row(name, statuses.get(name), is_default=name == self._default_or_none())[1]
        if self.configuration is None:
            return row
        template = found.chat_template if found is not None else None
        return {**row, "chatTemplate": template, **self.configuration.detail(name)}

    def _found(self, name: str) -> Model | None:
        """What the registry has of a model; None for one of the settings. Raises ModelNotFound."""
        return None if name in self._settings.engines else self._registry.get(name)

    def _facts(self, name: str, found: Model | None) -> dict[str, Any]:
        if found is None:
            told = self.loaded.get(name) if self.loaded is not None else None
            return {"name": name, "path": self._settings.engines[name].model, **(describe_told(told) if told else {})}
        return {**describe(found), "embeddings": self._embeds(found)}

    def _at_rest(self, name: str, found: Model | None) -> dict[str, Any]:
        """The state of an engine that was never used."""
        if found is not None and found.problem is not None:
            return {"state": "failed", "engine": None}
        options, settings, entry = self._options(name), self._settings, self._settings.engines.get(name)
        trained = found.context_length if found is not None else None
        context = (entry.context_length if entry is not None else None) or settings.context_length
        slots = entry.slots if entry is not None else settings.slots
        context, slots = shape(options, context=context, slots=slots, trained=trained)
        return at_rest(name, slots, context)

    async def start(self, name: str) -> dict[str, Any]:
        """See ModelControl."""
        await self._running.start(name)
        return self.model(name)

    async def stop(self, name: str) -> dict[str, Any]:
        """See ModelControl."""
        await self._running.stop(name)
        return self.model(name)

    async def restart(self, name: str) -> dict[str, Any]:
        """See ModelControl."""
        await self._running.restart(name)
        return self.model(name)

    async def rescan(self) -> list[dict[str, Any]]:
        """See ModelControl."""
        await self._registry.rescan()
        if self.loaded is not None:
            await self.loaded.look()
        return self.models()

    def _default_or_none(self) -> str | None:
        try:
            return self.default()
        except ModelNotFound:
            return None

    @property
    def _running(self) -> Engines:
        assert self.engines is not None
        return self.engines
