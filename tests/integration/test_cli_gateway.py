"""`corral providers …` and `corral routes …` against a real server with a scripted service behind it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_cli import corral
from tests.support.providers import FakeProvider, fake_provider
from tests.support.server import Server

KEY = "sk-cli-0123456789-abcdefghij-tail"


@pytest.fixture(scope="module")
def service() -> Iterator[FakeProvider]:
    with fake_provider("openai") as found:
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("gateway"))
    made.data.mkdir(parents=True, exist_ok=True)
    (made.data / "corral.toml").write_text(
        '[providers.fixed]\nkind = "openai"\nbase_url = "http://127.0.0.1:9/v1"\napi_key_env = "SOME_KEY"\ndiscover = false\n'
        '[routes.steady]\ncandidates = ["fixed/m", "local/corral-demo"]\n[[limits]]\nscope = "all"\nrequests_per_minute = 100000\n'
    )
    made.start(SOME_KEY=KEY)
    yield made
    made.stop()


def with_input(text: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The command with something on standard input."""
    command = [sys.executable, "-c", "from corral.cli.main import run; run()", *words]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=False)


def told(*words: str) -> Any:
    return json.loads(corral(*words, "--json").stdout)


def test_a_provider_is_added_with_a_key_that_no_command_line_shows(server: Server, service: FakeProvider) -> None:
    service.script(list=["one", "two"])
    at = ("--url", server.url)
    done = with_input(
        f"{KEY}\n", "providers", "add", "cloud", "--kind", "openai", "--base-url", service.base_url, "--key", *at
    )
    assert done.returncode == 0, done.stderr
    assert KEY not in done.stdout + done.stderr
    listed = corral("providers", "list", *at).stdout
    assert "cloud" in listed
    assert "…tail" in listed
    assert KEY not in listed + json.dumps(told("providers", "list", *at))
    assert KEY.encode() not in b"".join(path.read_bytes() for path in server.data.rglob("*") if path.is_file())
    done = corral("providers", "test", "cloud", *at)
    assert (done.returncode, "works" in done.stdout) == (0, True), done.stdout + done.stderr
    assert {one["name"] for one in told("providers", "models", "cloud", *at)["models"]} == {"one", "two"}
    service.script(accept_keys=["another"])
    done = corral("providers", "test", "cloud", *at)
    assert done.returncode == 1
    assert KEY not in done.stdout + done.stderr
    done = with_input("sk-another-key-of-mine", "providers", "key", "cloud", "--label", "spare", *at)
    assert "spare …mine" in done.stdout
    assert corral("providers", "key", "cloud", "--remove", "none", *at).returncode == 1
    assert "spare" not in corral("providers", "key", "cloud", "--remove", "spare", *at).stdout


def test_what_is_wrong_is_told_with_its_field(server: Server) -> None:
    at = ("--url", server.url)
    done = corral("providers", "add", "Cloud", "--kind", "openai", *at)
    assert (done.returncode, "small letters" in done.stderr) == (1, True)
    done = corral("providers", "add", "meta", "--kind", "compatible", "--base-url", "http://169.254.169.254", *at)
    assert "link-local" in done.stderr
    done = corral("providers", "set", "fixed", "enabled=false", *at)
    assert (done.returncode, "corral.toml" in done.stderr) == (1, True)
    assert corral("providers", "set", "fixed", "enabled", *at).returncode == 2
    assert corral("routes", "set", "bad", "nobody", *at).returncode == 1


def test_a_route_is_made_tried_changed_and_taken_back(server: Server, service: FakeProvider) -> None:
    at = ("--url", server.url)
    service.script({"text": "Hello from the cloud."})
    corral("providers", "add", "there", "--kind", "openai", "--base-url", service.base_url, *at)
    with_input(KEY, "providers", "key", "there", *at)
    done = corral(
        "routes", "set", "smart", "there/gpt", "local/corral-demo", "--strategy", "ordered", "--set", "attempts=3", *at
    )
    assert done.stdout == "smart: ordered, there/gpt, local/corral-demo\n", done.stderr
    done = corral("routes", "try", "smart", "hello?", *at)
    assert (done.returncode, "Hello from the cloud." in done.stdout, "there/gpt completed" in done.stdout) == (
        0,
        True,
        True,
    ), done
    service.script({"status": 500})
    done = corral("routes", "try", "smart", "hello?", *at)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "local/corral-demo completed" in done.stdout
    shown = told("routes", "show", "smart", *at)
    assert shown["attempts"] == 3
    assert {one["provider"]: one["failed"] for one in shown["state"]}["there"] >= 1
    assert "there/gpt" in corral("routes", "show", "smart", *at).stdout
    assert corral("routes", "set", "smart", "--set", "description=for tests", *at).returncode == 0
    assert told("routes", "show", "smart", *at)["description"] == "for tests"
    done = corral("providers", "remove", "there", *at)
    assert "Routes that name it: smart" in done.stdout
    assert "There is no provider 'there'" in corral("routes", "show", "smart", *at).stdout
    assert corral("providers", "restore", "there", *at).returncode == 0
    assert corral("routes", "remove", "smart", *at).returncode == 0
    assert corral("routes", "show", "smart", *at).returncode == 1
    assert corral("routes", "restore", "smart", *at).returncode == 0
    assert {one["name"]: one["readOnly"] for one in told("routes", "list", *at)["routes"]} == {
        "steady": True,
        "smart": False,
    }


def test_what_the_file_says_counts_and_a_restart_keeps_the_rest(server: Server) -> None:
    before = server.ask("GET", "/api/routes")[1]["routes"]
    status, reply = server.ask(
        "POST", "/v1/chat/completions", {"model": "steady", "messages": [{"role": "user", "content": "ping"}]}
    )
    assert (status, reply["choices"][0]["message"]["content"]) == (200, "pong")
    server.kill()
    server.start(SOME_KEY=KEY)
    assert server.ask("GET", "/api/routes")[1]["routes"] == before
    keys = {one["name"]: one["keys"] for one in server.ask("GET", "/api/providers")[1]["providers"]}
    assert [key["problem"] for key in keys["there"]] == [None]
    assert server.ask("GET", "/api/limits")[1]["limits"][0]["requestsPerMinute"] == 100_000


def test_the_master_key_is_for_its_owner_alone_and_no_answer_holds_it(server: Server) -> None:
    path: Path = server.data / "master.key"
    assert path.stat().st_mode & 0o777 == 0o600
    key = path.read_text().strip()
    for place in ("/api/config", "/api/providers", "/api/provider-kinds", "/api/logs", "/api/health"):
        assert key not in json.dumps(server.ask("GET", place)[1]), place
