"""When a running engine is as good as one that would be started now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from corral.engines import EngineSpec, Stay


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ({}, {"pinned": True, "replicas": 2, "idle_stop": 5, "swap_group": "large"}, True),
        ({"temperature": 0.5}, {"temperature": 0.5, "pinned": False}, True),
        ({"temperature": 0.5}, {"temperature": None}, False),
        ({}, {"temperature": None}, True),
        ({"lora": ["a.gguf"]}, {"lora": ["b.gguf"]}, False),
    ],
)
def test_only_what_an_engine_is_told_makes_a_difference(
    before: dict[str, Any], after: dict[str, Any], same: bool
) -> None:
    old = EngineSpec("m", Path("m.gguf"), options=before, stay=Stay(pinned=True), memory_bytes=5)
    new = EngineSpec("m", Path("m.gguf"), options=after)
    assert old.runs_like(new) is new.runs_like(old) is same
    assert not old.runs_like(EngineSpec("m", Path("m.gguf"), context_length=128, options=before))
