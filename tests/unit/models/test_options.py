"""The catalogue, and values held against it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
import xllamacpp
from hypothesis import given
from hypothesis import strategies as st

from corral.kit.errors import InvalidRequest
from corral.models.options import (
    BY_NAME,
    BY_WIRE,
    FIXED,
    MODEL_OPTIONS,
    OPTIONS,
    SERVER_OPTIONS,
    Kind,
    Option,
    as_wire,
    catalogue_as_dict,
    check,
    check_together,
    diff,
    group,
    merge,
    parse,
)  # fmt: skip
from tests.support.option_samples import WITH, samples

LEAST = {"core": 14, "sampling": 36, "memory": 8, "gpu": 10, "advanced": 22, "lora": 21, "multimodal": 7}
"""How many there are at least; beside the core options stand the facts of the file."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def refused(values: dict[str, Any], **options: Any) -> dict[str, str]:
    """The reasons by field."""
    with pytest.raises(InvalidRequest) as caught:
        check(values, **options)
    assert caught.value.details is not None
    assert caught.value.param in caught.value.details["fields"]
    fields: dict[str, str] = caught.value.details["fields"]
    return fields


def test_there_is_one_option_for_each_that_a_model_and_a_server_have() -> None:
    found = Counter(option.group.value for option in OPTIONS)
    assert all(found[name] >= number for name, number in LEAST.items()), found
    assert len(SERVER_OPTIONS) >= 38
    assert len(BY_NAME) == len(BY_WIRE) == len(OPTIONS)
    assert {option.name for option in MODEL_OPTIONS} | {option.name for option in SERVER_OPTIONS} == set(BY_NAME)
    assert group("gpu") == tuple(option for option in OPTIONS if option.group.value == "gpu")
    assert not set(BY_NAME) & set(FIXED)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_an_option_is_described_and_takes_what_it_says(option: Option) -> None:
    assert option.help.endswith(".")
    assert len(option.label) <= 30
    assert option.name.isidentifier()
    assert (option.kind is Kind.CHOICE) <= bool(option.choices)
    assert option.flag is None or option.flag.startswith("--")
    for value in [option.default, *samples(option)]:
        for name in (option.name, option.wire):
            assert check({name: value}) == {option.name: value}
    json.dumps(as_wire({option.name: option.default}))


@pytest.mark.parametrize(
    "option", [one for one in OPTIONS if one.param and one.default is not None], ids=lambda one: one.name
)
def test_a_default_is_the_engines_own_or_told_to_it(option: Option) -> None:
    assert option.param is not None
    found: Any = xllamacpp.CommonParams()
    for part in option.param.lstrip("!").split("."):
        found = getattr(found, part)
    found = not found if option.param.startswith("!") else found
    match option.kind:
        case Kind.CHOICE if hasattr(found, "name"):
            same = found.name.lower().endswith(option.default.replace("-", "_"))
        case Kind.CHOICE:
            same = found == {"auto": -1, "on": True, "greedy": False}[option.default]
        case Kind.FLOAT:
            same = found == pytest.approx(option.default)
        case _ if option.name in ("seed", "fit_target", "n_cpu_moe", "reasoning_preserve"):
            same = found in (2**32 - 1, "", {}) or set(found) == {option.default * 1024 * 1024}
        case _:
            same = found == option.default
    assert same is not option.imposed, found


@pytest.mark.parametrize(
    ("values", "reasons"),
    [
        ({"ctxSize": "4096"}, {"ctxSize": "takes a whole number"}),
        ({"ctxSize": 4096.5}, {"ctxSize": "takes a whole number"}),
        ({"ctxSize": True}, {"ctxSize": "takes a whole number"}),
        ({"ctxSize": 1}, {"ctxSize": "takes 128 to 16777216 tokens per slot"}),
        ({"threads": 0}, {"threads": "takes -1, or 1 to 512"}),
        ({"topP": 1.5, "min_p": float("nan")}, {"topP": "takes 0 to 1", "min_p": "takes a number"}),
        ({"topP": 10**400}, {"topP": "takes a smaller number"}),
        ({"pinned": 1}, {"pinned": "takes true or false"}),
        ({"flashAttn": "maybe"}, {"flashAttn": "takes one of auto, on, off"}),
        ({"samplers": ["top_k", "luck"]}, {"samplers": "takes one of"}),
        ({"samplers": "top_k"}, {"samplers": "takes a list"}),
        ({"cpuRange": [1]}, {"cpuRange": "takes a list of 2 values"}),
        ({"lora": ["a\0b"]}, {"lora": "takes no control characters"}),
        ({"modelDraft": "a\nb"}, {"modelDraft": "takes no control characters"}),
        ({"modelDraft": ""}, {"modelDraft": "takes 1 to 4096 characters"}),
        ({"logitBias": {"-1": 1}}, {"logitBias": "'-1' is no token number"}),
        ({"logitBias": {"1": 1000}}, {"logitBias": "the bias of token 1 must be a number from -100 to 100"}),
        ({"jsonSchema": [1]}, {"jsonSchema": "takes a JSON object"}),
        ({"jsonSchema": {"a": "b" * 200_000}}, {"jsonSchema": "takes at most 100000 bytes of JSON"}),
        ({"temp": 1}, {"temp": "is no option; did you mean temperature?"}),
        ({"nGpuLayres": 1}, {"nGpuLayres": "is no option"}),
        ({"ctx_sizes": 1}, {"ctx_sizes": "did you mean ctxSize?"}),
        ({"apiKey": "x"}, {"apiKey": "is not yours to choose: each start gets a new key"}),
        ({"cors-origins": "*"}, {"cors-origins": "is not yours to choose: no browser talks to an engine"}),
        ({"topK": 1, "top_k": 2}, {"top_k": "was given twice"}),
        ({"temperature": 1, "topK": -5, "nothing": 1}, {"topK": "takes 0 to 1000000 tokens", "nothing": "is no option"}),
    ],
)  # fmt: skip
def test_each_bad_value_has_its_reason(values: dict[str, Any], reasons: dict[str, str]) -> None:
    found = refused(values)
    assert found.keys() == reasons.keys()
    assert all(reason in found[name] for name, reason in reasons.items()), found


