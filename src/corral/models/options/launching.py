"""From values of options to what starts an engine: arguments of llama-server, or settings for the embedded one.

Both take the values that were set, under their Python names and checked; what is not set stays the engine's own, but
for a few defaults that Corral always tells. Context and slots come apart, since both depend on the model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from corral.kit.errors import InvalidRequest
from corral.models.options.catalogue import BY_NAME, OPTIONS
from corral.models.options.types import Kind, Option
from corral.models.options.values import refuse

Values = Mapping[str, Any]
Setting = tuple[str, Any]
"""A dotted attribute of the embedded engine's parameters and its value: plain, or an object of one key that says what is made of it."""

LONGEST_ARGUMENT = 100_000
_MIB = 1024 * 1024
_PRIORITIES = {"low": -1, "normal": 0, "medium": 1, "high": 2, "realtime": 3}
_EXPERTS = "ffn_(up|down|gate|gate_up)_(ch|)exps"


def shape(values: Values, *, context: int, slots: int, trained: int | None) -> tuple[int, int]:
    """Tokens of context for each slot, and slots: as set, else as in the settings and no more than the model knows."""
    wanted: int = values.get("ctx_size") or min(context, trained or context)
    return wanted, values.get("parallel") or slots


def embeds(values: Values, made_for_it: bool) -> bool:
    """Whether the engine makes vectors and no text."""
    chosen = values.get("embeddings")
    return bool(values.get("reranking")) or (made_for_it if chosen is None else bool(chosen))


def projector(values: Values, found: Path | None, folder: Path) -> Path | None:
    """The projector to use: the one that was set, else the one that was found, None when it is turned off."""
    if values.get("mmproj_auto") is False:
        return None
    return folder / values["mmproj"] if values.get("mmproj") else found


def untaken(values: Values, kind: str) -> dict[str, str]:
    """Which of the values an engine of this kind does not take, and why, under the names of the wire."""
    given = (BY_NAME[name] for name, value in values.items() if value is not None)
    return {
        option.wire: "needs a llama-server of your own; the embedded engine does not take it"
        for option in given
        if kind in ("embedded", "llama_server") and kind not in option.engines
    }


def for_engine(values: Values) -> dict[str, Any]:
    """What of the values an engine is told at its start; the rest Corral minds itself, at any time."""
    return {name: value for name, value in values.items() if value is not None and BY_NAME[name].restart}


def needs_restart(changes: Mapping[str, object]) -> bool:
    """Whether a running engine has to be started anew for these values."""
    return any(BY_NAME[name].restart for name in changes)


def _told(values: Values) -> dict[str, Any]:
    """What was set, and the defaults that are always told; without what Corral itself does and what comes apart.

    In the catalogue's order, whatever the order of `values`: among placements of tensors the first that matches counts.
    """
    told = {option.name: option.default for option in OPTIONS if option.imposed}
    told.update({name: value for name, value in values.items() if value is not None})
    apart = ("ctx_size", "parallel", "embeddings", "mmproj", "mmproj_auto")
    return {name: told[name] for name in BY_NAME if name in told and BY_NAME[name].flag and name not in apart}


# The arguments of llama-server.


def server_arguments(values: Values, folder: Path) -> list[str]:
    """The arguments, each value on its own behind its flag, as llama-server reads them: what follows a flag is never
    taken for another, whatever it begins with. Raises InvalidRequest for what cannot be told that way.
    """
    told = _told(values)
    arguments: list[str] = []
    for name, value in told.items():
        made = _ARGUMENTS[name](told, folder) if name in _ARGUMENTS else _argument(BY_NAME[name], value, folder)
        arguments += made
    for argument in arguments:
        if "\0" in argument or len(argument.encode()) > LONGEST_ARGUMENT:
            raise InvalidRequest("An option is too long for the command line of a llama-server.")
    return arguments


