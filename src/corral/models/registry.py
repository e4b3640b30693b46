"""The models that there are now."""

from __future__ import annotations

import asyncio
import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from corral.bus import Bus
from corral.kit.clock import Clock
from corral.kit.errors import ModelNotFound
from corral.kit.tasks import Tasks
from corral.models.describe import describe
from corral.models.discovery import Found, find, signature
from corral.models.types import Model
from corral.telemetry import get_logger

WATCH_SECONDS = 2.0
TOPIC = "models"
READING = 1
"""Counts up when files are read in another way, so that nothing is believed that an older Corral read."""
_log = get_logger("corral.models")


class ModelRegistry:
    """Knows the models in some folders and watches them.

    `revision` counts the changes of what there is.

    Args:
        folders: where models lie; a folder that is not there has none.
        included: the model that ships with Corral, listed when it is there.
    """

    def __init__(self, folders: Sequence[Path], included: Path | None, *, clock: Clock, bus: Bus) -> None:
        self._folders = tuple(folders)
        self._included = included
        self._clock = clock
        self._bus = bus
        self.revision = 0
        self._models: dict[str, Model] = {}
        self._described: dict[str, Model] = {}
        self._fingerprints: dict[str, str] = {}
        self._signature: object = None
        self._tasks = Tasks("models")
        self._scanning = asyncio.Lock()

    async def start(self) -> None:
        """Scans once, then watches."""
        await self.rescan()
        self._tasks.start("watch", self._watch())

    async def stop(self) -> None:
        """Ends the watching."""
        await self._tasks.stop()

    def remember(self, models: Mapping[str, Model]) -> None:
        """Takes over what an earlier server read, by fingerprint, so that unchanged files need not be read again."""
        self._described = {**models, **self._described}

    def fingerprint(self, name: str) -> str | None:
        """Changes with the files of a model; None for one that is read at every start."""
        return self._fingerprints.get(name)

    async def look_in(self, folders: Sequence[Path]) -> None:
        """Takes other folders from now on."""
        self._folders = tuple(folders)
        await self.rescan()

    def all(self) -> tuple[Model, ...]:
        """All models, by name, the included one last."""
        return tuple(self._models.values())

    def has(self, name: str) -> bool:
        """Whether there is a model of this name."""
        return name in self._models

    def get(self, name: str) -> Model:
        """The model called `name`. Raises ModelNotFound with names that are close."""
        model = self._models.get(name)
        if model is None:
            raise unknown_model(name, self._models)
        return model

    async def rescan(self) -> tuple[Model, ...]:
        """Looks at the folders again and tells the bus when something changed."""
        async with self._scanning:
            found, mark, fingerprints = await asyncio.to_thread(self._scan)
            self._signature, self._fingerprints = mark, fingerprints
            models = {model.name: model for model in found}
            if models != self._models:
                self._models = models
                self.revision += 1
                self._bus.publish(TOPIC, {"event": "models:changed", "count": len(models)})
                _log.info("models_found", count=len(models), unusable=sum(model.problem is not None for model in found))
        return self.all()

    def _scan(self) -> tuple[list[Model], object, dict[str, str]]:
        mark = signature(self._folders)
        stats = {path: rest for path, *rest in mark}
        described: dict[str, Model] = {}
        fingerprints: dict[str, str] = {}
        models = []
        for found in find(self._folders):
            # Only what has changed is read again: a file that is being copied makes a scan every two seconds.
            key = _fingerprint(found, stats)
            model = self._described.get(key) or describe(found.name, tuple(found.files), missing=found.missing)
            described[key] = model
            fingerprints[found.name] = key
            models.append(replace(model, mmproj=found.mmproj))
        self._described = described
        if self._included is not None and self._included.is_file():
            name = self._included.stem
            if name not in {model.name for model in models}:
                models.append(describe(name, (self._included,), included=True))
        return models, mark, fingerprints

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(WATCH_SECONDS)
            if await asyncio.to_thread(signature, self._folders) != self._signature:
                await self.rescan()


def _fingerprint(found: Found, stats: Mapping[str, Sequence[int]]) -> str:
    files = [(str(path), *stats.get(str(path), ())) for path in found.files]
    return hashlib.sha256(repr((READING, found.name, files, found.missing)).encode()).hexdigest()


def unknown_model(name: str, known: Sequence[str] | dict[str, Model]) -> ModelNotFound:
    """The error for a name that no model has."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else " GET /v1/models lists what there is."
    return ModelNotFound(f"There is no model called {name[:200]!r}.{hint}", param="model")