def test_what_is_nested_too_deep_is_refused_and_not_followed() -> None:
    deep: dict[str, Any] = {}
    for _ in range(50_000):
        deep = {"a": deep}
    assert refused({"jsonSchema": deep}) == {"jsonSchema": "is nested deeper than 32 levels"}


def test_an_option_is_refused_where_it_cannot_be_set() -> None:
    assert refused({"verbosity": 4}, scope="model") == {"verbosity": "is set for all models at once"}
    assert refused({"lora": ["a"]}, scope="server") == {"lora": "is set for each model"}
    assert check({"ctx_size": 512}, scope="model") == check({"ctx_size": 512}, scope="server")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"grammar": "root ::= 1", "json_schema": {}}, "jsonSchema"),
        ({"lora_scales": [1.0]}, "loraScales"),
        ({"image_min_tokens": 20, "image_max_tokens": 10}, "imageMaxTokens"),
        ({"cpu_range": [2, 1]}, "cpuRange"),
        ({"flash_attn": "off", "cache_type_v": "q8_0"}, "cacheTypeV"),
        ({"reranking": True, "pooling": "mean"}, "pooling"),
        ({"reranking": True, "embeddings": False}, "reranking"),
        ({"spec_type": ["draft-simple"]}, "specType"),
        ({"draft_min": 5}, "draftMin"),
    ],
)
def test_values_that_do_not_go_together_are_refused(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_together(check(values))
    assert caught.value.details is not None
    assert list(caught.value.details["fields"]) == [field]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_a_value_alone_goes_with_the_defaults(option: Option) -> None:
    for value in samples(option):
        if option.name != "json_schema" and not (option.name == "spec_type" and "draft" in str(value)):
            check_together({**WITH.get(option.name, {}), option.name: value})


def test_values_are_read_from_text() -> None:
    texts = {
        "ctxSize": "4096", "top_p": "0.5", "pinned": "yes", "flash_attn": "on", "lora": "a.gguf, b.gguf",
        "tensorSplit": "3,1", "cpu_range": "[0, 3]", "logitBias": '{"05": 1}', "grammar": "root ::= 1", "seed": "",
        "pooling": "none", "numa": "default",
    }  # fmt: skip
    assert parse(texts) == {
        "ctx_size": 4096, "top_p": 0.5, "pinned": True, "flash_attn": "on", "lora": ["a.gguf", "b.gguf"],
        "tensor_split": [3.0, 1.0], "cpu_range": [0, 3], "logit_bias": {"5": 1}, "grammar": "root ::= 1", "seed": None,
        "pooling": "none", "numa": None,
    }  # fmt: skip
    for wrong in ({"ctxSize": "much"}, {"top_p": "-"}, {"pinned": "perhaps"}, {"logitBias": "{"}, {"cpu_range": "a,b"}):
        with pytest.raises(InvalidRequest):
            parse(wrong)


def test_layers_lie_over_each_other() -> None:
    assert merge({"a": 1, "b": 2}, {"a": None, "b": 3}, {"c": False}) == {"a": 1, "b": 3, "c": False}
    assert diff({"a": 1, "b": True, "c": [1]}, {"b": 1, "c": [1], "d": None, "e": 0}) == {
        "a": (1, None), "b": (True, 1), "e": (None, 0),
    }  # fmt: skip


def test_the_web_form_says_all_that_a_form_needs() -> None:
    whole = json.loads(json.dumps(catalogue_as_dict(), allow_nan=False))
    assert [one["name"] for one in whole["groups"]] == ["core", "sampling", "memory", "gpu", "advanced", "lora", "multimodal", "server"]  # fmt: skip
    by_key = {one["key"]: one for one in whole["options"]}
    context = by_key["ctxSize"]
    assert (context["unit"], context["minimum"], context["scopes"]) == ("tokens per slot", 128, ["model", "server"])
    assert by_key["overrideKv"]["engines"] == ["llama_server"]
    assert by_key["samplers"]["count"] == [1, 11]
    assert by_key["topK"]["count"] is None


@given(st.dictionaries(st.sampled_from([*BY_NAME, *BY_WIRE, "port", "nothing"]), JSON, max_size=6))
def test_anything_is_checked_or_refused_by_field(values: dict[str, Any]) -> None:
    try:
        checked = check(values)
    except InvalidRequest as error:
        assert error.details is not None
        assert set(error.details["fields"]) <= set(values)
    else:
        assert check(checked) == checked
        assert check(as_wire(checked)) == checked
        json.dumps(checked, allow_nan=False)


@given(st.sampled_from(OPTIONS), st.text(max_size=30))
def test_any_text_is_read_or_refused(option: Option, text: str) -> None:
    try:
        parse({option.name: text})
    except InvalidRequest as error:
        assert error.param == option.name
