"""What the files of the dialects' contract suite share: every dialect, how often each is tried, and bytes that are spoilt."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from corral.dialects.form import Answer, ChatRequest, text_message
from corral.dialects.ports import About, Dialect
from corral.dialects.registry import DIALECTS
from tests.support.dialects import Tongue
from tests.support.openai_dialects import OPENAI
from tests.support.scale import scaled
from tests.support.vendor_dialects import VENDORS

TONGUES = {**OPENAI, **VENDORS}

EXAMPLES = scaled(60, 1500)
PLAIN = ChatRequest(model="model", messages=(text_message("user", "Hello"),), stream=True, include_usage=True)

many = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
every = pytest.mark.parametrize("tongue", TONGUES.values(), ids=list(TONGUES))


def dialect_of(tongue: Tongue) -> Dialect:
    return DIALECTS[tongue.name]


def about(answer: Answer) -> About:
    return About(answer.id, answer.model, answer.created, PLAIN)


def compared(answer: Answer, tongue: Tongue) -> dict[str, Any]:
    """What of an answer the dialect carries."""
    facts = {name: getattr(answer, name) for name in tongue.told}
    return {"choices": answer.choices, "usage": answer.usage, **facts}


def spoil(data: st.DataObject, told: bytes) -> bytes:
    """`told` with a byte changed, a stretch left out or doubled, or something put in."""
    place = data.draw(st.integers(0, len(told)))
    stretch = data.draw(st.integers(0, 12))
    kind = data.draw(st.sampled_from(["change", "cut", "double", "insert"]))
    if kind == "cut":
        return told[:place] + told[place + stretch :]
    if kind == "double":
        return told[: place + stretch] + told[place:]
    inserted = data.draw(
        st.binary(min_size=1, max_size=4)
        | st.sampled_from([b"\n\n", b"null", b"{", b'"', b"-1", b"1e999", b"\xef\xbb\xbf"])
    )
    return told[:place] + inserted + told[place + (1 if kind == "change" else 0) :]
