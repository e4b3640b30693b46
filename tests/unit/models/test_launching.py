"""What engines are told, held against llama.cpp's own parser of llama-server's arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corral.kit.errors import InvalidRequest
from corral.models.options import OPTIONS, Kind, Option, check, check_together
from corral.models.options.launching import (
    child_settings,
    embeds,
    needs_restart,
    projector,
    server_arguments,
    shape,
    untaken,
)
from tests.support.engine_parameters import Parameters
from tests.support.option_samples import WITH, samples

FOLDER = Path("/models of mine")
TOLD = [option for option in OPTIONS if option.flag]
BASE = ["--model", "/models of mine/m.gguf", "--alias", "m", "--ctx-size", "1024", "--parallel", "2"]
CONFIG = {
    "model": "m", "path": "/models of mine/m.gguf", "socket": "/run/e.sock", "key": "k", "context": 512, "slots": 2,
    "embeddings": False, "mmproj": None,
}  # fmt: skip
OURS = {"cors_origins", "endpoint_metrics", "offline", "ui"}
"""What only the embedded engine is told this way; a llama-server gets flags for it."""
FOUND_LATER = {
    "cpuparams.n_threads", "cpuparams_batch.n_threads", "speculative.draft.cpuparams.n_threads",
    "speculative.draft.cpuparams_batch.n_threads",
}  # fmt: skip
"""-1 means as many as there are cores, which the parser looks up and the embedded engine later."""
ALSO: dict[str, Callable[[Any], Any]] = {
    # A schema becomes the same grammar under another mark.
    "sampling.grammar": lambda value: value[1],
    # The parser keeps the default beside what was asked for, and notes the path of a draft model twice.
    "speculative.types": lambda value: [one for one in value if one],
    "speculative.draft.mparams.hf_file": lambda value: "",
}  # fmt: skip


@pytest.fixture(scope="module")
def parameters() -> Iterator[Parameters]:
    made = Parameters()
    yield made
    made.close()


def by_arguments(parameters: Parameters, values: dict[str, Any]) -> dict[str, Any]:
    """What llama-server makes of the values."""
    eyes = projector(values, None, FOLDER)
    more = ["--embeddings"] if embeds(values, False) else []
    more += ["--mmproj", str(eyes)] if eyes else []
    arguments = [*BASE, *server_arguments(values, FOLDER), *more]
    found = parameters.of_arguments(arguments)
    assert found is not None, arguments
    return normal(found)


def by_settings(parameters: Parameters, values: dict[str, Any]) -> dict[str, Any]:
    """What the embedded engine makes of the values."""
    eyes = projector(values, None, FOLDER)
    told = {
        "settings": child_settings(values, FOLDER),
        "embeddings": embeds(values, False),
        "mmproj": eyes and str(eyes),
    }
    found = parameters.of_config({**CONFIG, **told})
    assert found is not None, told
    return normal(found)


def normal(found: dict[str, Any]) -> dict[str, Any]:
    """Without what is known to be told in two ways."""
    return {
        name: ALSO[name](value) if name in ALSO else value
        for name, value in found.items()
        if name not in OURS and name not in FOUND_LATER
    }


def test_without_options_both_kinds_of_engine_are_told_the_same(parameters: Parameters) -> None:
    first, second = by_arguments(parameters, {}), by_settings(parameters, {})
    assert first == second
    assert (first["n_ctx"], first["n_batch"], first["cache_ram_mib"]) == (1024, 512, 0)


@pytest.mark.parametrize("option", TOLD, ids=lambda option: option.name)
def test_an_option_means_to_the_embedded_engine_what_it_means_to_llama_server(
    option: Option, parameters: Parameters
) -> None:
    apart = option.name in ("ctx_size", "parallel")
    nothing = by_arguments(parameters, {})
    seen = set()
    for value in samples(option):
        values = check({**WITH.get(option.name, {}), option.name: value})
        check_together({name: one for name, one in values.items() if name != "json_schema"})
        told = by_arguments(parameters, values)
        if "embedded" in option.engines:
            assert by_settings(parameters, values) == told, value
        else:
            assert untaken(values, "embedded").keys() == {option.wire}
            with pytest.raises(InvalidRequest, match=option.wire):
                child_settings(values, FOLDER)
        seen.add(str(told))
    hidden = {
        "device",
        "draft_device",
        "override_kv",
        "dry_sequence_breakers",
        "top_n_sigma",
        "control_vectors",
        "mmproj_auto",
    } | {one.name for one in OPTIONS if one.param and set(one.param.split(".")) & {"n_threads"}}
    if not apart and option.name not in hidden:
        assert any(one != str(nothing) for one in seen), "nothing was told"


def test_threads_fall_back_as_they_do_in_llama_server(parameters: Parameters) -> None:
    for values in (
        {"threads": 3}, {"threads": 3, "threads_batch": 2}, {"threads": 3, "draft_threads": 1},
        {"threads": 3, "threads_batch": -1, "draft_threads": -1},
    ):  # fmt: skip
        told = parameters.of_arguments([*BASE, *server_arguments(values, FOLDER)])
        set_ = parameters.of_config({**CONFIG, "settings": child_settings(values, FOLDER)})
        assert told is not None
        assert set_ is not None
        for name in FOUND_LATER - {"speculative.draft.cpuparams_batch.n_threads"}:
            assert told[name] == set_[name], (name, values)


@pytest.mark.parametrize("text", ["--host", "-m", "--tools all", "-", "a b", "ü", "'; rm -rf", "=x"])
def test_a_text_is_never_taken_for_a_flag(text: str, parameters: Parameters) -> None:
    values = check({
        "reasoning_budget_message": text, "chat_template": text, "model_draft": text, "mmproj_device": "none",
        "dry_sequence_breakers": [text], "chat_template_kwargs": {"x": text},
    })  # fmt: skip
    told = by_arguments(parameters, values)
    assert told["sampling.reasoning_budget_message"] == text
    assert told["chat_template"] == text
    assert told["speculative.draft.mparams.path"] == str(FOLDER / text)
    assert told["server_tools"] == []
    assert (
        by_settings(parameters, {name: value for name, value in values.items() if name != "dry_sequence_breakers"})
        == told
    )


TEXTS = [option for option in OPTIONS if option.kind in (Kind.TEXT, Kind.PATH) and option.flag]


@given(
    st.dictionaries(
        st.sampled_from([option.name for option in TEXTS if option.name not in ("grammar", "mmproj", "mmproj_device")]),
        st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1, max_size=40),
        max_size=4,
    )
)  # fmt: skip
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_any_texts_reach_both_engines_alike(parameters: Parameters, values: dict[str, Any]) -> None:
    checked = check({"jinja": True, **values})
    assert by_arguments(parameters, checked) == by_settings(parameters, checked)


def test_nothing_overrides_what_is_not_for_anyone_to_choose(parameters: Parameters) -> None:
    hostile = [
        ["hostnames", ["0.0.0.0"]], ["port", 80], ["api_keys", []], ["cors_origins", "*"], ["ui", True],
        ["server_tools", ["all"]], ["endpoint_props", True], ["media_path", "/"], ["slot_save_path", "/tmp/"],
        ["public_path", "/"], ["offline", False], ["mcp_servers_json", "{}"], ["model.path", "/other"], ["prefill_assistant", False],
    ]  # fmt: skip
    plain = parameters.of_config({**CONFIG, "settings": []})
    assert plain == parameters.of_config({**CONFIG, "settings": hostile})


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"lora": ["a:b.gguf"]}, "lora: must have no colon"),
        ({"lora": ["a,b.gguf"]}, "lora: must have no comma"),
        ({"override_tensor": ["a,b=CPU"]}, "overrideTensor: must have no comma"),
        ({"chat_template": "x" * 100_000}, "too long"),
    ],
)
def test_what_a_command_line_cannot_tell_is_refused(values: dict[str, Any], reason: str) -> None:
    whole = {**check(values), "reasoning_budget_message": "é" * 2000}
    if reason == "too long":
        whole["chat_template"] = "é" * 100_000
    with pytest.raises(InvalidRequest, match=reason):
        server_arguments(whole, FOLDER)


@pytest.mark.parametrize(
    ("values", "trained", "expected"),
    [
        ({}, None, (4096, 4)),
        ({}, 2048, (2048, 4)),
        ({}, 100_000, (4096, 4)),
        ({"ctx_size": 8192, "parallel": 1}, 2048, (8192, 1)),
        ({"ctx_size": None, "parallel": None}, 2048, (2048, 4)),
    ],
)
def test_context_and_slots(values: dict[str, Any], trained: int | None, expected: tuple[int, int]) -> None:
    assert shape(values, context=4096, slots=4, trained=trained) == expected


def test_what_the_file_says_gives_way_to_what_was_set() -> None:
    found = Path("/models of mine/found.gguf")
    assert projector({}, found, FOLDER) == found
    assert projector({"mmproj": "other.gguf"}, found, FOLDER) == FOLDER / "other.gguf"
    assert projector({"mmproj": "/elsewhere/other.gguf"}, found, FOLDER) == Path("/elsewhere/other.gguf")
    assert projector({"mmproj": "other.gguf", "mmproj_auto": False}, found, FOLDER) is None
    assert (embeds({}, True), embeds({}, False), embeds({"embeddings": False}, True)) == (True, False, False)
    assert embeds({"reranking": True}, False)


def test_only_what_corral_does_itself_needs_no_new_start() -> None:
    assert not needs_restart({"pinned": True, "idle_stop": 5, "replicas": 2, "swap_group": "a"})
    assert needs_restart({"pinned": True, "temperature": 0.5})


def together() -> st.SearchStrategy[dict[str, Any]]:
    """Several options at once, each with one of its samples."""
    pairs = [(option.name, value) for option in TOLD if "embedded" in option.engines for value in samples(option)]
    return st.lists(st.sampled_from(pairs), max_size=12, unique_by=lambda pair: pair[0]).map(dict)


def sensible(values: dict[str, Any]) -> bool:
    """Whether the values go together, and are of those that both kinds take alike."""
    own_threads = {"threads_batch", "draft_threads"} & set(values)
    cores = {"cpu_range", "cpu_strict", "prio", "poll"} & set(values)
    try:
        check_together(values)
    except InvalidRequest:
        return False
    # Threads of their own get no cores and no priority from llama-server; ours do.
    return not (own_threads and cores)


@given(together().filter(sensible))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
def test_options_mean_the_same_together(parameters: Parameters, values: dict[str, Any]) -> None:
    assert by_arguments(parameters, values) == by_settings(parameters, values)
