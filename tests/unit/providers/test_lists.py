"""Lists of models, from providers that may say anything."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.kit.errors import UpstreamFailed
from corral.providers.building import build_provider
from corral.providers.remote import MAX_NAME, RemoteProvider
from corral.providers.types import Kind, ProviderSpec

KINDS: tuple[Kind, ...] = ("openai", "compatible", "anthropic", "gemini", "ollama")
NAMES = [
    "id", "name", "data", "models", "display_name", "displayName", "created", "created_at", "modified_at", "details", "pricing",
    "prompt", "completion", "input", "output", "top_provider", "max_completion_tokens", "architecture", "input_modalities",
    "supported_parameters", "capabilities", "function_calling", "vision", "context_length", "max_model_len", "inputTokenLimit",
    "thinking", "supportedGenerationMethods", "has_more", "last_id", "nextPageToken",
]  # fmt: skip
plain = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(
        ["2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0.5", "-1", "1e400", "generateContent", "vision"]
    )
)
anything = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=20,
)
row = st.fixed_dictionaries({"id": plain, "name": plain}, optional=dict.fromkeys(NAMES[4:], anything))
page = st.fixed_dictionaries(
    {"data": st.lists(row, max_size=4), "models": st.lists(row, max_size=4)},
    optional={"has_more": plain, "last_id": plain, "nextPageToken": plain},
)


def provider(kind: Kind) -> RemoteProvider:
    return cast("RemoteProvider", build_provider(ProviderSpec("up", kind, "http://127.0.0.1:9")))


@pytest.mark.parametrize("kind", KINDS)
@given(told=anything | page)
def test_whatever_a_list_says_it_is_read_or_refused(kind: Kind, told: Any) -> None:
    try:
        models, following = provider(kind).page(json.dumps(told).encode())
    except UpstreamFailed:
        return
    assert following is None or (following.isascii() and following.startswith("/") and " " not in following)
    for model in models:
        assert isinstance(model.name, str) and 0 < len(model.name) <= MAX_NAME
        assert model.title is None or isinstance(model.title, str)
        for count in (model.context_length, model.max_output, model.created):
            assert count is None or (type(count) is int and count >= 0)
        assert all(ability is None or isinstance(ability, bool) for ability in model.abilities)
        if model.prices is not None:
            assert all(price is None or price >= 0 for price in (model.prices.input, model.prices.output))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", [b"", b"[", b"\xff", b"[" * 100_000, b"null", b"7"])
def test_what_is_no_list_is_refused(kind: Kind, body: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        provider(kind).page(body)
