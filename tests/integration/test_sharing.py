"""Models that share a machine, seen from outside: through the HTTP API of a real server."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Server


@pytest.fixture
def server(tmp_path: Path, scripted_model: Path) -> Iterator[Server]:
    (tmp_path / "models").mkdir(exist_ok=True)
    for name in "ab":
        shutil.copy(scripted_model, tmp_path / "models" / f"{name}.gguf")
    made = Server(tmp_path)
    made.start()
    yield made
    made.stop()


def ask(server: Server, model: str, text: str = "ping") -> tuple[int, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 8}
    return server.ask("POST", "/v1/chat/completions", body)


def state(server: Server, model: str) -> str:
    return str(server.ask("GET", f"/api/models/{model}")[1]["state"])


def put(server: Server, model: str, **changes: Any) -> tuple[int, Any]:
    version = server.ask("GET", f"/api/models/{model}")[1]["version"]
    return server.ask("PUT", f"/api/models/{model}", {"version": version, "changes": changes, "apply": "now"})


def test_a_group_takes_turns_and_a_pin_is_kept(server: Server) -> None:
    for name in "ab":
        assert put(server, name, swapGroup="one")[0] == 200
    for name, other in ("ab", "ba", "ab"):
        status, answer = ask(server, name)
        assert status == 200, answer
        assert (state(server, name), state(server, other)) == ("ready", "stopped")
    assert put(server, "a", pinned=True)[0] == 200
    assert server.ask("GET", "/api/models/a")[1]["engine"]["pinned"] is True
    status, answer = ask(server, "b")
    assert status == 502
    assert "is pinned, and its group excludes this model" in answer["error"]["message"]
    assert put(server, "a", pinned=False)[0] == 200
    # The pause after a failed start has to pass; a person's start does not wait for it.
    assert server.ask("POST", "/api/models/b/start")[0] == 200
    assert ask(server, "b")[0] == 200
    health = server.ask("GET", "/api/health")[1]
    assert health["memory"]["taken"] <= health["memory"]["budget"]


def test_twenty_clients_of_two_models_are_all_answered(server: Server) -> None:
    for name in "ab":
        assert put(server, name, swapGroup="one")[0] == 200
    answers: list[tuple[int, Any]] = []

    def client(number: int) -> None:
        for turn in range(3):
            answers.append(ask(server, "ab"[(number + turn) % 2]))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert [status for status, _ in answers] == [200] * 60
    assert {answer["choices"][0]["message"]["content"] for _, answer in answers} == {"pong"}


def test_several_engines_answer_for_one_model(server: Server) -> None:
    assert put(server, "a", replicas=2, parallel=1)[0] == 200
    assert server.ask("POST", "/api/models/a/start")[0] == 200

    def both() -> bool:
        engine = server.ask("GET", "/api/models/a")[1]["engine"]
        return [(one["name"], one["state"]) for one in engine["replicas"]] == [("a", "ready"), ("a#2", "ready")]

    deadline = time.monotonic() + 60
    while not both():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert server.ask("GET", "/api/models/a")[1]["engine"]["slots"] == 2
    assert ask(server, "a")[0] == 200
    assert server.ask("POST", "/api/models/a/stop")[0] == 200
    assert state(server, "a") == "stopped"
