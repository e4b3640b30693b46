"""Whole answers, put together from streams."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.kit.errors import ContextExceeded, UpstreamFailed
from corral.providers.assembly import as_stream, assemble

FRAME = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}


def stream(*deltas: dict[str, Any], finish: str = "stop", done: bool = True) -> bytes:
    events: list[dict[str, Any]] = [{**FRAME, "choices": [{"index": 0, "delta": one}]} for one in deltas]
    events.append({**FRAME, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    events.append({**FRAME, "choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 3}})
    return b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in events) + (
        b"data: [DONE]\n\n" if done else b""
    )


async def cut(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@given(size=st.integers(1, 200))
async def test_texts_and_calls_are_joined_however_the_stream_is_cut(size: int) -> None:
    data = stream(
        {"role": "assistant", "content": None},
        {"reasoning_content": "so "},
        {"content": "grü"},
        {"content": "ße"},
        {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{"}}]},
        {"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]},
        finish="tool_calls",
    )
    answer = json.loads(await assemble(cut(data, size)))
    (choice,) = answer["choices"]
    message = choice["message"]
    assert (message["content"], message["reasoning_content"], choice["finish_reason"]) == ("grüße", "so ", "tool_calls")
    assert [(call["id"], call["function"]["arguments"]) for call in message["tool_calls"]] == [("a", "{}"), ("b", "")]
    assert all("index" not in call for call in message["tool_calls"])
    assert (answer["object"], answer["usage"]["completion_tokens"]) == ("chat.completion", 3)


async def test_half_an_answer_is_none() -> None:
    with pytest.raises(UpstreamFailed, match="before it was finished"):
        await assemble(cut(stream({"content": "a"}, done=False), 50))


@pytest.mark.parametrize("data", [b"data: no json\n\n", b"data: 7\n\n"])
async def test_nonsense_is_refused(data: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        await assemble(cut(data, 50))


async def test_an_error_in_the_stream_is_raised() -> None:
    told = {"type": "exceed_context_size_error", "message": "m", "n_prompt_tokens": 9, "n_ctx": 4}
    with pytest.raises(ContextExceeded):
        await assemble(cut(b"data: " + json.dumps({"error": told}).encode() + b"\n\n", 50))


def test_a_request_is_made_one_for_a_stream_and_nothing_else_of_it_changes() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"\\u00e4"}],"stream":false,"seed":1.0}'
    changed = as_stream(body)
    assert json.loads(changed) == {
        **json.loads(body),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert b'[{"role":"user","content":"\\u00e4"}]' in changed and b'"seed":1.0' in changed
