"""Options at other values than their defaults, read back from real engines: the embedded one, and a llama-server."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from corral.models.options import BY_NAME
from tests.support import tiny_models
from tests.support.option_engines import running
from tests.support.random_models import Shape, write_model
from tests.support.waiting import eventually


@dataclass(frozen=True)
class Report:
    """All that an engine tells: of itself, of a task that said nothing about sampling, and in its log."""

    props: dict[str, Any]
    task: dict[str, Any]
    answer: str
    log: str

    def defaults(self, name: str) -> Any:
        """A default for requests."""
        return self.props["default_generation_settings"]["params"][name]

    def line(self, pattern: str) -> bool:
        """Whether the log has a line like this."""
        return re.search(pattern, self.log) is not None


Proof = Callable[[Report, Any], bool]


def default(name: str) -> Proof:
    """Shown as a default for requests."""
    return lambda report, value: bool(report.defaults(name) == pytest.approx(value))


def task(name: str) -> Proof:
    """Shown by a task that did not ask for it."""
    return lambda report, value: bool(report.task[name] == value)


def line(pattern: str) -> Proof:
    """Shown by a line of the log; `{}` stands for the value."""
    return lambda report, value: report.line(pattern.replace("{}", re.escape(str(value))))


FIRST: dict[str, tuple[Any, Proof]] = {
    "ctx_size": (768, lambda report, value: report.props["default_generation_settings"]["n_ctx"] == 768 * 3),
    "parallel": (3, lambda report, value: report.props["total_slots"] == value),
    "batch_size": (256, line(r"n_batch += {}\b")),
    "ubatch_size": (128, line(r"n_ubatch += {}\b")),
    "threads": (1, line(r"system_info: n_threads = {} ")),
    "threads_batch": (2, line(r"\(n_threads_batch = {}\)")),
    "flash_attn": ("on", line(r"flash_attn += enabled")),
    "temperature": (0.33, default("temperature")),
    "top_k": (7, default("top_k")),
    "top_p": (0.6, default("top_p")),
    "min_p": (0.11, default("min_p")),
    "seed": (77, default("seed")),
    "n_predict": (9, task("n_predict")),
    "samplers": (["top_k", "temperature"], default("samplers")),
    "repeat_last_n": (32, default("repeat_last_n")),
    "repeat_penalty": (1.2, default("repeat_penalty")),
    "presence_penalty": (0.3, default("presence_penalty")),
    "frequency_penalty": (0.4, default("frequency_penalty")),
    "typical_p": (0.8, default("typical_p")),
    "top_n_sigma": (1.5, default("top_n_sigma")),
    "xtc_probability": (0.2, default("xtc_probability")),
    "xtc_threshold": (0.3, default("xtc_threshold")),
    "dry_multiplier": (0.5, default("dry_multiplier")),
    "dry_base": (2.0, default("dry_base")),
    "dry_allowed_length": (3, default("dry_allowed_length")),
    "dry_penalty_last_n": (33, default("dry_penalty_last_n")),
    "dry_sequence_breakers": (["-", "\n"], task("dry_sequence_breakers")),
    "adaptive_target": (0.5, default("adaptive_target")),
    "adaptive_decay": (0.5, default("adaptive_decay")),
    "dynatemp_range": (0.1, default("dynatemp_range")),
    "dynatemp_exp": (2.0, default("dynatemp_exponent")),
    "mirostat": (2, default("mirostat")),
    "mirostat_lr": (0.2, default("mirostat_eta")),
    "mirostat_ent": (4.0, default("mirostat_tau")),
    "ignore_eos": (True, default("ignore_eos")),
    "logit_bias": (
        {"300": -2.5}, lambda report, value: {"bias": -2.5, "token": 300} in report.task["logit_bias"],
    ),
    "grammar": ('root ::= "yes"+', lambda report, value: report.answer.startswith("yesyes")),
    "keep": (4, task("n_keep")),
    "cache_type_k": ("q8_0", line(r"K \({}\)")),
    "cache_type_v": ("q8_0", line(r"V \({}\)")),
    "load_mode": ("none", line(r"load_mode = {}")),
    "kv_unified": (True, line(r"kv_unified += true")),
    "cache_ram": (64, line(r"prompt cache is enabled, size limit: {} MiB")),
    "cache_idle_slots": (True, line(r"idle slots will be saved to prompt cache")),
    "swa_full": (True, line(r"swa_full is not supported by this model")),
    "override_tensor": ([r"blk\.0\.ffn_up=CPU"], line(r"ffn_up.weight .*overridden to CPU")),
    "rope_scaling": ("yarn", line(r"custom YaRN scaling detected")),
    "rope_freq_base": (5000.0, line(r"freq_base += {}")),
    "rope_freq_scale": (0.25, line(r"freq_scale += {}")),
    "override_kv": (["llama.rope.freq_base=float:3000"], line(r"freq_base_train += 3000\.0")),
    "ctx_checkpoints": (4, line(r"context checkpoints enabled, max = {}")),
    "checkpoint_min_step": (100, line(r"min spacing = {}")),
    "warmup": (False, lambda report, value: not report.line("warming up")),
    "threads_http": (3, line(r"using {} threads for HTTP server")),
    "verbosity": (5, line(r"verbosity = {}")),
}  # fmt: skip
"""One engine with all of these at once: the value, and where the engine shows it."""
NEEDS_A_SERVER = [name for name in FIRST if "embedded" not in BY_NAME[name].engines]


@pytest.mark.parametrize("kind", ["embedded", "llama_server"])
async def test_an_engine_tells_of_what_was_set(kind: str, tmp_path: Path, scripted_model: Path) -> None:
    wanted = {name: one for name, one in FIRST.items() if kind == "llama_server" or name not in NEEDS_A_SERVER}
    options = {name: value for name, (value, _) in wanted.items()}
    async with running(tmp_path, scripted_model, options, kind) as engine:
        done, props = await engine.complete(), await engine.props()

        def missing() -> list[str]:
            report = Report(props, done["generation_settings"], done["content"], engine.log())
            return [name for name, (value, proof) in wanted.items() if not proof(report, value)]

        # The log comes a moment after what it tells of.
        with contextlib.suppress(AssertionError):
            await eventually(lambda: not missing())
        assert missing() == []


@pytest.mark.parametrize("kind", ["embedded", "llama_server"])
async def test_without_options_an_engine_keeps_its_own_defaults(
    kind: str, tmp_path: Path, scripted_model: Path
) -> None:
    async with running(tmp_path, scripted_model, {}, kind) as engine:
        done, props = await engine.complete(n_predict=1), await engine.props()
        report = Report(props, done["generation_settings"], done["content"], engine.log())
    sampling = {name for name, option in BY_NAME.items() if option.group.value == "sampling"}
    shown = {name: option.default for name, option in BY_NAME.items() if name in sampling and name in report.task}
    assert len(shown) >= 20
    assert {name: report.task[name] for name in shown} == {
        name: pytest.approx(value) if isinstance(value, float) else 2**32 - 1 if name == "seed" else report.task[name] if value is None else value
        for name, value in shown.items() if name != "n_predict"
    } | {"n_predict": 1}  # fmt: skip
    assert (props["total_slots"], props["default_generation_settings"]["n_ctx"]) == (2, 512)


@pytest.mark.parametrize("kind", ["embedded", "llama_server"])
async def test_what_was_set_goes_before_what_the_file_recommends(kind: str, tmp_path: Path) -> None:
    file = tiny_models.recommending(tmp_path / "recommending.gguf")
    for options, shown in (({}, (0.3, 5)), ({"temperature": 0.8}, (0.8, 5)), ({"top_k": 40}, (0.3, 40))):
        async with running(tmp_path, file, options, kind) as engine:
            params = (await engine.props())["default_generation_settings"]["params"]
            assert (params["temperature"], params["top_k"]) == pytest.approx(shown)


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small mixture of experts with quantised weights."""
    shape = Shape(
        layers=3, width=128, feed_forward=64, heads=2, heads_kv=1, head_width=64, vocabulary=400, experts=4, kind="Q4_0"
    )
    return write_model(tmp_path_factory.mktemp("mixture") / "mixture.gguf", shape)


@pytest.mark.parametrize("kind", ["embedded", "llama_server"])
async def test_experts_of_the_first_layers_stay_in_main_memory(kind: str, tmp_path: Path, mixture: Path) -> None:
    async with running(tmp_path, mixture, {"n_cpu_moe": 2, "verbosity": 5}, kind) as engine:
        await engine.said("model loaded")
        kept = set(re.findall(r"tensor blk\.(\d)\.ffn_\w+_exps.weight .*overridden to CPU", engine.log()))
    assert kept == {"0", "1"}


@pytest.mark.parametrize("kind", ["embedded", "llama_server"])
async def test_weights_are_repacked_or_not(kind: str, tmp_path: Path, mixture: Path) -> None:
    shown = {}
    for value in (True, False):
        async with running(tmp_path, mixture, {"repack": value, "verbosity": 5}, kind) as engine:
            await engine.said("model loaded")
            shown[value] = "repack tensor" in engine.log()
    assert not shown[False]
    if not shown[True]:
        pytest.skip("weights of this kind are not repacked for this CPU")
