"""The SQL of the history, the templates and the profiles: functions of a connection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, insert, select, update

from corral.kit.errors import NotFound
from corral.kit.ids import new_id
from corral.models.tables import config_history, model_profiles, model_templates

KEPT = 200
"""Changes that are kept of one model, or of all that belongs to no model."""


@dataclass(frozen=True, slots=True)
class Change:
    """Who changed what. `name` is empty where the scope has only one thing; before and after have only what changed."""

    scope: str
    name: str
    version: int
    action: str
    by: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    note: str | None = None
    id: str = ""
    at: int = 0


def record(connection: Connection, change: Change, now: int) -> str:
    """Keeps a change, and forgets the oldest of the same thing when there are too many. Gives its id."""
    key = new_id("chg")
    connection.execute(
        insert(config_history).values(
            id=key, scope=change.scope, name=change.name, version=change.version, action=change.action, at=now,
            by=change.by, before=json.dumps(change.before), after=json.dumps(change.after), note=change.note,
        )
    )  # fmt: skip
    same = and_(config_history.c.scope == change.scope, config_history.c.name == change.name)
    newest = select(config_history.c.id).where(same).order_by(config_history.c.id.desc())
    last = connection.scalar(newest.offset(KEPT - 1).limit(1))
    if last is not None:
        connection.execute(delete(config_history).where(same, config_history.c.id < last))
    return key


def thin_out(connection: Connection, scope: str, most: int) -> None:
    """Forgets the values of all but the newest `most` changes of a scope that have any; the changes themselves stay."""
    full = and_(config_history.c.scope == scope, config_history.c.before != "{}")
    newest = select(config_history.c.id).where(full).order_by(config_history.c.id.desc())
    last = connection.scalar(newest.offset(most - 1).limit(1))
    if last is not None:
        old = and_(full, config_history.c.id < last)
        connection.execute(update(config_history).where(old).values(before="{}", after="{}"))


def changes(
    connection: Connection, scope: str | None, name: str | None, before: str | None, limit: int
) -> list[Change]:
    """Changes, the newest first."""
    query = select(config_history)
    if scope is not None:
        query = query.where(config_history.c.scope == scope)
    if name is not None:
        query = query.where(config_history.c.name == name)
    if before is not None:
        query = query.where(config_history.c.id < before)
    return [_change(row) for row in connection.execute(query.order_by(config_history.c.id.desc()).limit(limit))]


def one_change(connection: Connection, key: str) -> Change:
    """One change. Raises NotFound."""
    row = connection.execute(select(config_history).where(config_history.c.id == key)).first()
    if row is None:
        raise NotFound("There is no such change; it may have been forgotten.")
    return _change(row)


def since(connection: Connection, change: Change) -> list[Change]:
    """A change and all later ones of the same thing, the newest first."""
    same = and_(config_history.c.scope == change.scope, config_history.c.name == change.name)
    query = select(config_history).where(same, config_history.c.id >= change.id).order_by(config_history.c.id.desc())
    return [_change(row) for row in connection.execute(query)]


def after_version(connection: Connection, scope: str, name: str, version: int) -> list[Change]:
    """The changes of a thing after one of its versions, the newest first."""
    query = select(config_history).where(
        config_history.c.scope == scope, config_history.c.name == name, config_history.c.version > version
    )
    return [_change(row) for row in connection.execute(query.order_by(config_history.c.id.desc()))]


def _change(row: Row[Any]) -> Change:
    return Change(
        row.scope, row.name, row.version, row.action, row.by, json.loads(row.before), json.loads(row.after), row.note,
        row.id, row.at,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Template:
    """Options under a name, to be put on models."""

    name: str
    description: str
    options: Mapping[str, Any]
    version: int
    created_at: int
    updated_at: int
    by: str


def templates(connection: Connection) -> dict[str, Template]:
    """All templates by name."""
    found = {}
    for row in connection.execute(select(model_templates).order_by(model_templates.c.name)):
        found[row.name] = Template(
            row.name,
            row.description,
            json.loads(row.options),
            row.version,
            row.created_at,
            row.updated_at,
            row.updated_by,
        )
    return found


def put_template(connection: Connection, template: Template) -> None:
    """Writes a template over the one of its name."""
    values = {
        "description": template.description, "version": template.version, "options": json.dumps(template.options),
        "created_at": template.created_at, "updated_at": template.updated_at, "updated_by": template.by,
    }  # fmt: skip
    mine = model_templates.c.name == template.name
    if connection.execute(update(model_templates).where(mine).values(values)).rowcount == 0:
        connection.execute(insert(model_templates).values(name=template.name, **values))


def drop_template(connection: Connection, name: str) -> None:
    """Removes a template."""
    connection.execute(delete(model_templates).where(model_templates.c.name == name))


@dataclass(frozen=True, slots=True)
class Profile:
    """All that is set, for all models and for each, under a name."""

    name: str
    description: str
    server: Mapping[str, Any]
    models: Mapping[str, Mapping[str, Any]]
    created_at: int
    updated_at: int
    by: str


def profiles(connection: Connection) -> list[Profile]:
    """All profiles by name."""
    return [_profile(row) for row in connection.execute(select(model_profiles).order_by(model_profiles.c.name))]


def profile(connection: Connection, name: str) -> Profile | None:
    """One profile, None when there is none of that name."""
    row = connection.execute(select(model_profiles).where(model_profiles.c.name == name)).first()
    return None if row is None else _profile(row)


def put_profile(connection: Connection, given: Profile) -> None:
    """Writes a profile over the one of its name."""
    drop_profile(connection, given.name)
    connection.execute(
        insert(model_profiles).values(
            name=given.name, description=given.description, server=json.dumps(given.server), models=json.dumps(given.models),
            created_at=given.created_at, updated_at=given.updated_at, updated_by=given.by,
        )
    )  # fmt: skip


def drop_profile(connection: Connection, name: str) -> None:
    """Removes a profile."""
    connection.execute(delete(model_profiles).where(model_profiles.c.name == name))


def _profile(row: Row[Any]) -> Profile:
    return Profile(
        row.name, row.description, json.loads(row.server), json.loads(row.models), row.created_at, row.updated_at,
        row.updated_by,
    )  # fmt: skip