def _argument(option: Option, value: Any, folder: Path) -> list[str]:
    flag = option.flag or ""
    if option.kind is Kind.BOOL:
        return [flag] if value else [option.off_flag] if option.off_flag else []
    if option.kind is Kind.JSON:
        return [flag, _json(value)]
    if option.kind is Kind.PATH:
        return [flag, _path(value, folder)]
    if isinstance(value, list):
        return [flag, _joined(option, [_path(one, folder) if option.kind is Kind.PATHS else one for one in value])]
    return [flag, str(value)]


def _joined(option: Option, values: list[Any]) -> str:
    texts = [str(value) for value in values]
    if any("," in text or '"' in text for text in texts):
        refuse({option.wire: "must have no comma and no quote for a llama-server"})
    return ",".join(texts)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _path(value: str, folder: Path) -> str:
    return str(folder / value)


def _lora_arguments(values: Values, folder: Path) -> list[str]:
    texts = []
    for path, scale in _adapters(values, folder):
        if ":" in path:
            refuse({"lora": "must have no colon in its path for a llama-server"})
        texts.append(f"{path}:{scale:g}")
    return ["--lora-scaled", _joined(BY_NAME["lora"], texts)] if texts else []


def _draft_arguments(values: Values, folder: Path) -> list[str]:
    """A draft model alone drafts nothing; how it is used has to be said."""
    kind = [] if values.get("spec_type") else ["--spec-type", "draft-simple"]
    return ["--spec-draft-model", _path(values["model_draft"], folder), *kind]


def _unless_automatic(name: str) -> Callable[[Values, Path], list[str]]:
    # Said aloud, -1 is the number of cores; unsaid, it falls back on the other threads.
    return lambda values, _: [BY_NAME[name].flag or "", str(values[name])] if values[name] > 0 else []


_ARGUMENTS: dict[str, Callable[[Values, Path], list[str]]] = {
    "samplers": lambda values, _: ["--samplers", ";".join(values["samplers"])],
    "logit_bias": lambda values, _: [
        part for token, bias in values["logit_bias"].items() for part in ("--logit-bias", f"{token}{bias:+}")
    ],
    "dry_sequence_breakers": lambda values, _: [
        part for one in values["dry_sequence_breakers"] for part in ("--dry-sequence-breaker", one)
    ],
    "control_vector_layers": lambda values, _: [
        "--control-vector-layer-range", *map(str, values["control_vector_layers"]),
    ],
    "cpu_range": lambda values, _: ["--cpu-range", "{}-{}".format(*values["cpu_range"])],
    "cpu_strict": lambda values, _: ["--cpu-strict", str(int(values["cpu_strict"]))],
    "prio": lambda values, _: ["--prio", str(_PRIORITIES[values["prio"]])],
    "model_draft": _draft_arguments,
    **{name: _unless_automatic(name) for name in ("threads", "threads_batch", "draft_threads")},
    "lora": _lora_arguments,
    "lora_scales": lambda values, _: [],
}  # fmt: skip


def _adapters(values: Values, folder: Path) -> list[tuple[str, float]]:
    paths, scales = values.get("lora") or [], values.get("lora_scales") or []
    if values.get("lora_init_without_apply"):
        # The engine's own switch does not keep them from the first request.
        scales = [0.0] * len(paths)
    return [(_path(path, folder), scales[at] if at < len(scales) else 1.0) for at, path in enumerate(paths)]


# The settings of the embedded engine.


def child_settings(values: Values, folder: Path) -> list[Setting]:
    """What is set on the embedded engine's parameters, in order. Raises InvalidRequest for options it does not take."""
    told = _told(values)
    refuse(untaken(told, "embedded"))
    settings: list[Setting] = _template_values(told, folder)
    for name, value in told.items():
        settings += _SETTINGS[name](told, folder) if name in _SETTINGS else [_setting(BY_NAME[name], value, folder)]
    chosen = [_USER_SAMPLING[name] for name in told if name in _USER_SAMPLING]
    if chosen:
        settings.append(("sampling.user_sampling_config", {"bits": ["common_params_sampling_config", chosen]}))
    return settings


def _setting(option: Option, value: Any, folder: Path) -> Setting:
    param = option.param or ""
    if option.name in _ENUMS:
        return param, _enum(option.name, value)
    if option.kind is Kind.PATH:
        return param, _path(value, folder)
    if param.startswith("!"):
        return param[1:], not value
    return param, value


