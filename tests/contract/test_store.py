"""The store on SQLite and on PostgreSQL: what is acknowledged is there, what failed left nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError

from corral.kit.errors import ShuttingDown, StartupError, StorageUnavailable, TooManyRequests
from corral.store import Database, Location, migrate, writer
from corral.store.engines import open_engines
from corral.store.schema import metadata
from tests.support.postgres import Postgres
from tests.support.waiting import eventually

notes = Table(
    "notes_of_tests", MetaData(), Column("id", Integer, primary_key=True), Column("text", String, unique=True)
)


def add(number: int, said: str) -> object:
    def work(connection: Connection) -> int:
        connection.execute(insert(notes).values(id=number, text=said))
        return number

    return work


def texts(connection: Connection) -> list[str]:
    return list(connection.scalars(select(notes.c.text).order_by(notes.c.id)))


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    if request.param == "sqlite":
        return Location(tmp_path / "it's odd %20?#" / "corral.db")
    server: Postgres = request.getfixturevalue("postgres")
    return Location(tmp_path / "corral.db", server.database())


@pytest.fixture
async def database(location: Location) -> AsyncIterator[Database]:
    made = await Database.open(location)
    await made.write(notes.create)
    yield made
    await made.close()


async def put(database: Database, number: int, said: str, *, urgent: bool = False) -> int:
    result: int = await database.write(add(number, said), urgent=urgent)  # type: ignore[arg-type]
    return result


async def test_what_is_acknowledged_is_read_by_everyone(database: Database) -> None:
    for number in range(20):
        assert await put(database, number, f"n{number}", urgent=number % 2 == 0) == number
        found = await asyncio.gather(*(database.read(texts) for _ in range(6)))
        assert all(len(one) == number + 1 for one in found)


async def test_writes_at_once_are_all_there_in_order(database: Database) -> None:
    order: list[int] = []

    def counted(number: int) -> object:
        def work(connection: Connection) -> None:
            order.append(number)
            connection.execute(insert(notes).values(id=number, text=str(number)))

        return work

    await asyncio.gather(*(database.write(counted(number)) for number in range(300)))  # type: ignore[arg-type]
    assert order == list(range(300))
    assert len(await database.read(texts)) == 300


async def test_a_write_that_fails_undoes_itself_alone(database: Database) -> None:
    def broken(connection: Connection) -> None:
        connection.execute(insert(notes).values(id=50, text="half"))
        raise ValueError("no")

    results = await asyncio.gather(
        put(database, 1, "a"),
        database.write(broken),
        put(database, 2, "a"),
        put(database, 3, "b"),
        return_exceptions=True,
    )
    assert [type(one) for one in results] == [int, ValueError, IntegrityError, int]
    assert await database.read(texts) == ["a", "b"]


async def test_a_statement_that_is_wrong_harms_nobody_else(database: Database) -> None:
    def wrong(connection: Connection) -> None:
        connection.execute(text("SELECT nonsense FROM nowhere"))

    results = await asyncio.gather(
        put(database, 1, "a"), database.write(wrong), put(database, 2, "b"), return_exceptions=True
    )
    assert isinstance(results[1], StorageUnavailable)
    assert await database.read(texts) == ["a", "b"]


async def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(StorageUnavailable):
        await database.read(add(1, "a"))  # type: ignore[arg-type]


async def test_unicode_and_large_values_come_back(database: Database) -> None:
    values = ["é 漢 🦙 👩‍👩‍👧 \u202e", "x" * 100_000, "quote ' \" \\ % :name"]
    for number, value in enumerate(values):
        await put(database, number, value)
    assert await database.read(texts) == values


async def test_a_caller_that_leaves_undoes_nothing(database: Database) -> None:
    writing = asyncio.create_task(put(database, 1, "a"))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.wait([writing])
    await put(database, 2, "b")
    assert "b" in await database.read(texts)


async def test_closing_finishes_what_was_submitted(location: Location) -> None:
    made = await Database.open(location)
    await made.write(notes.create)
    writing = [asyncio.create_task(put(made, number, str(number))) for number in range(50)]
    await asyncio.sleep(0)
    await made.close()
    done = await asyncio.gather(*writing, return_exceptions=True)
    kept = [one for one in done if isinstance(one, int)]
    with pytest.raises(ShuttingDown):
        await put(made, 99, "late")
    with pytest.raises(ShuttingDown):
        await made.read(texts)
    again = await Database.open(location)
    assert await again.read(texts) == [str(number) for number in kept]
    await again.close()


async def test_a_queue_that_is_full_refuses(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING", 5)
    results = await asyncio.gather(
        *(put(database, number, str(number)) for number in range(200)), return_exceptions=True
    )
    refused = [one for one in results if isinstance(one, TooManyRequests)]
    assert refused
    assert len(await database.read(texts)) == 200 - len(refused)


async def test_every_landed_schema_is_brought_up_to_date(location: Location) -> None:
    directory = migrate.scripts()
    assert directory.get_current_head() == migrate.HEAD
    engine, _ = open_engines(Location(location.file.with_name("m.db"), location.url))
    location.file.parent.mkdir(parents=True, exist_ok=True)
    for script in reversed(list(directory.walk_revisions())):
        migrate.upgrade(engine, script.revision)
        with engine.connect() as connection:
            assert migrate.current_revision(connection) == script.revision
    migrate.upgrade(engine)
    with engine.connect() as connection:
        found = inspect(connection)
        for table in metadata.sorted_tables:
            assert {column["name"] for column in found.get_columns(table.name)} == set(table.columns.keys())
            assert {index["name"] for index in found.get_indexes(table.name)} >= {index.name for index in table.indexes}
    engine.dispose()


async def test_a_newer_schema_is_refused(location: Location) -> None:
    made = await Database.open(location)
    await made.write(
        lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")) and None
    )
    await made.close()
    with pytest.raises(StartupError, match="newer"):
        await Database.open(location)


async def test_a_database_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    server = Postgres()
    try:
        made = await Database.open(Location(tmp_path / "corral.db", server.database()))
        await made.write(notes.create)
        await put(made, 1, "before")
        server.crash()
        with pytest.raises(StorageUnavailable):
            await put(made, 2, "lost")
        with pytest.raises(StorageUnavailable):
            await made.read(texts)
        await asyncio.to_thread(server.start)

        async def works() -> bool:
            try:
                await put(made, 3, "after")
            except StorageUnavailable:
                return False
            return True

        await eventually(works)
        assert await made.read(texts) == ["before", "after"]
        await made.close()
    finally:
        server.stop()


async def test_the_data_folder_is_for_one_server_on_either_database(location: Location) -> None:
    made = await Database.open(location)
    with pytest.raises(StartupError, match="in use") as caught:
        await Database.open(location)
    assert caught.value.exit_code == 3
    await made.close()


async def test_a_postgresql_database_has_one_server_that_writes(postgres: Postgres, tmp_path: Path) -> None:
    """Whatever folders they have; and one that lost its place to another cannot write any more."""
    url = postgres.database()
    first = await Database.open(Location(tmp_path / "a" / "corral.db", url))
    await first.write(notes.create)
    with pytest.raises(StartupError, match="in use") as caught:
        await Database.open(Location(tmp_path / "b" / "corral.db", url))
    assert caught.value.exit_code == 3

    def cut(connection: Connection) -> None:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
            )
        )

    opening = asyncio.create_task(Database.open(Location(tmp_path / "b" / "corral.db", url)))
    await asyncio.sleep(0.2)
    await first.read(cut)
    second = await opening
    with pytest.raises(StorageUnavailable):
        await put(first, 1, "from the first")
    assert await put(second, 2, "from the second") == 2
    assert await second.read(texts) == ["from the second"]
    await first.close()
    await second.close()


async def test_a_commit_that_fails_is_told_to_everyone_who_waits(location: Location) -> None:
    """A broken promise that is only looked at when the transaction ends takes the whole group along."""
    made = await Database.open(location)
    await made.write(notes.create)
    await made.write(
        lambda connection: (
            connection.execute(
                text(
                    "CREATE TABLE late_of_tests (id INTEGER PRIMARY KEY,"
                    " note INTEGER REFERENCES notes_of_tests (id) DEFERRABLE INITIALLY DEFERRED)"
                )
            )
            and None
        )
    )

    def dangling(connection: Connection) -> None:
        connection.execute(text("INSERT INTO late_of_tests VALUES (1, 77)"))

    results = await asyncio.gather(put(made, 1, "a"), made.write(dangling), put(made, 2, "b"), return_exceptions=True)
    assert [type(one) for one in results] == [StorageUnavailable] * 3
    assert await made.read(texts) == []
    assert await put(made, 1, "again") == 1
    await made.close()


def test_no_write_is_left_without_an_answer_when_closing(tmp_path: Path) -> None:
    for number in range(20):
        engine, reader = open_engines(Location(tmp_path / f"{number}.db"))
        one = writer.Writer(engine)
        closing = threading.Thread(target=one.close)
        futures = []
        for step in range(100):
            if step == 50:
                closing.start()
            try:
                futures.append(one.submit(lambda connection: connection.scalar(text("SELECT 1")), urgent=True))
            except ShuttingDown:
                break
        assert [future.result(30) for future in futures] == [1] * len(futures)
        closing.join()
        engine.dispose()
        reader.dispose()
