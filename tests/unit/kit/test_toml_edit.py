"""Changing a TOML file in place: what was asked for changes, nothing else does."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.kit.toml_edit import change, written

WRITTEN_BY_HAND = """# My settings
port = 4000   # beside the other one
models = [
  "/a",  # slow disk
  "/b",
]
system_prompt = \"\"\"Be
kind = true\"\"\"

# The big machine
[engines.big]
url = "http://big:1"
port = 7
"""


def test_one_key_changes_and_the_comments_stay() -> None:
    text = change(WRITTEN_BY_HAND, {"port": 5000})
    assert text.startswith("# My settings\nport = 5000\n")
    assert text.endswith('url = "http://big:1"\nport = 7\n')
    assert tomllib.loads(text) == {**tomllib.loads(WRITTEN_BY_HAND), "port": 5000}


def test_a_list_over_several_lines_is_replaced_whole() -> None:
    text = change(WRITTEN_BY_HAND, {"models": ["/c"]})
    assert 'models = ["/c"]\n' in text
    assert "slow disk" not in text


def test_a_new_key_goes_before_the_tables_and_above_their_comment() -> None:
    text = change(WRITTEN_BY_HAND, {"kind": "x"})
    assert 'kind = "x"\n# The big machine\n[engines.big]\n' in text
    assert tomllib.loads(text)["system_prompt"] == "Be\nkind = true"


@pytest.mark.parametrize("text", ["", "a = 1", "# only this", "[t]\nx = 1"])
def test_keys_come_and_go(text: str) -> None:
    there = change(text, {"new": 1.5, "other": ["x", "y"]})
    assert tomllib.loads(there) == {**tomllib.loads(text), "new": 1.5, "other": ["x", "y"]}
    assert tomllib.loads(change(there, {"new": None, "other": None})) == tomllib.loads(text)


@pytest.mark.parametrize("text", ["a = ", "a = 1\na = 2", "x.y = 1"])
def test_what_cannot_be_changed_in_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        change(text, {"x": 2})


VALUES = st.one_of(
    st.booleans(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])), st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
)  # fmt: skip


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), st.none() | VALUES, max_size=6))
def test_what_is_written_reads_back(changes: dict[str, Any]) -> None:
    expected = {**tomllib.loads(WRITTEN_BY_HAND), **changes}
    assert tomllib.loads(change(WRITTEN_BY_HAND, changes)) == {
        key: value for key, value in expected.items() if value is not None
    }


def test_a_table_has_no_form() -> None:
    with pytest.raises(ValueError, match="dict"):
        written({})
