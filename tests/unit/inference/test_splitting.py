"""Whole events out of a stream, however it is cut, with no byte changed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from corral.inference.splitting import Splitter

EVENTS = st.lists(
    st.tuples(
        st.sampled_from([b"data: {}", b": comment", b"event: a\ndata: b", b"data: x\r\ndata: y", b"data: \xc3\xbc"]),
        st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r"]),
    ),
    max_size=8,
)


@given(EVENTS, st.lists(st.integers(1, 12), min_size=1, max_size=8))
def test_no_byte_is_lost_and_every_piece_ends_with_an_event(events: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    stream = b"".join(body + end for body, end in events)
    splitter, pieces, place, number = Splitter("text/event-stream"), [], 0, 0
    while place < len(stream):
        step = cuts[number % len(cuts)]
        pieces += splitter.feed(stream[place : place + step])
        place, number = place + step, number + 1
    assert b"".join(pieces) + splitter.rest() == stream
    assert all(piece.endswith((b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r", b"\r\n\r")) for piece in pieces)
    assert len(pieces) >= len(events) - 1


@given(st.lists(st.sampled_from([b"{}", b'{"a":1}', b""]), max_size=6), st.integers(1, 5))
def test_lines(lines: list[bytes], step: int) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    splitter = Splitter("application/x-ndjson")
    pieces = [piece for at in range(0, len(stream), step) for piece in splitter.feed(stream[at : at + step])]
    assert pieces == [line + b"\n" for line in lines]
