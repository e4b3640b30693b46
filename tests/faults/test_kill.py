"""The server is killed at every named place, again and again, under several clients; then the checkers look.

One data folder lives through a chain of kills, so that most of them come while the one before is recovered from. A
failure names its seed; `TEST_SCALE=thorough` runs many.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.storyteller import answer_to
from tests.faults import checkers
from tests.faults.checkers import Stored
from tests.faults.clients import GONE, Clients
from tests.support.scale import scaled
from tests.support.server import Server
from tests.support.story import Story, storyteller

pytestmark = pytest.mark.alone

PLACES = {
    "agents.accept.parsed": 4,
    "agents.accept.before_insert": 4,
    "agents.accept.inserted_before_commit": 4,
    "agents.accept.committed_before_ack": 4,
    "agents.run.before_connect": 3,
    "providers.connected": 3,
    "agents.run.first_token": 3,
    "agents.run.in_transaction": 20,
    "agents.run.committed_not_sent": 20,
    "api.event_sent": 40,
    "agents.run.last_token_without_terminal": 3,
    "agents.run.terminal_not_sent": 3,
    "agents.cancel": 1,
    "agents.delete": 1,
    "store.before_commit": 30,
    "store.after_commit": 30,
}
"""Fault points, and the highest time of passing at which the sweep kills."""
ROUNDS = 8


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with storyteller() as running:
        yield running


@pytest.mark.parametrize("seed", range(scaled(1, 300)))
def test_a_chain_of_kills_loses_nothing(tmp_path: Path, story: Story, seed: int) -> None:
    dice = random.Random(seed)
    story.attach_to(tmp_path)
    server = Server(tmp_path)
    clients = Clients(server)
    killed_at(server, clients, "store.migration_before_commit", 0)
    places = [(name, dice.randint(1, most)) for name, most in PLACES.items()]
    dice.shuffle(places)
    for number, (name, nth) in enumerate(places, 1):
        killed_at(server, clients, f"{name}:{nth}", number * ROUNDS)
        note_fence(server, clients)
        complaints = so_far(clients, Stored.read(server.data / "corral.db"))
        assert not complaints, f"seed {seed}, killed at {name}:{nth}: {complaints}"
    recover(server, clients, story)


@pytest.mark.parametrize("seed", range(scaled(3, 300)))
def test_kills_at_any_moment_lose_nothing(tmp_path: Path, story: Story, seed: int) -> None:
    dice = random.Random(1000 + seed)
    story.attach_to(tmp_path)
    server = Server(tmp_path)
    clients = Clients(server)
    for number in range(3):
        server.start()
        working = threading.Thread(target=clients.round, args=(number,))
        working.start()
        time.sleep(dice.random() * 0.4)
        server.kill()
        working.join()
        note_fence(server, clients)
    recover(server, clients, story)


def test_a_kill_in_the_middle_of_a_character(tmp_path: Path, story: Story) -> None:
    story.attach_to(tmp_path)
    server = Server(tmp_path)
    clients = Clients(server)
    server.start()
    watching = threading.Thread(target=lambda: _suppressed(clients, "words=12 hold=5 é"))
    watching.start()
    deadline = time.monotonic() + 180
    while "✓4 " not in str(_answer(server)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    server.kill()
    watching.join()
    assert clients.history.seen
    recover(server, clients, story)


def _answer(server: Server) -> object:
    agents = server.ask("GET", "/api/agents?userId=eve")[1]["agents"]
    return agents and server.ask("GET", f"/api/agents/{agents[0]['id']}/messages?userId=eve")[1]


def _suppressed(clients: Clients, text: str) -> None:
    with contextlib.suppress(*GONE):
        clients.stream("eve", "k", text)


def killed_at(server: Server, clients: Clients, place: str, number: int) -> None:
    """Runs the server with a fault point until that ends it, perhaps before it listens."""
    try:
        server.start(CORRAL_FAULTPOINT=place)
    except AssertionError:
        assert server.wait() == -9, f"the server did not start with {place}"
        return
    assert server.process is not None
    for extra in range(ROUNDS):
        clients.round(number + extra)
        if server.process.poll() is not None:
            break
    # A process that is killed takes a moment to be gone, while its clients are refused at once.
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.process.wait(10)
    if server.process.returncode is None:
        server.kill()
        raise AssertionError(f"{place} was not reached")
    assert server.process.returncode == -9, place


def note_fence(server: Server, clients: Clients) -> None:
    """Writes down the fence that was given out, when it is a new one."""
    fence = checkers.read_fence(server.data / "corral.db")
    if not clients.history.fences or fence != clients.history.fences[-1]:
        clients.history.fences.append(fence)


def so_far(clients: Clients, stored: Stored) -> list[str]:
    """What has to hold of a database whose server is dead."""
    history = clients.history
    return [
        *checkers.contiguous(stored), *checkers.nothing_acknowledged_is_missing(history, stored),
        *checkers.one_turn_a_key(history, stored), *checkers.seen_is_a_prefix(history, stored),
        *checkers.stops_hold(history, stored), *checkers.fences_rise(history), *checkers.turns_are_serial(stored),
    ]  # fmt: skip


def recover(server: Server, clients: Clients, story: Story) -> None:
    """A start without a fault: all is retried and finished; then every checker looks."""
    server.start()
    try:
        clients.again()
        deadline = time.monotonic() + 180
        while any(turn["state"] not in checkers.FINAL for turn in Stored.read(server.data / "corral.db").turns):
            assert time.monotonic() < deadline, "a turn did not end"
            time.sleep(0.05)
        assert story.no_calls(), "an answer went on without its turn"
    finally:
        server.stop()
    note_fence(server, clients)
    stored = Stored.read(server.data / "corral.db")
    asked = {one["turn_id"]: one["content"] for one in stored.messages if one["role"] == "user"}
    complaints = checkers.check_all(clients.history, stored)
    complaints += checkers.answers_are(stored, {turn: answer_to(text) for turn, text in asked.items()})
    assert not complaints, complaints
    assert any(turn["state"] == "completed" for turn in stored.turns)
