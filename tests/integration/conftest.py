"""What several integration tests stand on: a scripted hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub import FakeHub, fake_hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    """A hub without a repository yet."""
    with fake_hub(tmp_path / "hub") as running:
        yield running
