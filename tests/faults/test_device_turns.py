"""The server is killed around the commit of what a device brings; the device brings it again, as it does without an answer."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from tests.faults import checkers
from tests.faults.checkers import History, Stored
from tests.faults.clients import GONE
from tests.support.server import Server

pytestmark = pytest.mark.alone

PLACES = ("parsed", "inserted_before_commit", "committed_before_ack")


def test_a_sync_that_is_cut_off_anywhere_is_whole_after_the_next(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    agent = bring(server, "begin")["agentId"]
    # The conversation has moved on for what the device writes next.
    bring(server, "elsewhere", agent=agent, after=3)
    server.stop()
    synced = {}
    for number, place in enumerate(PLACES):
        server.start(CORRAL_FAULTPOINT=f"agents.device.{place}")
        with contextlib.suppress(*GONE):
            bring(server, f"a{number}", f"b{number}", agent=agent, after=3)
            raise AssertionError(f"{place} was not reached")
        assert server.wait() == -9
    server.start()
    for number in range(len(PLACES)):
        for _ in range(2):
            synced[number] = bring(server, f"a{number}", f"b{number}", agent=agent, after=3)
        assert synced[number]["forkedFrom"] == agent
    server.stop()
    stored = Stored.read(server.data / "corral.db")
    complaints = checkers.check_all(History(), stored)
    assert not complaints, complaints
    assert len(stored.agents) == 1 + len(PLACES)
    for number, told in synced.items():
        said = [
            one["content"] for one in stored.messages if one["agent_id"] == told["agentId"] and one["role"] == "user"
        ]
        assert said == ["ask begin", f"ask a{number}", f"ask b{number}"]


def bring(server: Server, *keys: str, agent: str | None = None, after: int | None = None) -> dict[str, Any]:
    turns = [{"key": key, "message": f"ask {key}", "answer": "From here.", "state": "completed"} for key in keys]
    place = {"agentId": agent, "after": after} if agent else {}
    status, told = server.ask("POST", "/api/device/turns", {"turns": turns, **place})
    assert status == 200, told
    return dict(told)
