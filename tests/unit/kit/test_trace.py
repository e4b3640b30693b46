"""The headers of W3C's trace context: https://www.w3.org/TR/trace-context/"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.kit.trace import Trace, new_span_id, new_trace_id, read_trace

ID, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    "told",
    [
        f"00-{ID}-{SPAN}-01",
        f"  00-{ID}-{SPAN}-01 ",
        f"00-{ID}-{SPAN}-03",
        f"01-{ID}-{SPAN}-01",
        f"cc-{ID}-{SPAN}-01-what-comes-later",
    ],
)
def test_a_callers_span_is_read(told: str) -> None:
    assert read_trace(told, "rojo=00f067aa0ba902b7") == Trace(ID, SPAN, state="rojo=00f067aa0ba902b7")


@pytest.mark.parametrize(
    "told",
    [
        "", "junk", f"00-{ID}-{SPAN}", f"00-{ID}-{SPAN}-01-more", f"ff-{ID}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01",
        f"00-{ID}-{'0' * 16}-01", f"00-{ID.upper()}-{SPAN}-01", f"00-{ID[:-1]}-{SPAN}-01", f"00-{ID}-{SPAN}-1",
        f"00-{ID}-{SPAN}-01\r\nx: y", f"00_{ID}_{SPAN}_01",
    ],
)  # fmt: skip
def test_what_is_none_begins_a_new_trace(told: str) -> None:
    assert read_trace(told) is None


def test_not_sampled_is_obeyed_and_passed_on() -> None:
    found = read_trace(f"00-{ID}-{SPAN}-00")
    assert found is not None
    assert not found.sampled
    child = found.child()
    assert (child.trace_id, child.parent_id, child.sampled) == (ID, SPAN, False)
    assert child.headers == {"traceparent": f"00-{ID}-{child.span_id}-00"}


@pytest.mark.parametrize("state", ["a" * 513, "a=b\r\nx: y", "a=ü", " "])
def test_a_state_that_cannot_be_a_header_is_left_out(state: str) -> None:
    found = read_trace(f"00-{ID}-{SPAN}-01", state)
    assert found is not None
    assert found.state == ""


@given(st.booleans())
def test_what_is_told_is_read_again(sampled: bool) -> None:
    made = Trace(new_trace_id(), new_span_id(), sampled=sampled, state="a=b,c=d")
    headers = made.headers
    assert read_trace(headers["traceparent"], headers["tracestate"]) == made


@given(st.text(max_size=80))
def test_anything_at_all_is_read_or_none(told: str) -> None:
    found = read_trace(told, told)
    assert found is None or found.state.isascii()
