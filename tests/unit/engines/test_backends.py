"""What engines are launched with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from corral.engines import EngineSpec
from corral.engines.backends import TINY, make_plan
from corral.engines.process import SPINS
from corral.kit.errors import InvalidRequest
from corral.settings import AttachedEngine

MODEL = Path("/models/m.gguf")


def launched(spec: EngineSpec, **environ: str) -> tuple[Any, dict[str, str]]:
    """What the program is told, and its environment."""
    plan = make_plan(
        spec, {"PATH": "/bin", "SECRET": "x", "LLAMA_ARG_TOOLS": "all", "OMP_THREAD_LIMIT": "1", **environ}
    )
    try:
        assert plan.launch is not None
        return plan.launch.config, dict(plan.launch.environment)
    finally:
        plan.clean()


def test_a_template_takes_the_options_as_flags_of_their_own() -> None:
    entry = AttachedEngine(command=("serve", "{options}", "--port", "{port}", "--{options}"))
    options = {"reasoning_budget_message": "{key} {port}", "temperature": 0.5, "mmproj": "eyes.gguf"}
    command, _ = launched(EngineSpec("m", MODEL, context_length=1000, slots=2, entry=entry, options=options))
    assert command[:5] == ["serve", "--model", "/models/m.gguf", "--alias", "m"]
    assert command[command.index("--reasoning-budget-message") + 1] == "{key} {port}"
    assert command[command.index("--ctx-size") + 1] == "2000"
    assert command[command.index("--mmproj") + 1] == "/models/eyes.gguf"
    assert command[-3] == "--port"
    assert command[-1] == "--{options}"


def test_what_is_not_to_be_chosen_comes_last_on_a_command_line() -> None:
    entry = AttachedEngine(llama_server="/bin/llama-server")
    options = {"embeddings": False, "jinja": False, "chat_template": "--no-jinja"}
    command, environment = launched(EngineSpec("m", MODEL, embeddings=True, entry=entry, options=options))
    host = command.index("--host")
    assert command[host + 1].endswith("/engine.sock")
    assert command[host + 2 :] == ["--slots", "--metrics", "--no-webui"]
    assert "--embeddings" not in command
    assert command.count("--no-jinja") == 2, "the flag, and a text that looks like it"
    command, _ = launched(EngineSpec("m", MODEL, entry=entry, options={"chat_template": "--no-jinja"}))
    assert command[-1] == "--jinja"
    assert set(environment) >= {"PATH", "LLAMA_API_KEY", "OMP_THREAD_LIMIT"}
    assert not {"SECRET", "LLAMA_ARG_TOOLS"} & set(environment)


def test_the_embedded_engine_gets_the_options_as_settings() -> None:
    config, _ = launched(
        EngineSpec("m", MODEL, embeddings=True, mmproj=Path("/models/found.gguf"), options={"seed": -1})
    )
    assert config["embeddings"] is True
    assert config["mmproj"] == "/models/found.gguf"
    assert ["sampling.seed", 2**32 - 1] in [list(one) for one in config["settings"]]
    assert ["cache_ram_mib", 0] in [list(one) for one in config["settings"]]


def test_an_option_that_an_engine_cannot_take_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(InvalidRequest, match="topNSigma"):
        make_plan(EngineSpec("m", MODEL, options={"top_n_sigma": 1.0}), {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("set_by_the_user", "waiting"),
    [
        ({}, {"GOMP_SPINCOUNT": SPINS}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active"}),
    ],
)
@pytest.mark.parametrize("entry", [None, AttachedEngine(command=("serve",)), AttachedEngine(llama_server="serve")])
def test_threads_soon_give_their_core_to_other_engines(
    set_by_the_user: dict[str, str], waiting: dict[str, str], entry: AttachedEngine | None
) -> None:
    _, environment = launched(EngineSpec("m", MODEL, entry=entry), **set_by_the_user)
    assert {name: environment[name] for name in environment if name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")} == waiting


@pytest.mark.parametrize(
    ("size", "options", "threads"),
    [
        (TINY, {}, 1),
        (TINY + 1, {}, None),
        (0, {}, None),
        (TINY, {"threads": 3}, 3),
        (TINY, {"threads": -1}, -1),
        (TINY, {"threads_batch": 2}, 1),
    ],
)
def test_a_tiny_model_takes_one_thread_unless_told(size: int, options: dict[str, Any], threads: int | None) -> None:
    spec = EngineSpec("m", MODEL, size, options=options)
    config, _ = launched(spec)
    assert dict(config["settings"]).get("cpuparams.n_threads") == threads
    assert dict(config["settings"]).get("cpuparams_batch.n_threads") == options.get("threads_batch", threads)
    command, _ = launched(replace(spec, entry=AttachedEngine(llama_server="/bin/llama-server")))
    told = command[command.index("--threads") + 1] if "--threads" in command else None
    assert told == (str(threads) if threads and threads > 0 else None)
