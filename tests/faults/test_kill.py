"""The server is killed at named places; nothing acknowledged is lost and every turn ends once."""

from __future__ import annotations

import contextlib
import http.client
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Server

pytestmark = pytest.mark.alone

PLACES = [
    "agents.accept.before_insert", "agents.accept.inserted_before_commit", "agents.accept.committed_before_ack",
    "agents.run.before_connect", "agents.run.first_token", "agents.run.in_transaction", "agents.run.committed_not_sent",
    "agents.run.last_token_without_terminal", "agents.run.terminal_not_sent", "store.after_commit:3",
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_turn_survives_a_kill(tmp_path: Path, place: str) -> None:
    server = Server(tmp_path)
    server.start(CORRAL_FAULTPOINT=place)
    body: dict[str, Any] = {"message": "a long story", "idempotencyKey": "once", "stream": True}
    seen: list[dict[str, Any]] = []
    with contextlib.suppress(OSError, http.client.HTTPException):
        seen.extend(server.events("/api/chat", body))
    assert server.wait() == -9, "the fault point was not reached"

    server.start()
    try:
        status, answer = server.ask("POST", "/api/chat", {**body, "stream": False})
        assert status == 200, answer
        agent, turn = answer["agentId"], answer["turnId"]
        log = list(server.events(f"/api/agents/{agent}/turns/{turn}/events"))
        assert [event["offset"] for event in log] == list(range(len(log)))
        assert [event["type"] for event in log].count("end") == 1
        assert log[-1]["state"] == "completed"
        assert log[: len(seen)] == seen, "what was shown is not a prefix of the log"
        text = "".join(event["text"] for event in log if event["type"] == "token")
        assert text == answer["message"]
        assert text.startswith("A day at the corral.")
        assert text.endswith("nothing of it was lost.")
        page = server.ask("GET", f"/api/agents/{agent}/messages")[1]["messages"]
        assert [one["seq"] for one in page] == [1, 2, 3]
        assert page[-1]["content"] == text
    finally:
        server.stop()
