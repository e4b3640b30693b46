"""What the tests of configured providers stand on: both databases, all that is configured on one, and a scripted service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from corral.store import Location
from tests.support.directory import Desk, desk
from tests.support.postgres import Postgres
from tests.support.providers import FakeProvider


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return Location(tmp_path / "corral.db")
    server: Postgres = request.getfixturevalue("postgres")
    return Location(tmp_path / "corral.db", server.database())


@pytest.fixture
async def made(tmp_path: Path, location: Location) -> AsyncIterator[Desk]:
    """All that is configured, on an empty database of either kind."""
    async with desk(tmp_path, location) as found:
        yield found


@pytest.fixture(scope="module")
def service(openai: FakeProvider) -> FakeProvider:
    """The service that is asked; each test scripts what it needs."""
    return openai
