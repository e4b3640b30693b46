"""What is written down about providers: prices, abilities, the ways of vendors."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.kit.errors import InvalidRequest, ProviderRefused
from corral.providers.anthropic import AnthropicProvider
from corral.providers.building import build_provider
from corral.providers.compatible import CompatibleProvider
from corral.providers.gemini import GeminiProvider
from corral.providers.ollama import OllamaProvider
from corral.providers.openai import OpenAIProvider
from corral.providers.own import OwnEngines, Places
from corral.providers.transport import check_headers
from corral.providers.types import Abilities, Call, Kind, Prices, Provider, ProviderKey, ProviderModel, ProviderSpec
from corral.providers.vendors import VENDORS

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
ENDING = {"model": "m", "messages": [*CHAT["messages"], {"role": "assistant", "content": "Once"}]}


def sent(vendor: str | None, body: dict[str, Any]) -> tuple[bytes, bytes]:
    """A body, and what becomes of it."""
    spec = ProviderSpec("up", "compatible", "http://127.0.0.1:9/v1", vendor=vendor)
    provider = cast("CompatibleProvider", build_provider(spec))
    raw = json.dumps(body).encode()
    return raw, provider._body(Call("chat", "openai_chat", "m", raw))


@pytest.mark.parametrize("vendor", [None, *VENDORS])
def test_what_no_vendor_minds_passes_untouched(vendor: str | None) -> None:
    before, after = sent(vendor, CHAT)
    assert after is before or after == before


def test_mistral_gets_its_own_names_and_nothing_that_it_refuses() -> None:
    body = {**CHAT, "seed": 3, "stream_options": {"include_usage": True}, "user": "u", "max_completion_tokens": 5}
    assert json.loads(sent("mistral", body)[1]) == {**CHAT, "random_seed": 3, "max_tokens": 5}


def test_a_name_that_is_there_already_is_not_replaced() -> None:
    assert json.loads(sent("mistral", {**CHAT, "max_tokens": 4, "max_completion_tokens": 5})[1])["max_tokens"] == 4


def test_a_beginning_is_marked_as_the_vendor_wants_it() -> None:
    assert json.loads(sent("mistral", ENDING)[1])["messages"][-1] == {**ENDING["messages"][-1], "prefix": True}  # type: ignore[dict-item]
    told = json.loads(sent("vllm", ENDING)[1])
    assert (told["continue_final_message"], told["add_generation_prompt"]) == (True, False)
    assert told["messages"] == ENDING["messages"]
    calls = {**CHAT, "messages": [*CHAT["messages"], {"role": "assistant", "tool_calls": [{"id": "a"}]}]}
    assert json.loads(sent("vllm", calls)[1]) == calls


def test_messages_that_cannot_be_read_are_left_to_the_vendor() -> None:
    for messages in ([], "text", [7], {"a": 1}):
        body = {"model": "m", "messages": messages}
        assert json.loads(sent("mistral", body)[1]) == body


@pytest.mark.parametrize(
    ("spec", "param"),
    [
        (ProviderSpec("up", "compatible"), "base_url"),
        (ProviderSpec("up", "compatible", "http://127.0.0.1", vendor="nobody"), "vendor"),
        (ProviderSpec("up", "local"), "kind"),
        (ProviderSpec("up", cast("Kind", "other")), "kind"),
        (ProviderSpec("up", "openai", "http://169.254.169.254"), "base_url"),
    ],
)
def test_a_provider_that_cannot_be_built_says_why(spec: ProviderSpec, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        build_provider(spec)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("model", "goes_on", "structures"),
    [
        ("claude-3-5-haiku-latest", True, False),
        ("claude-3-opus-20240229", True, False),
        ("claude-opus-4-20250514", True, False),
        ("claude-opus-4-1-20250805", True, True),
        ("claude-sonnet-4-20250514", True, False),
        ("claude-sonnet-4-5", True, True),
        ("claude-haiku-4-5-20251001", True, True),
        ("claude-opus-4-6", False, True),
        ("claude-sonnet-5", False, True),
        ("something-else", None, None),
    ],
)
def test_which_models_of_anthropic_go_on_with_an_answer_and_keep_to_schemas(
    model: str, goes_on: bool | None, structures: bool | None
) -> None:
    provider = build_provider(ProviderSpec("up", "anthropic", "http://127.0.0.1:9"))
    assert provider.abilities(model).prefill is goes_on
    assert provider.abilities(model).json_schema is structures


def test_what_was_written_down_counts_before_what_is_usual() -> None:
    known = {"m": ProviderModel("m", abilities=Abilities(images=False), prices=Prices(1.0, 2.0))}
    spec = ProviderSpec(
        "up", "openai", "http://127.0.0.1:9", models=known, abilities=Abilities(tools=False), prices=Prices(9.0, 9.0)
    )
    provider = build_provider(spec)
    assert provider.abilities("m") == Abilities(prefill=False, tools=False, images=False, json_schema=True)
    assert provider.abilities("other").images is True
    assert provider.prices("m") == Prices(1.0, 2.0)
    assert provider.prices("other") == Prices(9.0, 9.0)


def test_prices() -> None:
    price = Prices(3.0, 15.0, 0.3, 3.75)
    assert price.cost(1_000_000, 0) == pytest.approx(3.0)
    assert price.cost(1_000_000, 1_000_000, 500_000, 100_000) == pytest.approx(0.4 * 3 + 0.15 + 0.375 + 15)
    assert Prices(2.0, 4.0).cost(1_000_000, 0, 1_000_000, 0) == pytest.approx(2.0)
    assert Prices(None, 4.0).cost(1, 0) is None
    assert Prices(2.0, None).cost(1, 1) is None
    assert Prices(2.0, None).cost(1_000_000, 0) == pytest.approx(2.0)
    assert Prices().cost(0, 0) == 0


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7))
def test_a_cost_is_never_negative(prompt: int, completion: int, cached: int, written: int) -> None:
    cost = Prices(3.0, 15.0, 0.3, 3.75).cost(prompt, completion, cached, written)
    assert cost is not None and cost >= 0


def test_a_key_is_never_shown() -> None:
    spec = ProviderSpec("up", "openai", "http://127.0.0.1:9", (ProviderKey("first", "sk-secret"),))
    assert "sk-secret" not in repr(spec) and "first" in repr(spec)


@pytest.mark.parametrize("value", ["sk-a\nb", "sk-ä", "sk-\x00"])
async def test_a_key_that_no_header_can_hold_is_refused_before_anything_is_sent(value: str) -> None:
    provider: Provider = build_provider(
        ProviderSpec("up", "openai", "http://127.0.0.1:9", (ProviderKey("old", value),))
    )
    with pytest.raises(ProviderRefused, match="'old'") as caught:
        await provider.open(Call("chat", "openai_chat", "m", b"{}"))
    assert value not in caught.value.message
    assert (await provider.check()).code == "provider_refused"


def test_every_module_is_a_provider_to_the_type_checker() -> None:
    spec = ProviderSpec("up", "ollama", "http://127.0.0.1:9")
    made: list[Provider] = [kind(spec) for kind in (OpenAIProvider, AnthropicProvider, GeminiProvider, OllamaProvider)]
    made += [CompatibleProvider(spec), OwnEngines(cast("Places", None), list)]
    assert all(one.dialects["chat"] for one in made)


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "\0", "ä", "a\tb"])
def test_a_header_cannot_break_a_request(value: str) -> None:
    with pytest.raises(InvalidRequest):
        check_headers({"authorization": value})