def _enum(name: str, value: str) -> dict[str, list[str]]:
    enum, prefix = _ENUMS[name]
    return {"enum": [enum, prefix + _MEMBERS.get((name, value), value.upper().replace("-", "_").replace("+", "_"))]}


def _placements(values: Values, _: Path) -> list[Setting]:
    """Both options about the place of tensors end in one attribute."""
    placed: list[str] = list(values.get("override_tensor") or [])
    if any("," in one for one in placed):
        refuse({"overrideTensor": "must have no comma"})
    placed += [rf"blk\.{layer}\.{_EXPERTS}=CPU" for layer in range(values.get("n_cpu_moe") or 0)]
    return [("tensor_buft_overrides", ",".join(placed))] if placed else []


def _reasoning(values: Values, _: Path) -> list[Setting]:
    wanted = values["reasoning"]
    return [("enable_reasoning", {"auto": -1, "on": 1, "off": 0}[wanted])]


def _template_values(values: Values, _: Path) -> list[Setting]:
    """The template gets JSON texts; whether to think is one of its values too."""
    given: dict[str, Any] = {"preserve_reasoning": values.get("reasoning_preserve", True)}
    if values.get("reasoning_effort"):
        given["reasoning_effort"] = values["reasoning_effort"]
    given |= values.get("chat_template_kwargs") or {}
    if values.get("reasoning", "auto") != "auto":
        given["enable_thinking"] = values["reasoning"] == "on"
    return [("default_template_kwargs", {name: _json(value) for name, value in given.items()})]


_CPU = ("cpuparams", "cpuparams_batch", "speculative.draft.cpuparams", "speculative.draft.cpuparams_batch")
"""Threads that write answers, read prompts, and those of the draft model."""


def _cpu(name: str, value: Any) -> list[Setting]:
    return [(f"{place}.{name}", value) for place in _CPU]


def _threads(values: Values, _: Path) -> list[Setting]:
    """Threads for prompts and for drafting are as many as for answers, where nothing else is said."""
    writing = values.get("threads", -1)
    reading = values.get("threads_batch", writing)
    drafting = values.get("draft_threads", writing)
    numbers = (writing, writing if reading < 0 else reading, writing if drafting < 0 else drafting, reading)
    return [(f"{place}.n_threads", number) for place, number in zip(_CPU, numbers, strict=True)]


