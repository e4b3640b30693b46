"""What all tests share: the sizes of property tests, and servers and models that are costly to make."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aiohttp as _  # noqa: F401  # Loaded before the server, which keeps it from Socket.IO (realtime/lean_socketio.py).
import pytest
from hypothesis import HealthCheck, settings

from tests.support.gateway import Gateway, gateway
from tests.support.postgres import Postgres
from tests.support.providers import FakeProvider, fake_provider
from tests.support.redis_server import RedisServer
from tests.support.scale import THOROUGH, scaled
from tests.support.server import SCRIPTED, Server

# A run in the background begins with it ignored, and so would every program that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
SLOW_HOURS = 12
"""Hours of the long story of the slow model."""

LONGEST = (
    "faults/test_kill.py", "integration/test_cria.py", "e2e/test_recovery.py", "e2e/test_browser_engine.py", "e2e/test_first_run.py",
    "e2e/test_accessibility.py", "integration/test_cli.py", "integration/test_fit.py", "contract/test_dialects_bodies.py",
    "contract/test_dialects_streams.py", "contract/test_providers_failing.py", "integration/test_engines_residency.py",
    "integration/test_engines_changes.py", "integration/test_monitoring.py",
)  # fmt: skip
"""Files that take half a minute and more. They begin first, or one worker would be left alone with them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; all else stays in its order, so that the tests of the browser stay together."""
    place = {ROOT / "tests" / name: index for index, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


settings.register_profile(
    "corral",
    max_examples=scaled(30, 2000),
    stateful_step_count=scaled(25, 60),
    deadline=None,
    database=None,
    # The same examples at every run, so that what passed here passes there; the sweep looks for new ones.
    derandomize=not THOROUGH,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("corral")


@pytest.fixture(scope="session")
def scripted_model() -> Path:
    """The scripted model: a real GGUF whose answers are known to the letter (tools/scripted_model.py)."""
    return SCRIPTED


@pytest.fixture(scope="session")
def slow_model() -> Path:
    """The scripted model's answers at a human pace (tens of tokens a second), to stop, kill or leave in the middle.

    Its pace is paid for in processor time, so its story has half as many hours.
    """
    path = Path(tempfile.gettempdir()) / f"corral-tests-slow6-{int(SCRIPTED.stat().st_mtime)}.gguf"
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            half = path.with_suffix(".half")
            writer = [sys.executable, str(ROOT / "tools" / "scripted_model.py"), "--out", str(half)]
            shape = ["--slow-layers", "5", "--feed-forward", "16384", "--hours", str(SLOW_HOURS)]
            subprocess.run([*writer, *shape], check=True, capture_output=True)
            half.replace(path)
    return path


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with the scripted model for all tests of a worker; each test uses a `userId` of its own."""
    server = Server(tmp_path_factory.mktemp("shared"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def every_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One server with a scripted service of every kind for all tests of a worker; each test scripts what it needs."""
    with gateway(tmp_path_factory.mktemp("gateway")) as made:
        yield made


@pytest.fixture(scope="module")
def calm_providers(every_provider: Gateway) -> Gateway:
    """The same, for tests that script nothing: no service stalls because a test of another file had it do so."""
    every_provider.calm()
    return every_provider


@pytest.fixture(scope="module")
def openai() -> Iterator[FakeProvider]:
    """A scripted service that speaks OpenAI's protocol; each test scripts what it needs."""
    with fake_provider("openai") as fake:
        yield fake


@pytest.fixture(scope="module")
def anthropic() -> Iterator[FakeProvider]:
    """The same of Anthropic's."""
    with fake_provider("anthropic") as fake:
        yield fake


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; `postgres.database()` gives the address of a new database."""
    made = Postgres()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis server; `redis_server.address()` gives the address of an empty database."""
    made = RedisServer()
    yield made
    made.stop()
