"""What is set for models: the use cases that HTTP, Socket.IO and the command line share."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corral.bus import Bus, Lagged
from corral.kit.clock import Clock, iso, moment
from corral.kit.errors import CorralError, InvalidRequest
from corral.kit.tasks import Tasks
from corral.models.configuration import records
from corral.models.configuration.application import AppSettings, wire_name
from corral.models.configuration.changing import Changing
from corral.models.configuration.importing import Reading, failure, read
from corral.models.configuration.policy import sources, wire
from corral.models.configuration.ports import EngineControl
from corral.models.configuration.profiles import Profiles
from corral.models.configuration.removing import Removing, removal
from corral.models.configuration.renewing import Renewing
from corral.models.configuration.sets import Edit, Sets
from corral.models.configuration.switching import undoable
from corral.models.configuration.templates import Templates
from corral.models.options.catalogue import DEFAULTS
from corral.models.options.forms import catalogue_as_dict
from corral.models.options.values import as_wire, merge
from corral.models.registry import TOPIC, ModelRegistry, unknown_model
from corral.settings import Settings, Sourced
from corral.store import Database
from corral.telemetry import get_logger

PURGE_SECONDS = 3600.0
HISTORY_PAGE = 100
_log = get_logger("corral.configuration")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the configuration is at home: DATA, time, news and the engines."""

    data: Path
    clock: Clock
    bus: Bus
    engines: EngineControl


