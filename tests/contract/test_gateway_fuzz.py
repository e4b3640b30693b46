"""Anything at all sent to the surfaces of the dialects: an answer or a refusal in the dialect's form, never a fault of ours."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.gateway import Gateway, model_of
from tests.support.scale import scaled
from tests.support.wire_clients import PATHS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
ROLES = st.sampled_from(["system", "developer", "user", "assistant", "tool", "function", "model", "nobody"])
PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "image", "tool_use", "tool_result", "input_text", "thinking", "file", "document", "x"])},
    optional={
        "text": JSON, "image_url": JSON, "source": JSON, "id": JSON, "name": JSON, "input": JSON, "tool_use_id": JSON, "content": JSON,
        "cache_control": JSON,
    },
)  # fmt: skip
MESSAGE = st.fixed_dictionaries(
    {"role": ROLES | JSON},
    optional={
        "content": st.text(max_size=10) | st.lists(PARTS | JSON, max_size=3) | JSON, "tool_calls": JSON | st.lists(JSON, max_size=2),
        "tool_call_id": JSON, "images": JSON, "name": JSON,
    },
)  # fmt: skip
TOOL = st.fixed_dictionaries(
    {},
    optional={
        "type": JSON,
        "name": JSON,
        "function": JSON,
        "parameters": JSON,
        "input_schema": JSON,
        "description": JSON,
    },
)
BODY = st.fixed_dictionaries(
    {},
    optional={
        "messages": st.lists(MESSAGE, max_size=3) | JSON, "input": st.text(max_size=9) | st.lists(MESSAGE, max_size=2) | JSON,
        "prompt": st.text(max_size=9) | JSON, "query": JSON, "documents": JSON, "tools": st.lists(TOOL, max_size=2) | JSON,
        "tool_choice": JSON, "response_format": JSON, "text": JSON, "reasoning": JSON, "thinking": JSON, "system": JSON, "stream": JSON,
        "max_tokens": JSON, "temperature": JSON, "stop": JSON, "stop_sequences": JSON, "n": JSON, "options": JSON, "format": JSON,
        "images": JSON, "think": JSON, "keep_alive": JSON, "metadata": JSON, "logit_bias": JSON, "previous_response_id": JSON,
    },
)  # fmt: skip
ALL = [*PATHS.values(), "/v1/completions", "/v1/embeddings", "/v1/rerank", "/v1/messages/count_tokens", "/ollama/api/embed",
       "/ollama/api/embeddings", "/ollama/api/show", "/upstream/nothing/completion", "/upstream/nothing/tokenize"]  # fmt: skip


def ask(gateway: Gateway, path: str, body: bytes) -> tuple[int, bytes]:
    place = urlsplit(gateway.server.url)
    assert place.hostname is not None
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def refused_well(path: str, body: bytes) -> bool:
    """Whether an error is told in the form of the path's dialect."""
    error = json.loads(body)["error"]
    if path.startswith("/ollama/"):
        return isinstance(error, str)
    if path.startswith("/v1/messages"):
        return json.loads(body)["type"] == "error" and {"type", "message"} <= set(error)
    return {"message", "type", "param", "code"} <= set(error)


@pytest.mark.parametrize("path", ALL)
@settings(max_examples=scaled(25, 1000))
@given(body=BODY | JSON, model=st.sampled_from(["openai", "anthropic", "gemini", "ollama", None]))
def test_anything_is_answered_or_refused(calm_providers: Gateway, path: str, body: Any, model: str | None) -> None:
    if isinstance(body, dict) and model is not None:
        body = {"model": model_of(model), **body}
    status, told = ask(calm_providers, path, json.dumps(body).encode())
    # Rubbish that passes as it is may end the scripted service's own connection, and open its breaker: told as such.
    theirs = (status == 503 and b"rest after failures" in told) or (status == 502 and b"The provider" in told)
    assert status == 200 or 400 <= status < 500 or theirs, (status, told, body)
    if status != 200:
        assert refused_well(path, told), (told, body)


@pytest.mark.parametrize("path", ALL)
@settings(max_examples=scaled(10, 300))
@given(body=st.binary(max_size=200))
def test_what_is_no_json_is_refused(calm_providers: Gateway, path: str, body: bytes) -> None:
    status, told = ask(calm_providers, path, body)
    assert 400 <= status < 500
    assert refused_well(path, told)
