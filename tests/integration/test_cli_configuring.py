"""Setting things from the command line, against a real server and without one."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_cli import corral
from tests.support.gguf_files import write
from tests.support.server import Server

MODEL = "corral-demo"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("set"))
    write(made.data / "models" / "small.gguf")
    made.start()
    yield made
    made.stop()


def test_options_are_set_shown_and_taken_away(server: Server) -> None:
    done = corral(
        "models", "set", MODEL, "ctx_size=1024", "temperature=0.5", "samplers=top_k,temperature", "--url", server.url
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f'{MODEL}: ctxSize=1024 temperature=0.5 samplers=["top_k", "temperature"]\n'
    corral("models", "set", MODEL, "temperature=", "--url", server.url)
    shown = json.loads(corral("models", "show", MODEL, "--json", "--url", server.url).stdout)
    assert shown["configuration"]["own"] == {"ctxSize": 1024, "samplers": ["top_k", "temperature"]}
    assert corral("models", "reset", MODEL, "samplers", "--url", server.url).stdout == f"{MODEL}: ctxSize=1024\n"
    assert corral("models", "reset", MODEL, "--url", server.url).stdout == f"{MODEL}: nothing of its own\n"


def test_what_is_refused_says_why_for_each_field(server: Server) -> None:
    done = corral("models", "set", MODEL, "ctx_sise=1", "top_p=3", "--url", server.url)
    assert done.returncode == 1
    assert "ctxSize" in done.stderr
    done = corral("models", "set", MODEL, "ctx_size", "--url", server.url)
    assert (done.returncode, "option=value" in done.stderr) == (2, True)
    done = corral("config", "set", "slots=0", "default_model=none", "--url", server.url)
    assert done.returncode == 1
    assert corral("models", "set", "none", "seed=1", "--url", server.url).returncode == 1


def test_a_running_engine_takes_a_change_at_once_when_asked(server: Server) -> None:
    corral("models", "start", MODEL, "--url", server.url)
    done = corral("models", "set", MODEL, "ctx_size=2048", "--url", server.url)
    assert "at its next start" in done.stdout
    done = corral("models", "set", MODEL, "ctx_size=1024", "--now", "--url", server.url)
    assert "at its next start" not in done.stdout
    assert server.ask("GET", f"/api/models/{MODEL}")[1]["engine"]["contextLength"] == 1024
    done = corral("models", "set", MODEL, "lora=none.gguf", "--now", "--url", server.url)
    assert done.returncode == 1
    assert "none.gguf" in done.stderr
    assert server.ask("GET", f"/api/models/{MODEL}")[1]["engine"]["contextLength"] == 1024


def test_templates_history_and_undo(server: Server) -> None:
    corral("models", "set", "small", "seed=7", "--url", server.url)
    assert "seed=7" in corral("models", "save-template", "lucky", "small", "--url", server.url).stdout
    done = corral("models", "apply-template", "lucky", MODEL, "none", "--url", server.url)
    assert done.returncode == 1
    assert f"{MODEL}: done" in done.stdout
    assert "lucky" in corral("models", "templates", "--url", server.url).stdout
    newest = json.loads(corral("config", "history", "--json", "--url", server.url).stdout)[0]
    assert (newest["name"], newest["action"], newest["after"]) == (MODEL, "template", {"seed": 7})
    assert corral("config", "rollback", newest["id"], "--url", server.url).returncode == 0
    assert "seed" not in server.ask("GET", f"/api/models/{MODEL}")[1]["configuration"]["own"]
    assert corral("models", "delete", "small", "--file", "--url", server.url).returncode == 0
    assert server.ask("GET", "/api/models/small")[0] == 404
    assert corral("models", "restore", "small", "--url", server.url).returncode == 0
    assert server.ask("GET", "/api/models/small")[1]["configuration"]["own"] == {"seed": 7}


def test_settings_are_set_with_and_without_a_server(server: Server, tmp_path: Path) -> None:
    done = corral("config", "set", "slots=3", "max_answer_tokens=99", "threads=1", "--url", server.url)
    assert "restart of the server: maxAnswerTokens" in done.stdout
    told = server.ask("GET", "/api/config")[1]
    assert (told["serverConfig"], told["appConfig"]["slots"]) == ({"threads": 1}, 3)
    done = corral("config", "set", "slots=5", "models=/a,/b", "--data", str(tmp_path), CORRAL_PORT="9")
    assert done.returncode == 0, done.stderr
    assert tomllib.loads((tmp_path / "corral.toml").read_text()) == {"slots": 5, "models": ["/a", "/b"]}
    assert corral("config", "set", "slots=0", "--data", str(tmp_path), CORRAL_PORT="9").returncode == 1
    assert corral("config", "set", "port=8", "--data", str(tmp_path), CORRAL_PORT="9").returncode == 1


def test_an_older_dashboards_file_is_taken_over(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "llama-server-config.json"
    file.write_text(json.dumps({"host": "localhost", "port": 8134, "ctx_size": 2048, "gpu_layers": -1}))
    done = corral("import-config", str(file), "--url", server.url)
    assert 'serverConfig: {"ctxSize": 2048, "gpuLayers": -1}' in done.stdout
    assert "left out: port" in done.stdout
    file.write_text("{broken")
    assert corral("import-config", str(file), "--url", server.url).returncode == 2


def test_the_options_can_be_looked_up_without_a_server() -> None:
    found = json.loads(corral("models", "options", "draft model", "--json").stdout)
    assert "model_draft" in {one["name"] for one in found}
    assert "ctx_size" in corral("models", "options", "--", "--ctx-size").stdout
