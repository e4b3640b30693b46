"""Providers and routes change while answers run: those go on to their end, and the next request sees the change."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.providers import FakeProvider, fake_provider
from tests.support.server import Server

TEXT = "one two three four five six seven eight nine ten eleven twelve"
KEY = "sk-changes-0123456789-abcdefgh"


@pytest.fixture(scope="module")
def service() -> Iterator[FakeProvider]:
    with fake_provider("openai") as found:
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("changes"))
    made.start()
    yield made
    made.stop()


class Reading(threading.Thread):
    """Reads a stream; `begun` is set with its first text."""

    def __init__(self, server: Server, model: str) -> None:
        super().__init__(daemon=True)
        body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "count"}]}
        self._request = urllib.request.Request(
            f"{server.url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        self.begun = threading.Event()
        self.text = ""
        self.last = ""
        self.start()

    def run(self) -> None:
        with urllib.request.urlopen(self._request, timeout=300) as answer:
            for line in answer:
                if not line.startswith(b"data: "):
                    continue
                self.last = line[6:].strip().decode()
                if self.last.startswith("{"):
                    for choice in json.loads(self.last)["choices"]:
                        self.text += choice["delta"].get("content") or ""
                if self.text:
                    self.begun.set()


def must(answer: tuple[int, Any]) -> Any:
    assert answer[0] == 200, answer
    return answer[1]


def asked(server: Server, model: str) -> tuple[int, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": "count"}]}
    return server.ask("POST", "/v1/chat/completions", body)


def test_pitfall_17_answers_under_way_outlive_every_change_and_the_next_request_sees_it(
    server: Server, service: FakeProvider, tmp_path: Path
) -> None:
    provider = {"kind": "openai", "baseUrl": service.base_url, "discover": False}
    must(server.ask("PUT", "/api/providers/cloud", {"version": 0, "changes": provider}))
    must(server.ask("POST", "/api/providers/cloud/keys", {"secret": KEY}))
    must(server.ask("PUT", "/api/routes/smart", {"version": 0, "changes": {"candidates": ["cloud/gpt"]}}))
    service.script({"text": TEXT, "pace": 0.4})
    running = [Reading(server, "smart"), Reading(server, "cloud/gpt")]
    for one in running:
        assert one.begun.wait(120)
    # A bad change is refused and changes nothing; a good one counts for the next request.
    assert (
        server.ask("PUT", "/api/providers/cloud", {"version": 1, "changes": {"baseUrl": "http://169.254.169.254"}})[0]
        == 400
    )
    must(server.ask("PUT", "/api/routes/smart", {"version": 1, "changes": {"candidates": ["local/corral-demo"]}}))
    assert asked(server, "smart")[1]["choices"][0]["message"]["content"]
    must(server.ask("PUT", "/api/providers/cloud", {"version": 1, "changes": {"enabled": False}}))
    status, told = asked(server, "cloud/gpt")
    assert (status, "switched off" in told["error"]["message"]) == (503, True), told
    must(server.ask("DELETE", "/api/providers/cloud"))
    must(server.ask("DELETE", "/api/routes/smart"))
    assert asked(server, "smart")[0] == 404
    for one in running:
        one.join(300)
        assert (one.text, one.last) == (TEXT, "[DONE]")
    must(server.ask("POST", "/api/providers/cloud/restore", {}))
    must(server.ask("POST", "/api/routes/smart/restore", {}))
    assert not any(
        KEY in path.read_text("utf-8", "replace") for path in (server.data / "logs").rglob("*") if path.is_file()
    )


def test_abuse_33_and_39_a_request_cannot_lead_a_key_elsewhere(server: Server, service: FakeProvider) -> None:
    provider = {"kind": "openai", "baseUrl": service.base_url, "discover": False}
    must(server.ask("PUT", "/api/providers/keep", {"version": 0, "changes": provider}))
    must(server.ask("POST", "/api/providers/keep/keys", {"secret": KEY}))
    with fake_provider("openai") as stranger:
        service.script({"text": "hello"})
        stranger.script({"text": "gotcha"})
        body = {
            "model": "keep/gpt", "messages": [{"role": "user", "content": "count"}],
            "api_base": stranger.base_url, "base_url": stranger.base_url, "api_key": "x",
        }  # fmt: skip
        server.ask("POST", "/v1/chat/completions", body, {"X-Base-Url": stranger.base_url})
        service.script({"redirect": f"{stranger.base_url}/chat/completions"})
        assert asked(server, "keep/gpt")[0] >= 400
        assert server.ask("POST", "/api/providers/keep/test", {"changes": {"baseUrl": stranger.base_url}})[0] == 200
        must(server.ask("PUT", "/api/providers/keep", {"version": 1, "changes": {"baseUrl": stranger.base_url}}))
        assert asked(server, "keep/gpt")[0] == 503
        assert KEY not in json.dumps(stranger.seen())
