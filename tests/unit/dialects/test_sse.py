"""Server-sent events from any cut of bytes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.dialects import sse
from corral.dialects.sse import SseReader
from corral.kit.errors import UpstreamFailed

EVENTS = [(b"", b'{"a":1}'), (b"message_start", b"one\ntwo"), (b"", "Grüße 🌍".encode()), (b"end", b"[DONE]")]


def stream(newline: bytes, *, mark: bytes = b"") -> bytes:
    out = b": hello" + newline + newline
    for name, data in EVENTS:
        out += b"id: 7" + newline + b": comment" + newline
        if name:
            out += b"event: " + name + newline
        for line in data.split(b"\n"):
            out += b"data: " + line + newline
        out += newline
    return mark + out


def read(*chunks: bytes) -> list[tuple[bytes, bytes]]:
    reader = SseReader()
    return [event for chunk in chunks for event in reader.feed(chunk)]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@given(places=st.lists(st.integers(0, 400), max_size=20))
def test_any_cut_and_any_end_of_line_gives_the_same_events(newline: bytes, places: list[int]) -> None:
    data = stream(newline, mark=b"\xef\xbb\xbf")
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    chunks = [data[start:end] for start, end in pairwise(edges)]
    assert read(*chunks) == EVENTS


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_single_bytes_give_the_same_events(newline: bytes) -> None:
    data = stream(newline)
    assert read(*(data[place : place + 1] for place in range(len(data)))) == EVENTS


def test_a_field_without_the_space_and_one_without_a_value_are_read() -> None:
    assert read(b"data:a\ndata\ndata: b\n\n") == [(b"", b"a\n\nb")]


def test_two_spaces_are_one_and_a_space() -> None:
    assert read(b"data:  a\n\n") == [(b"", b" a")]


def test_an_event_that_the_stream_leaves_unfinished_is_none() -> None:
    assert read(b"data: a\n\ndata: b\n") == [(b"", b"a")]


def test_a_name_without_data_is_no_event_and_does_not_stay() -> None:
    assert read(b"event: ping\n\ndata: a\n\n") == [(b"", b"a")]


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 1000)
    reader = SseReader()
    with pytest.raises(UpstreamFailed, match="endless"):
        for _ in range(100):
            list(reader.feed(b"x" * 50))


def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 1000)
    reader = SseReader()
    with pytest.raises(UpstreamFailed, match="endless"):
        for _ in range(100):
            list(reader.feed(b"data: " + b"x" * 50 + b"\n"))


def test_what_is_written_is_read() -> None:
    assert read(sse.event(b"{}") + sse.KEEP_ALIVE + sse.named(b"ping", b"[]")) == [(b"", b"{}"), (b"ping", b"[]")]
