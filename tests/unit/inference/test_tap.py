"""Usage is read from a stream however it is cut, and nothing else is believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.inference.tap import StreamTap, read_usage

STREAM = (
    b'data: {"choices":[{"delta":{"content":"say \\"usage\\": 1"}}]}\n\n'
    b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7}}\n\ndata: [DONE]\n\n'
)


@given(st.lists(st.integers(1, 80), max_size=20))
def test_any_cut_gives_the_same_usage(cuts: list[int]) -> None:
    tap, place = StreamTap(), 0
    for cut in [*cuts, len(STREAM)]:
        piece = STREAM[place : place + cut]
        place += cut
        if piece:
            tap.feed(piece)
            assert tap.boundary == STREAM[:place].endswith(b"\n\n")
    assert tap.done()
    assert tap.usage() == (11, 7)


def test_a_stream_without_an_end_is_not_done() -> None:
    tap = StreamTap()
    tap.feed(STREAM[:-10])
    assert not tap.done()


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        (b'{"usage":{"prompt_tokens":3,"completion_tokens":4}}', (3, 4)), (b'{"usage":null}', None), (b"{}", None), (b"not json", None),
        (b'{"usage":{"prompt_tokens":"many"}}', None),
    ],
)  # fmt: skip
def test_whole_answers(body: bytes, usage: tuple[int, int] | None) -> None:
    assert read_usage(body) == usage
