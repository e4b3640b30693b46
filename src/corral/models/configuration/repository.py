"""The SQL of models and of what is set for them: functions of a connection."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, delete, insert, select, update

from corral.models.options.catalogue import BY_NAME, SERVER_OPTIONS, group
from corral.models.options.types import Kind, Option
from corral.models.tables import CONFIG_TABLES, facts, model_fit_params, model_server_config, models
from corral.models.types import Model

_JSON = (Kind.JSON, Kind.INTS, Kind.FLOATS, Kind.TEXTS, Kind.PATHS)
_SERVER_ROW = 1
_CHUNK = 400
_FACTS = {
    "name": "name", "path": "path", "size_bytes": "size_bytes", "architecture": "architecture", "parameters": "parameters",
    "quantization": "quantization", "context_length": "trained_context", "embedding_length": "embedding_length", "layers": "layers",
    "heads": "heads", "vocabulary": "vocabulary", "tokenizer": "tokenizer", "licence": "licence", "title": "title",
    "chat_template": "own_template", "embeddings": "for_embeddings", "parts": "parts", "mmproj": "mmproj", "modified": "modified",
    "problem": "problem",
}  # fmt: skip
"""Fields of a `Model` and their columns."""
_KNOWN = (
    models.c.id, models.c.name, models.c.fingerprint, models.c.version, models.c.own_options, models.c.template,
    models.c.removed_at, models.c.removed,
)  # fmt: skip


def known_models(connection: Connection) -> list[Row[Any]]:
    """What Corral knows of every model, without facts and options."""
    return list(connection.execute(select(*_KNOWN)))


def remembered(connection: Connection) -> dict[str, Model]:
    """The models as their files were read last, by fingerprint."""
    columns = [models.c.fingerprint, *(models.c[column].label(field) for field, column in _FACTS.items())]
    found = {}
    for row in connection.execute(select(*columns).where(models.c.fingerprint.is_not(None))):
        values = row._asdict()
        mark = values.pop("fingerprint")
        path, mmproj = values.pop("path"), values.pop("mmproj")
        found[mark] = Model(**values, path=Path(path), mmproj=Path(mmproj) if mmproj else None)
    return found


def put_facts(connection: Connection, rows: Iterable[tuple[str, str | None, Model]], now: int, *, new: bool) -> None:
    """Writes what the files say, as (id, fingerprint, model)."""
    values = [{**_facts(model), "fingerprint": mark, "key": key, "seen_at": now} for key, mark, model in rows]
    if not values:
        return
    if new:
        kept = {"version": 0, "own_options": 0, "created_at": now, "updated_at": now}
        connection.execute(insert(models), [{**row, **kept, "id": row.pop("key")} for row in values])
        return
    names = [name for name in values[0] if name != "key"]
    connection.execute(
        update(models)
        .where(models.c.id == bindparam("key"))
        .values({name: bindparam(f"new_{name}") for name in names}),
        [{"key": row["key"], **{f"new_{name}": row[name] for name in names}} for row in values],
    )


def _facts(model: Model) -> dict[str, Any]:
    values = {column: getattr(model, field) for field, column in _FACTS.items()}
    values["path"] = str(model.path) if model.path.parts else None
    values["mmproj"] = str(model.mmproj) if model.mmproj else None
    # PostgreSQL keeps no NUL in texts; one in a file's metadata means nothing.
    return {name: value.replace("\0", "") if isinstance(value, str) else value for name, value in values.items()}


def own_values(connection: Connection, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What is set for these models, by id; only what is set."""
    found: dict[str, dict[str, Any]] = {key: {} for key in ids}
    for start in range(0, len(ids), _CHUNK):
        some = ids[start : start + _CHUNK]
        for one, table in CONFIG_TABLES.items():
            key = _key(table)
            columns = [key.label("key"), *(table.c[option.name] for option in group(one.value))]
            for row in connection.execute(select(*columns).where(key.in_(some))):
                values = row._asdict()
                found[values.pop("key")].update(_read(values))
    return found


