"""`/api/options`, `/api/model-templates`, `/api/profiles`, `/api/config…`: what is set, and changing it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from corral.accounts.service import Accounts
from corral.accounts.types import Permission
from corral.kit.errors import InvalidRequest
from corral.models.configuration import Configuration
from corral.models.configuration.fields import Apply, Key, Label, ModelName, ModelNames, Scope, Text, Values, Version
from corral.surfaces.api.routing import ApiRouter, CurrentPrincipal


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class SaveTemplate(_Strict):
    """A template, or in the older form a model's template, or all of them."""

    name: Label | None = None
    values: Values | None = None
    model: ModelName | None = None
    description: Text | None = None
    format: Version | None = None
    template: Label | None = None
    default_model: ModelName | None = None
    model_templates: Values | None = None


class ApplyTemplate(_Strict):
    """Models that a template is put on."""

    models: ModelNames
    apply: Apply = "next"


class SaveProfile(_Strict):
    """A name for all that is set now."""

    name: Label
    description: Text | None = None


class Activate(_Strict):
    """When engines that run take it."""

    apply: Apply = "next"


class SaveConfig(_Strict):
    """Changes of server defaults and of settings; null takes a value away."""

    version: Version | None = None
    serverConfig: Values | None = None  # noqa: N815 - the names on the wire
    appConfig: Values | None = None  # noqa: N815


class Rollback(_Strict):
    """A change that is taken back, with all later ones of the same thing."""

    id: Key
    apply: Apply = "next"


class Renew(_Strict):
    """Models whose engines are restarted; all with earlier settings without it."""

    names: ModelNames | None = None


class Import(_Strict):
    """An older dashboard's JSON file."""

    document: Values
    kind: Label | None = None


def configuration_router(accounts: Accounts, configuration: Configuration) -> ApiRouter:
    """The routes of all that is set."""
    api = ApiRouter(accounts, prefix="/api", tags=["configuration"])

    @api.get("/options", permission=Permission.MODELS_READ)
    async def list_options() -> dict[str, Any]:
        return configuration.options()

    _template_routes(api, configuration)
    _profile_routes(api, configuration)
    _config_routes(api, configuration)
    return api


def _template_routes(api: ApiRouter, configuration: Configuration) -> None:
    @api.get("/model-templates", permission=Permission.MODELS_READ)
    async def list_templates() -> dict[str, Any]:
        listing = configuration.templates.listing()
        default = configuration.settings.now.default_model
        return {"default_model": default, "model_templates": listing["assigned"], **listing}

    @api.post("/model-templates", permission=Permission.MODELS_MANAGE)
    async def save_template(body: SaveTemplate, principal: CurrentPrincipal) -> dict[str, Any]:
        by = principal.user_id
        if body.model_templates is not None or body.default_model is not None:
            document = body.model_dump(include={"model_templates", "default_model"}, exclude_none=True)
            return await configuration.take_over(document, None, by=by)
        if body.template is not None:
            if body.model is None:
                raise InvalidRequest("model: the model that gets the template is needed.", param="model")
            return await configuration.apply_template(body.template, [body.model], by=by, apply=False)
        if body.name is None:
            raise InvalidRequest("name: a template needs a name.", param="name")
        return await configuration.save_template(
            body.name, values=body.values, model=body.model, description=body.description, written_as=body.format, by=by
        )

    @api.delete("/model-templates/{name:path}", permission=Permission.MODELS_MANAGE)
    async def delete_template(name: str, principal: CurrentPrincipal) -> dict[str, Any]:
        await configuration.templates.delete(name, by=principal.user_id)
        return {"deleted": name}

    @api.post("/model-templates/{name:path}/apply", permission=Permission.MODELS_MANAGE)
    async def apply_template(name: str, body: ApplyTemplate, principal: CurrentPrincipal) -> dict[str, Any]:
        return await configuration.apply_template(name, body.models, by=principal.user_id, apply=body.apply == "now")


def _profile_routes(api: ApiRouter, configuration: Configuration) -> None:
    @api.get("/profiles", permission=Permission.CONFIG_READ)
    async def list_profiles() -> dict[str, Any]:
        return await configuration.profiles.listing()

    @api.post("/profiles", permission=Permission.CONFIG_MANAGE)
    async def save_profile(body: SaveProfile, principal: CurrentPrincipal) -> dict[str, Any]:
        return await configuration.profiles.save(body.name, description=body.description, by=principal.user_id)

    @api.delete("/profiles/{name:path}", permission=Permission.CONFIG_MANAGE)
    async def delete_profile(name: str, principal: CurrentPrincipal) -> dict[str, Any]:
        await configuration.profiles.delete(name, by=principal.user_id)
        return {"deleted": name}

    @api.post("/profiles/{name:path}/activate", permission=Permission.CONFIG_MANAGE)
    async def activate_profile(name: str, principal: CurrentPrincipal, body: Activate | None = None) -> dict[str, Any]:
        apply = body is not None and body.apply == "now"
        return await configuration.profiles.activate(name, by=principal.user_id, apply=apply)


def _config_routes(api: ApiRouter, configuration: Configuration) -> None:
    @api.get("/config", permission=Permission.CONFIG_READ)
    async def get_config() -> dict[str, Any]:
        return configuration.everything()

    @api.post("/config", permission=Permission.CONFIG_MANAGE)
    async def save_config(body: SaveConfig, principal: CurrentPrincipal) -> dict[str, Any]:
        return await configuration.save_everything(
            version=body.version, server=body.serverConfig, app=body.appConfig, by=principal.user_id
        )

    @api.get("/config/history", permission=Permission.CONFIG_READ)
    async def list_changes(
        scope: Scope | None = None,
        name: Text | None = None,
        before: Key | None = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> dict[str, Any]:
        return await configuration.history(scope=scope, name=name, before=before, limit=limit)

    @api.post("/config/rollback", permission=Permission.CONFIG_MANAGE)
    async def roll_back(body: Rollback, principal: CurrentPrincipal) -> dict[str, Any]:
        return await configuration.roll_back(body.id, by=principal.user_id, apply=body.apply == "now")

    @api.post("/config/renew", permission=Permission.CONFIG_MANAGE)
    async def renew(principal: CurrentPrincipal, body: Renew | None = None) -> dict[str, Any]:
        return configuration.renewing.begin(body.names if body else None, by=principal.user_id)

    @api.delete("/config/renew", permission=Permission.CONFIG_MANAGE)
    async def finish_renewing() -> dict[str, Any]:
        return {"renewal": configuration.renewing.finish()}

    @api.post("/config/import", permission=Permission.CONFIG_MANAGE)
    async def take_over(body: Import, principal: CurrentPrincipal) -> dict[str, Any]:
        return await configuration.take_over(body.document, body.kind, by=principal.user_id)
