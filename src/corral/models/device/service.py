"""What this server offers to browsers, and its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from corral.kit.errors import ModelVersionGone, NotFound
from corral.models.device.digests import Digests
from corral.models.device.files import PartFile, Readers
from corral.models.device.types import Mark, Offer, too_large
from corral.models.discovery import files_of
from corral.models.registry import ModelRegistry
from corral.models.types import Model


class DeviceModels:
    """The models of the registry as files for browsers. Nothing but the registry names a path. `start`, `stop`.

    Args:
        limit: bytes of all files of a model together; larger ones are listed with the reason why they are not given.
    """

    def __init__(self, registry: ModelRegistry, digests: Digests, readers: Readers, *, limit: int) -> None:
        self._registry = registry
        self._digests = digests
        self._limit = limit
        self.readers = readers

    async def start(self) -> None:
        """Begins to work out digests, with that of the included model."""
        await self._digests.start()
        for offer in await self._offers([model for model in self._registry.all() if model.included]):
            for mark in offer.marks:
                self._digests.want(mark)

    async def stop(self) -> None:
        """Ends the work."""
        await self._digests.stop()
        self.readers.stop()

    async def all(self) -> list[dict[str, Any]]:
        """All models that can be used, in the wire form; those that a browser cannot take with the reason."""
        usable = [model for model in self._registry.all() if model.problem is None]
        return [
            offer.as_dict([self._digests.known(mark) for mark in offer.marks]) for offer in await self._offers(usable)
        ]

    async def open(self, name: str, part: int, version: str) -> PartFile:
        """File number `part` of a model, which `readers.give_back` closes; its digest will be known before long.

        Raises ModelNotFound, NotFound for another part or a model that is not given to browsers, ModelVersionGone when the
        files are no longer those of `version`, TooManyRequests.
        """
        model = self._registry.get(name)
        if model.problem is not None:
            raise NotFound(f"The model {name!r} cannot be used: {model.problem}.")
        offer, file = await self._open(model, part, version)
        self._digests.want(offer.marks[part])
        return file

    async def _open(self, model: Model, part: int, version: str) -> tuple[Offer, PartFile]:
        offers = await self._offers([model])
        if not offers or offers[0].version != version:
            raise _gone(model.name)
        offer = offers[0]
        if offer.reason is not None:
            raise NotFound(f"The model {model.name!r} is not given to browsers. {offer.reason}")
        if part >= len(offer.marks):
            raise NotFound(f"The model {model.name!r} has {len(offer.marks)} files, counted from 0.", param="part")
        mark = offer.marks[part]
        try:
            file = await self.readers.take(lambda: PartFile(Path(mark.path)))
        except OSError:
            raise _gone(model.name) from None
        if file.mark != mark:
            self.readers.give_back(file)
            raise _gone(model.name)
        return offer, file

    async def _offers(self, models: list[Model]) -> list[Offer]:
        return await self.readers.run(lambda: [offer for model in models if (offer := _offer(model, self._limit))])


def _offer(model: Model, limit: int) -> Offer | None:
    """A model as it lies on the disk now; None when its files are not there any more."""
    marks = []
    for path in files_of(model.path):
        try:
            told = path.stat()
        except OSError:
            return None
        marks.append(Mark(str(path), told.st_size, told.st_mtime_ns))
    if len(marks) != model.parts:
        return None
    reason = too_large([mark.size for mark in marks], limit)
    if model.embeddings and reason is None:
        reason = "It makes vectors and cannot chat."
    return Offer(model.name, tuple(marks), model.context_length, model.included, reason)


def _gone(name: str) -> ModelVersionGone:
    return ModelVersionGone(
        f"The files of {name!r} have changed since. GET /api/device/models tells the version that there is now.",
        param="v",
    )
