"""Routes as configuration: what a public name stands for, and the use cases that HTTP, Socket.IO and the command line share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from corral.bus import Bus
from corral.inference.routes.states import States
from corral.inference.routes.types import LOCAL, RouteSpec, single
from corral.inference.routes.writing import RouteCodec, row_of, spec_of
from corral.kit.clock import Clock
from corral.kit.errors import CorralError, InvalidRequest, ModelNotFound
from corral.kit.tasks import Tasks
from corral.models.registry import unknown_model
from corral.providers.directory import Providers
from corral.providers.directory.shelf import Record, Shelf, gone
from corral.providers.types import Provider
from corral.settings.gateway import CandidateEntry, RouteEntry, RouteName
from corral.store import Database
from corral.telemetry import get_logger

TOPIC = "routes"
PURGE_SECONDS = 3600.0
_NAME: TypeAdapter[str] = TypeAdapter(RouteName)
_log = get_logger("corral.routes")


class LocalModels(Protocol):
    """The models of this machine (a port that `app` fills)."""

    def has(self, name: str) -> bool:
        """Whether there is one of that name."""
        ...

    def default(self) -> str:
        """The name that is meant when none is said: a model's or a route's. Raises ModelNotFound when there is none."""
        ...

    def names(self) -> Sequence[str]:
        """All of them."""
        ...


class RouteDirectory:
    """All routes; fills `inference.ports.Directory`. `load` before use, then `start`.

    A name stands for a route, else for a model of this machine, else for `provider/model`.
    """

    def __init__(
        self, database: Database, given: Mapping[str, RouteEntry], source: str, providers: Providers, local: LocalModels,
        *, clock: Clock, bus: Bus,
    ) -> None:  # fmt: skip
        """`given` are the routes of the file at `source`."""
        self._providers = providers
        self._local = local
        self._clock = clock
        self._bus = bus
        self._shelf: Shelf[RouteEntry] = Shelf(database, RouteCodec(), given, source, clock=clock)
        self._shelf.shown = self._row
        self._specs: dict[str, RouteSpec] = {}
        self._named: dict[str, list[str]] = {}
        self._rows: dict[str, tuple[Record[RouteEntry], dict[str, Any]]] = {}
        self._changing = asyncio.Lock()
        self._tasks = Tasks("routes")
        self.states = States(clock, bus, self._candidates)
        self.revision = 0
        providers.uses = self.using

    async def load(self) -> None:
        """Reads what there is."""
        await self._shelf.load()
        self._compile()

    def start(self) -> None:
        """Empties the trash now and then, and tells how candidates are doing."""
        self._tasks.start("empty the trash", self._look_after())
        self._tasks.start("states", self.states.run())

    async def stop(self) -> None:
        """Ends that."""
        await self._tasks.stop()

    # For requests: from memory alone

    def resolve(self, name: str | None) -> RouteSpec:
        """See `inference.ports.Directory`."""
        if name is None:
            name = self._local.default()
        found = self._specs.get(name)
        if found is not None:
            return found
        if self._local.has(name):
            return single(name, LOCAL, name)
        provider, slash, model = name.partition("/")
        if slash and model and self._providers.has(provider) and len(name) <= 200:
            if provider == LOCAL and not self._local.has(model):
                raise unknown_model(model, list(self._local.names()))
            return single(name, provider, model)
        if self._shelf.find(name) is not None:
            raise ModelNotFound(f"The route {name!r} is switched off.", param="model")
        raise unknown_model(name, self.names())

    def provider(self, name: str) -> Provider:
        """See `inference.ports.Directory`."""
        return self._providers.live.provider(name)

    def specs(self) -> list[RouteSpec]:
        """All routes that can be asked for."""
        return list(self._specs.values())

    def names(self) -> list[str]:
        """What can be asked for by a name of its own: routes and models of this machine."""
        return list(dict.fromkeys((*self._specs, *self._local.names())))

    def using(self, provider: str) -> list[str]:
        """The routes that name a provider, be they switched off."""
        return self._named.get(provider, [])

    # Use cases

    def listing(self) -> dict[str, Any]:
        """All routes, and those in the trash."""
        rows = [self._row(record) for record in self._shelf.all()]
        return {"routes": rows, "removed": [gone(record) for record in self._shelf.removed()]}

    def row(self, name: str) -> dict[str, Any]:
        """One route. Raises NotFound."""
        return self._row(self._shelf.get(name))

    async def save(self, name: str, version: int, changes: Mapping[str, Any], *, by: str) -> dict[str, Any]:
        """Makes, changes or renames (`changes["name"]`) a route. Raises InvalidRequest, NotFound and Conflict."""
        values = dict(changes)
        new = values.pop("name", None)
        for one in (name, *(() if new is None else (new,))):
            _check_name(one)
        async with self._changing:
            target = new if version else None
            record = await self._shelf.save(
                name if version or new is None else new, version, values, by=by, rename=target
            )
            _log.info("route_saved", route=record.name, version=record.version, by=by)
            self._compile()
            return self._tell(record, [name] if record.name != name else [])

    async def delete(self, name: str, *, by: str) -> dict[str, Any]:
        """Puts a route into the trash. Raises NotFound, and InvalidRequest for one of the file."""
        async with self._changing:
            record = await self._shelf.delete(name, by=by)
            _log.info("route_removed", route=name, by=by)
            self._compile()
            self._tell(None, [name])
            return {"deleted": name, "until": gone(record)["until"]}

    async def restore(self, name: str, *, by: str) -> dict[str, Any]:
        """Brings back what `delete` took away. Raises NotFound."""
        async with self._changing:
            record = await self._shelf.restore(name, by=by)
            self._compile()
            return self._tell(record, [])

    def problems_changed(self) -> None:
        """A provider or a model came or went: tells the routes anew."""
        rows = [self._row(record) for record in self._shelf.all()]
        self._bus.publish(TOPIC, {"event": "routes:changed", "routes": rows, "removed": [], "full": True})

    # Within

    def _compile(self) -> None:
        """Makes what requests and pages look at, once a change."""
        records = self._shelf.all()
        known = [(record.name, record.entry) for record in records if record.entry is not None]
        self._specs = {name: spec_of(name, entry) for name, entry in known if entry.enabled}
        self._named = {}
        for name, entry in known:
            for provider in dict.fromkeys(one.provider for _, one in _places(entry)):
                self._named.setdefault(provider, []).append(name)
        kept = {record.name: self._rows.get(record.name) for record in records}
        self._rows = {
            record.name: found if (found := kept[record.name]) and found[0] is record else (record, row_of(record))
            for record in records
        }
        self.revision += 1

    def _candidates(self) -> Iterable[RouteSpec]:
        return self._specs.values()

    def _row(self, record: Record[RouteEntry]) -> dict[str, Any]:
        kept = self._rows.get(record.name)
        row = kept[1] if kept is not None and kept[0] is record else row_of(record)
        shadows = record.entry is not None and record.entry.enabled and self._local.has(record.name)
        return {**row, "problems": self._problems(record), "shadows": shadows}

    def _problems(self, record: Record[RouteEntry]) -> list[dict[str, Any]]:
        if record.entry is None:
            return [{"candidate": None, "message": record.problem}]
        found = ((place, self._problem(one)) for place, one in _places(record.entry))
        return [{"candidate": place, "message": problem} for place, problem in found if problem is not None]

    def _problem(self, candidate: CandidateEntry) -> str | None:
        if candidate.provider == LOCAL:
            known = self._local.has(candidate.model)
            return None if known else f"There is no model {candidate.model[:100]!r} on this machine."
        return self._providers.live.problem(candidate.provider)

    def _tell(self, record: Record[RouteEntry] | None, removed: Sequence[str]) -> dict[str, Any]:
        row = self._row(record) if record is not None else None
        rows = [row] if row is not None else []
        self._bus.publish(TOPIC, {"event": "routes:changed", "routes": rows, "removed": list(removed), "full": False})
        return row or {}

    async def _look_after(self) -> None:
        while True:
            try:
                async with self._changing:
                    await self._shelf.purge()
            except CorralError as error:
                _log.warning("routes_not_purged", reason=error.message)
            await self._clock.sleep(PURGE_SECONDS)


def _places(entry: RouteEntry) -> list[tuple[int | None, CandidateEntry]]:
    """The candidates of a route by their index, and its mirror without one."""
    found: list[tuple[int | None, CandidateEntry]] = list(enumerate(entry.candidates))
    return [*found, (None, entry.mirror)] if entry.mirror is not None else found


def _check_name(name: Any) -> None:
    try:
        _NAME.validate_python(name, strict=True)
    except ValidationError as error:
        reason = error.errors(include_url=False, include_input=False)[0]["msg"].removeprefix("Value error, ")
        raise InvalidRequest(f"name: {reason}.", param="name", details={"fields": {"name": reason}}) from None