class Configuration:
    """All that is set, and how it changes. `start` it before use."""

    def __init__(self, database: Database, registry: ModelRegistry, sourced: Sourced, around: Surroundings) -> None:
        self._registry = registry
        self._around = around
        self._sets = Sets(database, registry, clock=around.clock, bus=around.bus)
        self._changing = Changing(self._sets, around.engines, self._kind)
        self.settings = AppSettings(sourced, self._sets, changed=self._settings_changed, known=self._known)
        self.templates = Templates(self._sets, around.bus)
        self.profiles = Profiles(self._sets, self._changing)
        self.removing = Removing(
            self._sets, self._changing, registry, around.engines, around.data / "trash", self._known
        )
        self.renewing = Renewing(around.engines, self._pending, clock=around.clock, bus=around.bus)
        self._synced = -1
        self._tasks = Tasks("configuration")
        self._catalogue = catalogue_as_dict()

    async def load(self) -> None:
        """Reads what is set. Before the registry starts, so that it need not read known files again."""
        await self._sets.load()
        await self.templates.load()

    async def start(self) -> None:
        """Follows the registry from now on."""
        await self._sync()
        self._tasks.start("follow the registry", self._follow())
        self._tasks.start("empty the trash", self._purge())

    async def stop(self) -> None:
        """Ends the following."""
        await self.renewing.stop()
        await self._tasks.stop()

    async def _follow(self) -> None:
        while True:
            try:
                with self._around.bus.subscribe(TOPIC) as subscription:
                    async for _ in subscription:
                        await self._written(self._sync())
            except Lagged:
                await self._written(self._sync())

    async def _sync(self) -> None:
        """Writes what the files say, when there are others than the last time."""
        seen = self._registry.revision
        if seen != self._synced:
            await self._sets.sync()
            self._synced = seen

    async def _purge(self) -> None:
        while True:
            await self._written(self.removing.empty_trash())
            await self._around.clock.sleep(PURGE_SECONDS)

    @staticmethod
    async def _written(work: Awaitable[None]) -> None:
        """Does what can be done later as well, should the database not take it now."""
        try:
            await work
        except CorralError as error:
            _log.warning("configuration_not_written", reason=error.message)

    # Reading, all from memory

    def options(self) -> dict[str, Any]:
        """The catalogue in the wire form."""
        return self._catalogue

    def own(self, name: str) -> Mapping[str, Any]:
        """What is set for a model alone, by Python names."""
        return self._sets.own(name)

    def set_for(self, name: str, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What is set for a model, by Python names: for all models, and its own over that, here with `changes`."""
        return merge(self._sets.server(), {**self._sets.own(name), **(changes or {})})

    def effective(self, name: str) -> dict[str, Any]:
        """What counts for a model, by Python names: defaults, the settings, what is set for all models, its own."""
        return merge(DEFAULTS, self._from_settings(), self._sets.server(), self._sets.own(name))

    def row(self, name: str) -> dict[str, Any]:
        """What a list of models says of one."""
        entry = self._sets.entry(name)
        return {"version": entry.version, "changed": len(entry.own), "template": entry.template, "fit": entry.fit}

    @property
    def revision(self) -> int:
        """Counts up whenever anything that is set, or known of a model, changes."""
        return self._sets.revision + self.settings.revision

    def mark(self, name: str) -> object:
        """Changes whenever what `row` says of a model may have, or the room that its engine takes."""
        server, now = self._sets.server(), self.settings.now
        return self._sets.entry(name), server.get("ctx_size") or now.context_length, server.get("parallel") or now.slots

    def detail(self, name: str) -> dict[str, Any]:
        """All that is set for a model, in the wire form."""
        entry, server, settings = self._sets.entry(name), self._sets.server(), self._from_settings()
        effective = merge(DEFAULTS, settings, server, entry.own)
        return {
            "configuration": {
                "version": entry.version,
                "own": as_wire(entry.own),
                "server": as_wire(merge(settings, server)),
                "effective": as_wire(effective),
                "sources": wire(sources(server, entry.own, settings)),
                "pending": self._around.engines.stale(name),
            },
            "removed": removal(entry),
        }

    def _from_settings(self) -> dict[str, Any]:
        now = self.settings.now
        sleep, stop = math.ceil(now.idle_sleep) or -1, math.ceil(now.idle_stop)
        return {"ctx_size": now.context_length, "parallel": now.slots, "sleep_idle_seconds": sleep, "idle_stop": stop}

    def _known(self, name: str) -> bool:
        return name in self.settings.now.engines or self._registry.has(name)

    def _kind(self, name: str) -> str:
        entry = self.settings.now.engines.get(name)
        if entry is None:
            return "embedded"
        return "url" if entry.url else "llama_server" if entry.llama_server else "command"

    def _must_know(self, name: str) -> None:
        if not self._known(name):
            raise unknown_model(name, [*self.settings.now.engines, *(model.name for model in self._registry.all())])

    # Models

    async def save(self, name: str, version: int, changes: Mapping[str, Any], *, by: str, apply: bool) -> str:
        """Changes options of a model; `now` when its engine took them at once, else `next`.

        Raises ModelNotFound, InvalidRequest, Conflict and ConfigRefused.
        """
        self._must_know(name)
        took = await self._changing.save(name, version, changes, edit=Edit(by), apply=apply)
        return "now" if took else "next"

    async def delete(self, name: str, *, by: str, file: bool) -> dict[str, Any]:
        """Takes away all that is set for a model, with `file` its files too. Raises ModelNotFound, Conflict."""
        self._must_know(name)
        return await self.removing.delete(name, by=by, file=file)

    async def restore(self, name: str, *, by: str) -> None:
        """Brings back what `delete` took away. Raises NotFound and Conflict."""
        await self.removing.restore(name, by=by)

    async def put_fit(self, name: str, values: Mapping[str, Any]) -> None:
        """Keeps the last fit analysis of a model; values by the columns of `model_fit_params`."""
        await self._sets.put_fit(name, values)

    async def fit(self, name: str) -> dict[str, Any] | None:
        """The last fit analysis of a model, by column; None when there is none."""
        return await self._sets.fit(name)

    # Templates

    async def save_template(
        self, name: str, *, values: Mapping[str, Any] | None, model: str | None, by: str, **more: Any
    ) -> dict[str, Any]:
        """Keeps options under a name: `values`, or all that is set for `model`."""
        if (values is None) == (model is None):
            raise InvalidRequest("A template is made of either values or a model.", param="values")
        if model is not None:
            self._must_know(model)
            values = self._sets.own(model)
        made = await self.templates.save(name, values or {}, by=by, **more)
        if model is not None:
            await self._sets.note(model, template=name)
        return made

    async def apply_template(self, name: str, models: Sequence[str], *, by: str, apply: bool) -> dict[str, Any]:
        """Puts a template on models, over what they have. Raises NotFound; the result says what became of each model."""
        values, edit = self.templates.options(name), Edit(by, "template", name, quiet=True)

        async def one(model: str) -> dict[str, Any]:
            self._must_know(model)
            took = await self._changing.add(model, values, edit, apply=apply, template=name)
            return {"applied": "now" if took else "next"}

        results = await self._changing.each(list(dict.fromkeys(models)), one, apply=apply)
        self.templates.tell()
        return {"template": name, "results": results}

    # The settings of all

    def everything(self) -> dict[str, Any]:
        """`serverConfig` and `appConfig` with all that is known about them."""
        settings, server = self._from_settings(), self._sets.server()
        return {
            "serverConfig": as_wire(server),
            "appConfig": self.settings.values(),
            "version": self._sets.server_version,
            "effective": as_wire(merge(DEFAULTS, settings, server)),
            "settings": self.settings.rows(),
            "pending": self._pending(),
            "renewal": self.renewing.state(),
        }

    def _pending(self) -> list[str]:
        """The models whose engines run with other values than those that count."""
        names = (*self.settings.now.engines, *(model.name for model in self._registry.all()))
        return [name for name in names if self._around.engines.stale(name)]

    async def save_everything(
        self, *, version: int | None, server: Mapping[str, Any] | None, app: Mapping[str, Any] | None, by: str
    ) -> dict[str, Any]:
        """Changes server defaults and settings. Raises InvalidRequest and Conflict; then nothing is changed."""
        if server:
            await self._changing.check_server(version, server)
        if app:
            await self.settings.save(app, by=by)
        if server:
            await self._changing.save_server(version, server, Edit(by))
        everything = self.everything()
        return {**everything, "restart": [row["name"] for row in everything["settings"] if row["pending"]]}

    async def history(self, *, scope: str | None, name: str | None, before: str | None, limit: int) -> dict[str, Any]:
        """Changes, the newest first."""
        found = await self._sets.read(
            lambda connection: records.changes(connection, scope, name, before, min(limit, HISTORY_PAGE) + 1)
        )
        page = found[: min(limit, HISTORY_PAGE)]
        return {
            "entries": [_change(one) for one in page],
            **({"nextBefore": page[-1].id} if len(found) > len(page) else {}),
        }

    async def roll_back(self, key: str, *, by: str, apply: bool) -> dict[str, Any]:
        """Sets what was set before a change; later changes of the same thing are taken back along with it.

        A switch of profiles is undone as a whole. Raises NotFound, InvalidRequest, ConfigRefused, Conflict.
        """
        change = await self._sets.read(lambda connection: records.one_change(connection, key))
        took = False
        if change.scope in ("model", "server"):
            if change.scope == "model":
                self._must_know(change.name)
            took = await self._changing.take_back(change, by, apply=apply)
        elif change.scope == "app":
            await self.settings.take_back(change, by)
        elif change.scope == "template":
            await self.templates.put_back(change, by)
        else:
            return {"scope": change.scope, "name": change.name, **await self.profiles.undo(change, by=by, apply=apply)}
        return {"scope": change.scope, "name": change.name, "applied": "now" if took else "next"}

    # Import

    async def take_over(self, document: Mapping[str, Any], kind: str | None, *, by: str) -> dict[str, Any]:
        """Takes over an older dashboard's JSON file; what cannot be is told with the reason. Raises InvalidRequest."""
        reading = read(document, kind)
        taken: dict[str, Any] = {}
        if reading.server:
            await self._changing.save_server(None, reading.server, Edit(by, "import", reading.kind))
            taken["serverConfig"] = as_wire(reading.server)
        await self._take_folder(reading, taken, by)
        await self._take_default(reading, taken, by)
        await self._take_templates(reading, taken, by)
        return {"kind": reading.kind, "imported": taken, "skipped": reading.skipped}

    async def _take_folder(self, reading: Reading, taken: dict[str, Any], by: str) -> None:
        if reading.folder is None:
            return
        folders = [str(folder) for folder in self.settings.now.models]
        if not await asyncio.to_thread(Path(reading.folder).is_dir):
            reading.skip("basePath", "is not a folder of this machine")
        elif reading.folder not in folders:
            try:
                await self.settings.save({"models": [*folders, reading.folder]}, by=by, action="import")
                taken["models"] = [*folders, reading.folder]
            except CorralError as error:
                reading.skip("basePath", failure(error))

    async def _take_default(self, reading: Reading, taken: dict[str, Any], by: str) -> None:
        if reading.default_model is None:
            return
        try:
            await self.settings.save({"default_model": reading.default_model}, by=by, action="import")
            taken["defaultModel"] = reading.default_model
        except CorralError as error:
            reading.skip("default_model", failure(error))

    async def _take_templates(self, reading: Reading, taken: dict[str, Any], by: str) -> None:
        made: dict[str, str] = {}
        for model, template in reading.templates.items():
            try:
                if template not in self.templates.names():
                    text = "From model-templates.json, which held only its name."
                    await self.templates.save(template, {}, description=text, by=by)
                self._must_know(model)
                values = self.templates.options(template)
                await self._changing.add(model, values, Edit(by, "import", template), apply=False, template=template)
                made[model] = template
            except CorralError as error:
                reading.skip(f"model_templates.{model}", failure(error))
        if made:
            taken["modelTemplates"] = made
            self.templates.tell()

    async def _settings_changed(self, now: Settings) -> None:
        await self._registry.look_in([self._around.data / "models", *now.models])
        await self._around.engines.renew()


def _change(one: records.Change) -> dict[str, Any]:
    return {
        "id": one.id, "at": iso(moment(one.at)), "by": one.by, "scope": one.scope, "name": one.name, "version": one.version,
        "action": one.action, "before": _shown(one.scope, one.before), "after": _shown(one.scope, one.after),
        "note": one.note, **({"undo": _reach(one)} if undoable(one) else {}),
    }  # fmt: skip


def _reach(one: records.Change) -> dict[str, Any]:
    """What undoing a switch would set."""
    return {"models": len(one.before.get("models", {})), "server": one.before.get("server") is not None}


def _shown(scope: str, values: Mapping[str, Any]) -> dict[str, Any]:
    if scope == "profile":
        # They may be of thousands of models, which have entries of their own.
        return {}
    if scope == "app":
        return {wire_name(name): value for name, value in values.items()}
    if scope == "template" and values:
        return {**values, "options": wire(values["options"])}
    return wire(values)