_SETTINGS: dict[str, Callable[[Values, Path], list[Setting]]] = {
    "seed": lambda values, _: [("sampling.seed", values["seed"] % 2**32)],
    "samplers": lambda values, _: [("sampling.samplers", ";".join(values["samplers"]))],
    "grammar": lambda values, _: [("sampling.grammar", {"grammar": values["grammar"]})],
    "json_schema": lambda values, _: [("sampling.grammar", {"schema": _json(values["json_schema"])})],
    "reasoning": _reasoning,
    "chat_template_kwargs": lambda values, _: [],
    "reasoning_effort": lambda values, _: [],
    "reasoning_preserve": lambda values, _: [("preserve_reasoning_specified", True)],
    "threads": _threads,
    "threads_batch": _threads,
    "draft_threads": _threads,
    "repeat_last_n": lambda values, _: [
        ("sampling.penalty_last_n", values["repeat_last_n"]), ("sampling.n_prev", max(values["repeat_last_n"], 64)),
    ],
    "reranking": lambda values, _: [
        ("embedding", True), ("pooling_type", {"enum": ["llama_pooling_type", "LLAMA_POOLING_TYPE_RANK"]}),
    ] if values["reranking"] else [],
    "fit": lambda values, _: [("fit_params", values["fit"] == "on")],
    "fit_target": lambda values, _: [("fit_params_target", {"all": values["fit_target"] * _MIB})],
    "moe_cache_mib": lambda values, _: [("moe_cache_size", values["moe_cache_mib"] * _MIB)],
    "tensor_split": lambda values, _: [("tensor_split", {"first": values["tensor_split"]})],
    "override_tensor": _placements,
    "n_cpu_moe": _placements,
    "timeout": lambda values, _: [("timeout_read", values["timeout"]), ("timeout_write", values["timeout"])],
    "cpu_range": lambda values, _: [*_cpu("cpumask", {"range": values["cpu_range"]}), *_cpu("mask_valid", True)],
    "cpu_strict": lambda values, _: _cpu("strict_cpu", values["cpu_strict"]),
    "prio": lambda values, _: _cpu("priority", _enum("prio", values["prio"])),
    "poll": lambda values, _: _cpu("poll", values["poll"]),
    "perf": lambda values, _: [("no_perf", not values["perf"]), ("sampling.no_perf", not values["perf"])],
    "lora": lambda values, folder: [("lora_adapters", {"lora": _adapters(values, folder)})],
    "lora_scales": lambda values, folder: [],
    "spec_type": lambda values, _: [
        ("speculative.types", {"enums": [_enum("spec_type", one)["enum"] for one in values["spec_type"]]})
    ],
    "draft_device": lambda values, _: [("speculative.draft.devices", ",".join(values["draft_device"]))],
    "draft_sampling": lambda values, _: [("speculative.draft.probabilistic", values["draft_sampling"] == "probabilistic")],
    "model_draft": lambda values, folder: [
        ("speculative.draft.mparams.path", _path(values["model_draft"], folder)),
        *([] if values.get("spec_type") else [("speculative.types", {"enums": [_enum("spec_type", "draft-simple")["enum"]]})]),
    ],
}  # fmt: skip
_CACHE = ("ggml_type", "GGML_TYPE_")
_PRIORITY = ("ggml_sched_priority", "GGML_SCHED_PRIO_")
_ENUMS: dict[str, tuple[str, str]] = {
    "flash_attn": ("llama_flash_attn_type", "LLAMA_FLASH_ATTN_TYPE_"),
    "pooling": ("llama_pooling_type", "LLAMA_POOLING_TYPE_"),
    "reasoning_format": ("common_reasoning_format", "COMMON_REASONING_FORMAT_"),
    "cache_type_k": _CACHE,
    "cache_type_v": _CACHE,
    "draft_cache_type_k": _CACHE,
    "draft_cache_type_v": _CACHE,
    "load_mode": ("llama_load_mode", "LLAMA_LOAD_MODE_"),
    "lazy_mode": ("llama_lazy_mode", "LLAMA_LAZY_MODE_"),
    "split_mode": ("llama_split_mode", "LLAMA_SPLIT_MODE_"),
    "rope_scaling": ("llama_rope_scaling_type", "LLAMA_ROPE_SCALING_TYPE_"),
    "numa": ("ggml_numa_strategy", "GGML_NUMA_STRATEGY_"),
    "prio": _PRIORITY,
    "spec_type": ("common_speculative_type", "COMMON_SPECULATIVE_TYPE_"),
}
_MEMBERS = {
    ("flash_attn", "on"): "ENABLED",
    ("flash_attn", "off"): "DISABLED",
    ("load_mode", "dio"): "DIRECT_IO",
}
"""Members whose names do not follow from the choice."""
_USER = "COMMON_PARAMS_SAMPLING_CONFIG_"
_USER_SAMPLING = {
    "samplers": f"{_USER}SAMPLERS",
    "top_k": f"{_USER}TOP_K",
    "top_p": f"{_USER}TOP_P",
    "min_p": f"{_USER}MIN_P",
    "xtc_probability": f"{_USER}XTC_PROBABILITY",
    "xtc_threshold": f"{_USER}XTC_THRESHOLD",
    "temperature": f"{_USER}TEMP",
    "repeat_last_n": f"{_USER}PENALTY_LAST_N",
    "repeat_penalty": f"{_USER}PENALTY_REPEAT",
    "mirostat": f"{_USER}MIROSTAT",
    "mirostat_ent": f"{_USER}MIROSTAT_TAU",
    "mirostat_lr": f"{_USER}MIROSTAT_ETA",
}
"""What is marked as a person's choice, since a file's own recommendation would win otherwise."""
