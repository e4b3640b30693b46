"""Brings a database to the newest schema. Each migration is one transaction on either database.

Alembic is only imported when there is something to migrate: it costs 10 MB and a tenth of a second.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from corral.kit.errors import StartupError
from corral.kit.faultpoints import reach
from corral.store.schema import metadata

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

HEAD = "0006"
"""The newest schema; a test holds it against the migrations."""
_FOLDER = Path(__file__).parent / "migrations"


def scripts() -> ScriptDirectory:
    """The migrations that ship with this version."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    return ScriptDirectory.from_config(config)


def known_revisions() -> set[str]:
    """The schemas that this version of Corral can bring up to date."""
    return {script.revision for script in scripts().walk_revisions()}


def current_revision(connection: Connection) -> str | None:
    """The revision a database stands at, None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def upgrade(engine: Engine, target: str = HEAD) -> None:
    """Migrates to `target`. Raises StartupError when the database is newer than this version of Corral."""
    with engine.connect() as connection, connection.begin():
        current = current_revision(connection)
        if current != target:
            _migrate(connection, current, target)
            reach("store.migration_before_commit")


def _migrate(connection: Connection, current: str | None, target: str) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext

    directory = scripts()
    if current is not None and current not in known_revisions():
        raise StartupError(
            f"The data was written by a newer Corral (schema {current}). Install that version, or use another data folder."
        )
    environment = EnvironmentContext(
        Config(),
        directory,
        fn=lambda revision, _: directory._upgrade_revs(target, revision),  # noqa: SLF001
    )
    with environment:
        environment.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
        environment.run_migrations()
