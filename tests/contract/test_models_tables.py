"""The tables of models on both databases, held against the code that uses them and against the catalogue."""

from __future__ import annotations

from dataclasses import fields

from sqlalchemy import BigInteger, Boolean, Connection, Float, String, Text, inspect, text

from corral.models.options.catalogue import OPTIONS, SERVER_OPTIONS
from corral.models.options.types import Group, Kind
from corral.models.tables import CONFIG_TABLES, column_type, model_fit_params, model_server_config
from corral.models.types import Model
from corral.store import Database, Location
from corral.store.schema import metadata

OWN = (
    "models", "model_sampling_config", "model_memory_config", "model_gpu_config", "model_advanced_config", "model_lora_config",
    "model_multimodal_config", "model_fit_params", "model_server_config", "model_templates", "model_profiles", "config_history",
    "metadata",
)  # fmt: skip
ONE_TO_ONE = OWN[1:8]


def _shape(kind: object) -> str:
    for known, name in ((Boolean, "bool"), (Float, "float"), (String, "text"), (Text, "text")):
        if isinstance(kind, known):
            return name
    return "int"


async def test_the_migrated_database_has_the_tables_of_the_code(location: Location) -> None:
    database = await Database.open(location)

    def work(connection: Connection) -> None:
        found = inspect(connection)
        for name in OWN:
            table = metadata.tables[name]
            columns = {column["name"]: column for column in found.get_columns(name)}
            assert set(columns) == set(table.columns.keys()), name
            for column in table.columns:
                there = columns[column.name]
                assert _shape(there["type"]) == _shape(column.type), f"{name}.{column.name}"
                assert there["nullable"] == column.nullable, f"{name}.{column.name}"
            assert found.get_pk_constraint(name)["constrained_columns"] == [one.name for one in table.primary_key]
            indexed = {
                str(index["name"]) for index in found.get_indexes(name) if not index.get("duplicates_constraint")
            }
            assert indexed >= {str(index.name) for index in table.indexes}, name
        for name in ONE_TO_ONE:
            [key] = found.get_foreign_keys(name)
            assert (key["referred_table"], key["constrained_columns"]) == ("models", ["model_id"])
            assert key["options"]["ondelete"] == "CASCADE"

    await database.read(work)
    await database.close()


async def test_what_belongs_to_a_model_goes_with_it(location: Location) -> None:
    database = await Database.open(location)

    def put(connection: Connection) -> None:
        connection.execute(
            text(
                "INSERT INTO models (id, name, size_bytes, for_embeddings, parts, modified, version, own_options, seen_at, "
                "created_at, updated_at) VALUES ('m', 'n', 1, :no, 1, 0, 1, 0, 0, 0, 0)"
            ),
            {"no": False},
        )
        for name in ONE_TO_ONE:
            table = metadata.tables[name]
            needed = {
                column.name: "x" if _shape(column.type) == "text" else 0
                for column in table.columns
                if not column.nullable
            }
            connection.execute(table.insert().values({**needed, "model_id": "m"}))

    def count(connection: Connection) -> int:
        return sum(connection.scalar(text(f"SELECT count(*) FROM {name}")) or 0 for name in ONE_TO_ONE)

    await database.write(put)
    assert await database.read(count) == len(ONE_TO_ONE)
    await database.write(lambda connection: connection.execute(text("DELETE FROM models")) and None)
    assert await database.read(count) == 0
    await database.close()


def test_each_option_has_one_typed_column_in_the_table_of_its_group() -> None:
    for option in OPTIONS:
        tables = [
            table
            for table in metadata.tables.values()
            if option.name in table.columns and _owns(table.name, option.name)
        ]
        expected = [model_server_config] if option.group is Group.SERVER else [CONFIG_TABLES[option.group]]
        assert tables == expected, option.name
        column = tables[0].columns[option.name]
        assert isinstance(column.type, column_type(option.kind))
        assert column.nullable
    shared = {option.name for option in SERVER_OPTIONS}
    assert shared == set(model_server_config.columns.keys()) - {"id", "version", "updated_at"}


def _owns(table: str, option: str) -> bool:
    if table not in {found.name for found in CONFIG_TABLES.values()} | {"model_server_config"}:
        return False
    groups = {found.name: one for one, found in CONFIG_TABLES.items()}
    if table == "model_server_config":
        return next(one for one in OPTIONS if one.name == option).group is Group.SERVER
    return groups[table] is next(one for one in OPTIONS if one.name == option).group


def test_no_kind_of_option_is_without_a_type() -> None:
    assert {column_type(kind) for kind in Kind} == {Boolean, BigInteger, Float, Text}


def test_the_fit_analysis_has_its_19_fields() -> None:
    assert len(model_fit_params.columns) == 19 + 1


def test_all_facts_of_a_model_have_a_column() -> None:
    renamed = {"context_length": "trained_context", "chat_template": "own_template", "embeddings": "for_embeddings"}
    columns = set(CONFIG_TABLES[Group.CORE].columns.keys())
    # `included` tells where a file was found, not what it says.
    assert {renamed.get(field.name, field.name) for field in fields(Model)} - {"included"} <= columns
