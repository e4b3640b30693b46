"""Headers become lines, and never more lines than headers."""

from __future__ import annotations

import pytest

from corral.kit.http.lines import lines_of


def test_headers_are_lines_with_their_ends() -> None:
    assert lines_of({}) == b""
    assert lines_of({"A": "b", "C": "d\te\xe9"}) == b"A: b\r\nC: d\te\xe9\r\n"


@pytest.mark.parametrize("value", ["a\r\nset-cookie: b", "a\nb", "a\rb", "\x00", "\x7f"])
def test_none_of_them_begins_another_one(value: str) -> None:
    with pytest.raises(ValueError, match="cannot"):
        lines_of({"X-Corral-Model": value})
