"""What an engine says that it has loaded: read from any program's answer, and nothing believed that cannot be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.engines.told import Told, read

LLAMA = {
    "id": "big.gguf",
    "meta": {"n_params": 7_000_000_000, "size": 4_000_000_000, "n_ctx_train": 32768, "n_vocab": 3},
}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"object": "list", "data": [LLAMA]}, Told(("big.gguf",), 7_000_000_000, 4_000_000_000, 32768)),
        ({"data": [{"id": "org/model", "max_model_len": 8192}, {"id": "adapter"}]}, Told(("org/model", "adapter"), None, None, 8192)),
        ({"data": [{"id": "x", "meta": {"n_params": -1, "size": True, "n_ctx_train": "9"}}]}, Told(("x",))),
        ({"data": [{"id": 3}, {"id": ""}, {"id": "a\u001b[2J"}, "text", None]}, None),
        ({"data": []}, None), ({"data": {}}, None), ({}, None), ([], None), (None, None),
    ],
)  # fmt: skip
def test_an_answer_is_read(answer: Any, told: Told | None) -> None:
    assert read(json.dumps(answer).encode()) == told


def test_an_endless_list_is_cut() -> None:
    told = read(json.dumps({"data": [{"id": f"m{number}"} for number in range(5000)]}).encode())
    assert told is not None
    assert len(told.names) == 100


@given(st.binary(max_size=200))
def test_no_bytes_are_too_strange(body: bytes) -> None:
    read(body)
    read(b"[" * 100_000 + body)
