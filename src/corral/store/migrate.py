"""Brings a database to the newest schema. Each migration is one transaction on either database."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from corral.kit.errors import StartupError
from corral.kit.faultpoints import reach
from corral.store.schema import metadata

_FOLDER = Path(__file__).parent / "migrations"


def scripts() -> ScriptDirectory:
    """The migrations that ship with this version."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    return ScriptDirectory.from_config(config)


def current_revision(connection: Connection) -> str | None:
    """The revision a database stands at, None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(engine: Engine, target: str = "head") -> None:
    """Migrates to `target`. Raises StartupError when the database is newer than this version of Corral."""
    directory = scripts()
    with engine.connect() as connection, connection.begin():
        current = current_revision(connection)
        if current is not None and current not in {script.revision for script in directory.walk_revisions()}:
            raise StartupError(
                f"The data was written by a newer Corral (schema {current}). Install that version, or use another data folder."
            )
        if current == directory.get_current_head() and target == "head":
            return
        environment = EnvironmentContext(
            Config(),
            directory,
            fn=lambda revision, _: directory._upgrade_revs(target, revision),  # noqa: SLF001
        )
        with environment:
            environment.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
            environment.run_migrations()
        reach("store.migration_before_commit")
