"""Reading an engine's stream and its errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.kit.errors import (
    ContextExceeded,
    CorralError,
    InvalidRequest,
    TooManyRequests,
    Unavailable,
    UpstreamFailed,
)
from corral.providers import sse
from corral.providers.local import engine_error
from corral.providers.sse import SseReader


@given(
    st.lists(st.tuples(st.sampled_from([b"", b"error"]), st.text('abc é"{}:', min_size=1)), max_size=6),
    st.lists(st.integers(1, 30), max_size=30),
    st.booleans(),
)
def test_events_survive_any_cut(events: list[tuple[bytes, str]], cuts: list[int], crlf: bool) -> None:
    end = b"\r\n" if crlf else b"\n"
    wire = b"\xef\xbb\xbf: a comment" + end * 2
    for name, data in events:
        wire += (b"event: " + name + end if name else b"") + b"data: " + data.encode() + end * 2
    reader, found, place = SseReader(), [], 0
    for cut in [*cuts, len(wire)]:
        found += list(reader.feed(wire[place : place + cut]))
        place += cut
    assert found == [(name, data.encode()) for name, data in events]


def test_several_data_lines_are_one_event() -> None:
    assert list(SseReader().feed(b"data: a\ndata:b\nid: 7\n\n")) == [(b"", b"a\nb")]


def test_an_endless_line_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_LINE", 100)
    with pytest.raises(UpstreamFailed, match="endless"):
        list(SseReader().feed(b"data: " + b"x" * 200))


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (
            400,
            {"error": {"type": "exceed_context_size_error", "message": "m", "n_prompt_tokens": 9000, "n_ctx": 4096}},
            ContextExceeded,
            "9000",
        ),
        (400, {"error": {"message": "temperature must be a number"}}, InvalidRequest, "temperature"),
        (501, {"error": {"message": "no embeddings here"}}, InvalidRequest, "embeddings"),
        (429, {"error": {"message": "busy"}}, TooManyRequests, "busy"),
        (500, {"error": {"message": "it broke"}}, UpstreamFailed, "it broke"),
        (401, {"error": {"message": "who are you"}}, UpstreamFailed, "who"),
        (503, "plain words", Unavailable, "plain words"),
        (500, {"error": "a text"}, UpstreamFailed, "a text"),
        (500, "", UpstreamFailed, "500"),
    ],
)
def test_engine_errors_become_ours(status: int, body: Any, kind: type[CorralError], says: str) -> None:
    error = engine_error(status, body.encode() if isinstance(body, str) else json.dumps(body).encode())
    assert type(error) is kind
    assert says in error.message
