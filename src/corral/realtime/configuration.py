"""The intents about what is set: options, models' configurations, templates, profiles, settings and their history."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from corral.accounts.types import Permission
from corral.models.configuration import Configuration
from corral.models.configuration.fields import Apply, Key, Label, ModelName, ModelNames, Scope, Text, Values, Version
from corral.realtime.connection import Connection
from corral.realtime.intents import Body, Intents, Nothing
from corral.realtime.ports import ModelsPort


class ModelBody(Body):
    name: ModelName


class SaveModelBody(ModelBody):
    version: Version
    changes: Values
    apply: Apply = "next"


class DeleteModelBody(ModelBody):
    file: bool = False


class TemplateBody(Body):
    name: Label


class SaveTemplateBody(TemplateBody):
    values: Values | None = None
    model: ModelName | None = None
    description: Text | None = None
    format: Version | None = None


class ApplyTemplateBody(TemplateBody):
    models: ModelNames
    apply: Apply = "next"


class SaveProfileBody(Body):
    name: Label
    description: Text | None = None


class ProfileBody(Body):
    name: Label


class ActivateBody(ProfileBody):
    apply: Apply = "next"


class SaveConfigBody(Body):
    version: Version | None = None
    serverConfig: Values | None = None  # noqa: N815 - the names on the wire
    appConfig: Values | None = None  # noqa: N815


class HistoryBody(Body):
    scope: Scope | None = None
    name: Text | None = None
    before: Key | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class RollbackBody(Body):
    id: Key
    apply: Apply = "next"


class RenewBody(Body):
    names: ModelNames | None = None


class ImportBody(Body):
    document: Values
    kind: Label | None = None


def add_configuration(intents: Intents, configuration: Configuration, models: ModelsPort) -> None:
    """Registers the intents about models' configurations."""

    async def options(_: Connection, __: Nothing) -> Any:
        return configuration.options()

    async def save(connection: Connection, body: SaveModelBody) -> Any:
        applied = await configuration.save(
            body.name, body.version, body.changes, by=_by(connection), apply=body.apply == "now"
        )
        return {**models.model(body.name), "applied": applied}

    async def delete(connection: Connection, body: DeleteModelBody) -> Any:
        return await configuration.delete(body.name, by=_by(connection), file=body.file)

    async def restore(connection: Connection, body: ModelBody) -> Any:
        await configuration.restore(body.name, by=_by(connection))
        return models.model(body.name)

    intents.add("options:list", Permission.MODELS_READ, Nothing, options)
    intents.add("models:save", Permission.MODELS_MANAGE, SaveModelBody, save)
    intents.add("models:delete", Permission.MODELS_MANAGE, DeleteModelBody, delete)
    intents.add("models:restore", Permission.MODELS_MANAGE, ModelBody, restore)
    _add_templates(intents, configuration)
    _add_profiles(intents, configuration)
    _add_settings(intents, configuration)


def _add_templates(intents: Intents, configuration: Configuration) -> None:
    async def listing(_: Connection, __: Nothing) -> Any:
        return configuration.templates.listing()

    async def save(connection: Connection, body: SaveTemplateBody) -> Any:
        return await configuration.save_template(
            body.name, values=body.values, model=body.model, description=body.description, written_as=body.format,
            by=_by(connection),
        )  # fmt: skip

    async def delete(connection: Connection, body: TemplateBody) -> Any:
        await configuration.templates.delete(body.name, by=_by(connection))
        return {"deleted": body.name}

    async def apply(connection: Connection, body: ApplyTemplateBody) -> Any:
        return await configuration.apply_template(body.name, body.models, by=_by(connection), apply=body.apply == "now")

    intents.add("templates:list", Permission.MODELS_READ, Nothing, listing)
    intents.add("templates:save", Permission.MODELS_MANAGE, SaveTemplateBody, save)
    intents.add("templates:delete", Permission.MODELS_MANAGE, TemplateBody, delete)
    intents.add("templates:apply", Permission.MODELS_MANAGE, ApplyTemplateBody, apply)


def _add_profiles(intents: Intents, configuration: Configuration) -> None:
    async def listing(_: Connection, __: Nothing) -> Any:
        return await configuration.profiles.listing()

    async def save(connection: Connection, body: SaveProfileBody) -> Any:
        return await configuration.profiles.save(body.name, description=body.description, by=_by(connection))

    async def delete(connection: Connection, body: ProfileBody) -> Any:
        await configuration.profiles.delete(body.name, by=_by(connection))
        return {"deleted": body.name}

    async def activate(connection: Connection, body: ActivateBody) -> Any:
        return await configuration.profiles.activate(body.name, by=_by(connection), apply=body.apply == "now")

    intents.add("profiles:list", Permission.CONFIG_READ, Nothing, listing)
    intents.add("profiles:save", Permission.CONFIG_MANAGE, SaveProfileBody, save)
    intents.add("profiles:delete", Permission.CONFIG_MANAGE, ProfileBody, delete)
    intents.add("profiles:activate", Permission.CONFIG_MANAGE, ActivateBody, activate)


def _add_settings(intents: Intents, configuration: Configuration) -> None:
    async def everything(_: Connection, __: Nothing) -> Any:
        return configuration.everything()

    async def save(connection: Connection, body: SaveConfigBody) -> Any:
        return await configuration.save_everything(
            version=body.version, server=body.serverConfig, app=body.appConfig, by=_by(connection)
        )

    async def history(_: Connection, body: HistoryBody) -> Any:
        return await configuration.history(scope=body.scope, name=body.name, before=body.before, limit=body.limit)

    async def roll_back(connection: Connection, body: RollbackBody) -> Any:
        return await configuration.roll_back(body.id, by=_by(connection), apply=body.apply == "now")

    async def take_over(connection: Connection, body: ImportBody) -> Any:
        return await configuration.take_over(body.document, body.kind, by=_by(connection))

    async def renew(connection: Connection, body: RenewBody) -> Any:
        return configuration.renewing.begin(body.names, by=_by(connection))

    async def finish(_: Connection, __: Nothing) -> Any:
        return configuration.renewing.finish()

    intents.add("config:renew", Permission.CONFIG_MANAGE, RenewBody, renew)
    intents.add("config:renew:stop", Permission.CONFIG_MANAGE, Nothing, finish)
    intents.add("config:get", Permission.CONFIG_READ, Nothing, everything)
    intents.add("config:save", Permission.CONFIG_MANAGE, SaveConfigBody, save)
    intents.add("config:history", Permission.CONFIG_READ, HistoryBody, history)
    intents.add("config:rollback", Permission.CONFIG_MANAGE, RollbackBody, roll_back)
    intents.add("config:import", Permission.CONFIG_MANAGE, ImportBody, take_over)


def _by(connection: Connection) -> str:
    return connection.principal().user_id
