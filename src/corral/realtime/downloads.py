"""The intents about downloads, and about what a model needs."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from corral.accounts.types import Permission
from corral.models.configuration.fields import FileNames, Key, Label, ModelName, RepoName, Values
from corral.models.downloads import Downloads
from corral.models.fit import Fit
from corral.realtime.connection import Connection
from corral.realtime.intents import Body, Intents, Nothing


class LookBody(Body):
    repo: RepoName
    revision: Label | None = None


class StartBody(LookBody):
    files: FileNames | None = None
    quant: Label | None = None


class DownloadBody(Body):
    id: Key


class AnalyzeBody(Body):
    name: ModelName
    changes: Annotated[Values, Field(default_factory=dict)]


def add_downloads(intents: Intents, downloads: Downloads) -> None:
    """Registers the intents about downloads."""

    async def listing(_: Connection, __: Nothing) -> Any:
        return {"downloads": downloads.all()}

    async def look(_: Connection, body: LookBody) -> Any:
        return await downloads.look(body.repo, body.revision)

    async def start(_: Connection, body: StartBody) -> Any:
        return await downloads.begin(body.repo, files=body.files, quant=body.quant, revision=body.revision)

    async def pause(_: Connection, body: DownloadBody) -> Any:
        return await downloads.pause(body.id)

    async def resume(_: Connection, body: DownloadBody) -> Any:
        return await downloads.resume(body.id)

    async def cancel(_: Connection, body: DownloadBody) -> Any:
        return await downloads.cancel(body.id)

    async def remove(_: Connection, body: DownloadBody) -> Any:
        return await downloads.remove(body.id)

    intents.add("downloads:list", Permission.MODELS_READ, Nothing, listing)
    intents.add("downloads:look", Permission.MODELS_MANAGE, LookBody, look)
    intents.add("downloads:start", Permission.MODELS_MANAGE, StartBody, start)
    intents.add("downloads:pause", Permission.MODELS_MANAGE, DownloadBody, pause)
    intents.add("downloads:resume", Permission.MODELS_MANAGE, DownloadBody, resume)
    intents.add("downloads:cancel", Permission.MODELS_MANAGE, DownloadBody, cancel)
    intents.add("downloads:remove", Permission.MODELS_MANAGE, DownloadBody, remove)


def add_fit(intents: Intents, fit: Fit) -> None:
    """Registers the intent about what a model needs."""

    async def analyze(_: Connection, body: AnalyzeBody) -> Any:
        return await fit.analyze(body.name, body.changes)

    intents.add("models:analyze", Permission.MODELS_READ, AnalyzeBody, analyze)
