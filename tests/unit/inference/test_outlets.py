"""What is kept of an answer that is being told."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from corral.inference.outlets import Transcript

_PIECES = st.binary(max_size=40) | st.builds(bytes.__mul__, st.binary(min_size=1, max_size=9), st.integers(1, 2000))


@given(st.lists(_PIECES, max_size=100))
def test_a_transcript_reads_as_it_was_told(pieces: list[bytes]) -> None:
    transcript = Transcript()
    for piece in pieces:
        transcript.add(piece)
    assert transcript.read() == b"".join(pieces)
    assert bool(transcript) == bool(pieces)


def test_a_long_answer_takes_little_memory() -> None:
    transcript, told = Transcript(), 0
    for number in range(6400):
        piece = (
            b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"delta":{"content":" %d"}}]}\n\n'
            % number
        )
        transcript.add(piece)
        told += len(piece)
        if number % 97 == 0:
            kept = sum(map(sys.getsizeof, (*transcript._blocks, *transcript._new)))
            assert kept < told / 8 + 3000, "a live stream must be cheap at any length: a thousand of them are kept"
