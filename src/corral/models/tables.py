"""The tables of models and of what is set for them.

Each option of the catalogue has one typed column, in the table of its group; null means that it is not set. Lists and
objects are JSON texts. Times are milliseconds since 1970, UTC. What is set for one model goes with it: the tables hang
on `models` one to one and are emptied by the database when a model is removed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text
from sqlalchemy.types import TypeEngine

from corral.models.options.catalogue import SERVER_OPTIONS, group
from corral.models.options.types import Group, Kind, Option
from corral.store.schema import metadata

_TYPES: dict[Kind, type[TypeEngine[Any]]] = {
    Kind.BOOL: Boolean, Kind.INT: BigInteger, Kind.FLOAT: Float, Kind.TEXT: Text, Kind.CHOICE: Text, Kind.PATH: Text,
}  # fmt: skip


def column_type(kind: Kind) -> type[TypeEngine[Any]]:
    """The type of the column of an option; text for what is kept as JSON."""
    return _TYPES.get(kind, Text)


def _columns(options: Iterable[Option]) -> list[Column[Any]]:
    return [Column(option.name, column_type(option.kind)) for option in options]


models = Table(
    "models", metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(512), nullable=False, unique=True),
    # What the files say; it is read from here at a start as long as the files are the same.
    Column("fingerprint", String(64)),
    Column("path", Text),
    Column("size_bytes", BigInteger, nullable=False),
    Column("architecture", Text),
    Column("parameters", BigInteger),
    Column("quantization", Text),
    Column("trained_context", BigInteger),
    Column("embedding_length", BigInteger),
    Column("layers", BigInteger),
    Column("heads", BigInteger),
    Column("vocabulary", BigInteger),
    Column("tokenizer", Text),
    Column("licence", Text),
    Column("title", Text),
    Column("own_template", Text),
    Column("for_embeddings", Boolean, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("mmproj", Text),
    Column("modified", Float, nullable=False),
    Column("problem", Text),
    # What Corral knows about it.
    Column("version", Integer, nullable=False),
    Column("own_options", Integer, nullable=False),
    Column("template", String(100)),
    Column("seen_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("removed_at", BigInteger),
    Column("removed", Text),
    *_columns(group(Group.CORE)),
    Index("ix_models_own_options", "own_options"),
)  # fmt: skip


def _one_to_one(name: str, columns: Iterable[Column[Any]]) -> Table:
    owner = Column("model_id", String(40), ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    return Table(name, metadata, owner, *columns)


CONFIG_TABLES: dict[Group, Table] = {
    Group.CORE: models,
    **{
        one: _one_to_one(f"model_{one.value}_config", _columns(group(one)))
        for one in (Group.SAMPLING, Group.MEMORY, Group.GPU, Group.ADVANCED, Group.LORA, Group.MULTIMODAL)
    },
}
"""Where the options of each group are kept for a model."""

model_fit_params = _one_to_one(
    "model_fit_params",
    (
        Column("analyzed_at", BigInteger, nullable=False),
        Column("fingerprint", String(64)),
        Column("options", Text, nullable=False),
        Column("verdict", String(16), nullable=False),
        Column("reason", Text),
        Column("total_bytes", BigInteger, nullable=False),
        Column("weights_bytes", BigInteger, nullable=False),
        Column("kv_bytes", BigInteger, nullable=False),
        Column("compute_bytes", BigInteger, nullable=False),
        Column("output_bytes", BigInteger, nullable=False),
        Column("projector_bytes", BigInteger, nullable=False),
        Column("draft_bytes", BigInteger, nullable=False),
        Column("prompt_cache_bytes", BigInteger, nullable=False),
        Column("runtime_bytes", BigInteger, nullable=False),
        Column("per_device", Text, nullable=False),
        Column("machine_total_bytes", BigInteger, nullable=False),
        Column("machine_available_bytes", BigInteger, nullable=False),
        Column("recommended", Text, nullable=False),
        Column("measured_bytes", BigInteger),
    ),
)

model_server_config = Table(
    "model_server_config", metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    *_columns(SERVER_OPTIONS),
)  # fmt: skip
"""One row: what is set for all models."""

model_templates = Table(
    "model_templates", metadata,
    Column("name", String(100), primary_key=True),
    Column("description", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("options", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("updated_by", String(64), nullable=False),
)  # fmt: skip

model_profiles = Table(
    "model_profiles", metadata,
    Column("name", String(100), primary_key=True),
    Column("description", Text, nullable=False),
    Column("server", Text, nullable=False),
    Column("models", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("updated_by", String(64), nullable=False),
)  # fmt: skip

config_history = Table(
    "config_history", metadata,
    Column("id", String(40), primary_key=True),
    Column("scope", String(16), nullable=False),
    Column("name", String(512), nullable=False),
    Column("version", Integer, nullable=False),
    Column("action", String(32), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("by", String(64), nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("note", Text),
    Index("ix_config_history_scope_name_version", "scope", "name", "version"),
)  # fmt: skip

facts = Table(
    "metadata", metadata,
    Column("key", String(100), primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)  # fmt: skip
"""Single facts that belong to nothing else, such as the active profile."""
