"""Range requests: what is asked for is what is given, and nothing that is not there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.kit.errors import RangeNotSatisfiable
from corral.surfaces.ranges import Span, names_tag, parse_range, range_applies

SIZES = st.integers(0, 2**40)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("bytes=0-0", Span(0, 0)),
        ("bytes=0-99", Span(0, 99)),
        ("bytes=90-1000", Span(90, 99)),
        ("bytes=40-", Span(40, 99)),
        ("bytes=-1", Span(99, 99)),
        ("bytes=-1000", Span(0, 99)),
        (" Bytes = 5 - 9 ", Span(5, 9)),
        ("items=0-1", None),
        ("nonsense", None),
    ],
)
def test_ranges(value: str | None, expected: Span | None) -> None:
    assert parse_range(value, 100) == expected


@pytest.mark.parametrize(
    "value",
    ["bytes=", "bytes=-", "bytes=-0", "bytes=100-", "bytes=100-200", "bytes=9-5", "bytes=0-1,3-4", "bytes=a-b", "bytes=+1-2",
     "bytes=1", "bytes=--1", "bytes=0x1-2", "bytes=\u0661-\u0662", "bytes=" + "9" * 40 + "-"],
)  # fmt: skip
def test_what_is_not_there_is_refused_with_the_size(value: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        parse_range(value, 100)
    assert caught.value.headers == {"Content-Range": "bytes */100"}


@given(st.text(max_size=60).map("bytes={}".format) | st.text(max_size=60), SIZES)
def test_anything_at_all_is_a_span_inside_or_refused(value: str, size: int) -> None:
    try:
        span = parse_range(value, size)
    except RangeNotSatisfiable:
        return
    assert span is None or 0 <= span.first <= span.last < size


@given(SIZES, SIZES, SIZES)
def test_first_and_last_count(size: int, first: int, last: int) -> None:
    if first >= size or last < first:
        with pytest.raises(RangeNotSatisfiable):
            parse_range(f"bytes={first}-{last}", size)
    else:
        span = parse_range(f"bytes={first}-{last}", size)
        assert span == Span(first, min(last, size - 1))
        assert span.length == min(last, size - 1) - first + 1


@given(st.integers(1, 2**40), st.integers(1, 2**40))
def test_a_suffix_is_the_end(size: int, count: int) -> None:
    span = parse_range(f"bytes=-{count}", size)
    assert span == Span(max(0, size - count), size - 1)


def test_tags() -> None:
    assert names_tag("*", '"a-0"', weak=False)
    assert names_tag('"b", "a-0"', '"a-0"', weak=False)
    assert names_tag('W/"a-0"', '"a-0"', weak=True)
    assert not names_tag('W/"a-0"', '"a-0"', weak=False)
    assert not names_tag(None, '"a-0"', weak=True)
    assert not names_tag('"a-01", a-0', '"a-0"', weak=True)


def test_a_range_counts_only_for_the_tag_that_it_was_begun_with() -> None:
    assert range_applies(None, '"a-0"')
    assert range_applies('"a-0"', '"a-0"')
    for other in ('"a-1"', 'W/"a-0"', "Wed, 21 Oct 2026 07:28:00 GMT", ""):
        assert not range_applies(other, '"a-0"')
