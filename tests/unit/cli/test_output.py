"""What reaches the terminal."""

from __future__ import annotations

import pytest

from corral.cli.output import human_count, human_size, plain


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain text", "plain text"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\x1b]0;title\x07", "]0;title"),
        ("back\x08space\rreturn", "backspacereturn"),
        ("turned \u202eround\u2066", "turned round"),
        ("c1 \x9b31m", "c1 31m"),
        ("é 漢 🦙 👩‍🌾", "é 漢 🦙 👩‍🌾"),
    ],
)
def test_text_cannot_steer_the_terminal(given: str, shown: str) -> None:
    assert plain(given) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [(None, ""), (0, "0 B"), (999, "999 B"), (1_600_000, "1.6 MB"), (4.7e9, "4.7 GB"), (2e13, "20.0 TB")],
)
def test_sizes(size: int | None, shown: str) -> None:
    assert human_size(size) == shown


@pytest.mark.parametrize(("count", "shown"), [(None, ""), (12, "12"), (4_200_000, "4.2 M"), (7_240_000_000, "7.2 B")])
def test_counts(count: int | None, shown: str) -> None:
    assert human_count(count) == shown