def put_own(connection: Connection, key: str, own: Mapping[str, Any], changes: Iterable[str], now: int) -> None:
    """Writes the options named in `changes` as they are in `own`; one that is not there is not set."""
    by_table: dict[str, dict[str, Any]] = {}
    for name in changes:
        option = BY_NAME[name]
        by_table.setdefault(CONFIG_TABLES[option.group].name, {})[name] = _written(option, own.get(name))
    for table in CONFIG_TABLES.values():
        values = by_table.get(table.name)
        if not values:
            continue
        written = connection.execute(update(table).where(_key(table) == key).values(values))
        if written.rowcount == 0:
            connection.execute(insert(table).values(model_id=key, **values))
    connection.execute(update(models).where(models.c.id == key).values(own_options=len(own), updated_at=now))


def clear_own(connection: Connection, key: str, now: int) -> None:
    """Takes away all that is set for a model."""
    for table in CONFIG_TABLES.values():
        if table is not models:
            connection.execute(delete(table).where(_key(table) == key))
    core = {option.name: None for option in group("core")}
    connection.execute(update(models).where(models.c.id == key).values(own_options=0, updated_at=now, **core))


def put_version(connection: Connection, key: str, values: Mapping[str, Any]) -> None:
    """Changes what Corral knows of a model: `version`, `template`, `removed_at`, `removed`."""
    connection.execute(update(models).where(models.c.id == key).values(**values))


def forget(connection: Connection, keys: Sequence[str]) -> None:
    """Removes models; all that is set for them goes along."""
    for start in range(0, len(keys), _CHUNK):
        connection.execute(delete(models).where(models.c.id.in_(keys[start : start + _CHUNK])))


def server_values(connection: Connection) -> tuple[int, dict[str, Any]]:
    """The version of what is set for all models, and the values."""
    row = connection.execute(select(model_server_config)).first()
    if row is None:
        return 0, {}
    values = row._asdict()
    return row.version, _read({option.name: values[option.name] for option in SERVER_OPTIONS})


def put_server(connection: Connection, own: Mapping[str, Any], changes: Iterable[str], version: int, now: int) -> None:
    """Writes the options named in `changes` for all models."""
    values = {name: _written(BY_NAME[name], own.get(name)) for name in changes}
    values.update(version=version, updated_at=now)
    if connection.execute(update(model_server_config).values(values)).rowcount == 0:
        connection.execute(insert(model_server_config).values(id=_SERVER_ROW, **values))


def put_fit(connection: Connection, key: str, values: Mapping[str, Any]) -> None:
    """Keeps the last fit analysis of a model; values by column."""
    connection.execute(delete(model_fit_params).where(model_fit_params.c.model_id == key))
    connection.execute(insert(model_fit_params).values(model_id=key, **values))


def fit_verdicts(connection: Connection) -> dict[str, str]:
    """The last verdict of each model that was analysed, by id."""
    found = connection.execute(select(model_fit_params.c.model_id, model_fit_params.c.verdict))
    return {row.model_id: row.verdict for row in found}


def fit(connection: Connection, key: str) -> dict[str, Any] | None:
    """The last fit analysis of a model, by column."""
    row = connection.execute(select(model_fit_params).where(model_fit_params.c.model_id == key)).first()
    return None if row is None else row._asdict()


def fact(connection: Connection, key: str) -> str | None:
    """A single fact."""
    value: str | None = connection.scalar(select(facts.c.value).where(facts.c.key == key))
    return value


def put_fact(connection: Connection, key: str, value: str | None, now: int) -> None:
    """Keeps a single fact; None forgets it."""
    connection.execute(delete(facts).where(facts.c.key == key))
    if value is not None:
        connection.execute(insert(facts).values(key=key, value=value, updated_at=now))


def _key(table: Table) -> Any:
    return models.c.id if table is models else table.c.model_id


def _read(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: json.loads(value) if BY_NAME[name].kind in _JSON else value
        for name, value in values.items()
        if value is not None
    }


def _written(option: Option, value: Any) -> Any:
    return json.dumps(value) if value is not None and option.kind in _JSON else value
