"""A server that breaks one promise is caught by the same clients and checkers that let the real one pass."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from corral.agents import Event, NewMessage, repository
from corral.agents.repository import Fenced
from tests.faults import checkers, mutant_server
from tests.faults.checkers import Stored
from tests.faults.clients import Clients
from tests.support.scripted import room
from tests.support.server import Server
from tests.support.story import Story, storyteller

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with storyteller() as running:
        yield running


class Mutant(Server):
    """A server with one promise taken out."""

    def __init__(self, data: Path, mutant: str) -> None:
        super().__init__(data)
        self.program = [str(Path(mutant_server.__file__)), mutant]


def killed_in_a_round(data: Path, story: Story, mutant: str, place: str) -> list[str]:
    """What the checkers say after a kill at `place` in the middle of an answer."""
    story.attach_to(data)
    server = Mutant(data, mutant)
    clients = Clients(server)
    server.start(CORRAL_FAULTPOINT=place)
    for number in range(8):
        clients.round(number)
        if server.process is None or server.process.poll() is not None:
            break
    assert server.wait() == -9, place
    history, stored = clients.history, Stored.read(data / "corral.db")
    return [
        *checkers.contiguous(stored), *checkers.nothing_acknowledged_is_missing(history, stored),
        *checkers.seen_is_a_prefix(history, stored),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mutant", "places", "real_at"),
    [
        ("gate", ("agents.run.in_transaction:12",), "agents.run.in_transaction:12"),
        ("commit", tuple(f"mutant.answered_before_commit:{count}" for count in (2, 3, 1, 5)), "store.before_commit:25"),
    ],
)
def test_a_server_that_shows_before_it_commits_is_caught(
    tmp_path: Path, story: Story, mutant: str, places: tuple[str, ...], real_at: str
) -> None:
    """Nobody may have been looking at just those tokens, so that one of several kills has to show it."""
    kills = (killed_in_a_round(tmp_path / f"mutant-{at}", story, mutant, place) for at, place in enumerate(places))
    assert any(kills)
    assert killed_in_a_round(tmp_path / "real", story, "none", real_at) == []


def test_a_server_that_forgets_keys_is_caught(tmp_path: Path, story: Story) -> None:
    found = {}
    for mutant in ("key", "none"):
        data = tmp_path / mutant
        story.attach_to(data)
        server = Mutant(data, mutant)
        server.start()
        clients = Clients(server)
        clients.stream("ann", "k", "words=3 hello")
        clients.again()
        server.stop()
        found[mutant] = checkers.one_turn_a_key(clients.history, Stored.read(data / "corral.db"))
    assert found["key"]
    assert found["none"] == []


async def test_a_server_without_the_fence_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def written_by_the_past(folder: Path) -> bool:
        """Whether an owner with a lower fence can write to a turn that another has taken."""
        folder.mkdir()
        async with room(folder) as one:
            one.source.gate.clear()
            accepted = await one.agents.accept("ann", NewMessage("hello"))
            turn = accepted.turn.id
            while not one.source.open:
                await asyncio.sleep(0.01)
            now = await one.agents.turn("ann", accepted.agent.id, turn)
            event = Event(now.next_offset, "token", {"text": "from the past"})
            try:
                await one.database.write(lambda connection: repository.append_many(connection, 0, [(turn, [event])]))
            except Fenced:
                return False
            finally:
                one.source.gate.set()
                await one.log("ann", accepted.agent.id, turn)
            return True

    assert not await written_by_the_past(tmp_path / "real")
    monkeypatch.setattr(repository, "append_many", repository.append_many)
    mutant_server.without_fence()
    assert await written_by_the_past(tmp_path / "mutant")
