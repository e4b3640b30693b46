"""The official SDK, unmodified, against Corral with the scripted model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest

from tests.support.server import Server

MODEL = "corral-demo"
PING: Any = [{"role": "user", "content": "ping"}]


@pytest.fixture(scope="module")
def client(shared_server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=shared_server.url + "/v1", api_key="any", max_retries=0, timeout=120) as client:
        yield client


@pytest.fixture
async def later(shared_server: Server) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=shared_server.url + "/v1", api_key="any", max_retries=0, timeout=120
    ) as client:
        yield client


def test_a_chat_whole_and_streamed(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model=MODEL, messages=PING)
    assert (whole.object, whole.model) == ("chat.completion", MODEL)
    (choice,) = whole.choices
    assert (choice.index, choice.finish_reason, choice.message.role, choice.message.content) == (
        0,
        "stop",
        "assistant",
        "pong",
    )
    assert whole.usage is not None
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0
    chunks = list(
        client.chat.completions.create(model=MODEL, messages=PING, stream=True, stream_options={"include_usage": True})
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "pong"
    assert chunks[-1].usage is not None
    assert chunks[-1].choices == []
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (
        whole.usage.prompt_tokens, whole.usage.completion_tokens,
    )  # fmt: skip
    unasked = list(client.chat.completions.create(model=MODEL, messages=PING, stream=True))
    assert all(chunk.usage is None for chunk in unasked)


async def test_async_and_at_once(later: openai.AsyncOpenAI) -> None:
    stream = await later.chat.completions.create(model=MODEL, messages=PING, stream=True)
    assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]) == "pong"
    whole = await later.chat.completions.create(model=MODEL, messages=PING)
    assert whole.choices[0].message.content == "pong"


def test_more_than_one_choice_and_log_probabilities(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model=MODEL, messages=PING, n=2, logprobs=True, top_logprobs=2)
    assert [(choice.index, choice.message.content) for choice in whole.choices] == [(0, "pong"), (1, "pong")]
    logprobs = whole.choices[1].logprobs
    assert logprobs is not None
    assert "".join(one.token for one in logprobs.content or ()).startswith("pong")


def test_completions(client: openai.OpenAI) -> None:
    whole = client.completions.create(model=MODEL, prompt="ping", max_tokens=8)
    assert whole.object == "text_completion"
    assert whole.usage is not None
    assert 0 < whole.usage.completion_tokens <= 8
    chunks = list(client.completions.create(model=MODEL, prompt="ping", max_tokens=8, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text


def test_a_json_schema_is_kept(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"],
        "additionalProperties": False,
    }
    form: Any = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
    whole = client.chat.completions.create(
        model=MODEL, messages=PING, response_format=form, max_tokens=40, temperature=0
    )
    assert isinstance(json.loads(whole.choices[0].message.content or "")["ok"], bool)


def test_models(client: openai.OpenAI) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert MODEL in listed
    one = client.models.retrieve(MODEL)
    assert (one.id, one.object, one.owned_by) == (MODEL, "model", "corral")


def test_errors_are_the_sdks_own(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="corral-dmo", messages=PING)
    assert unknown.value.code == "model_not_found"
    assert MODEL in unknown.value.message
    assert unknown.value.request_id
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("none")
    long: Any = [{"role": "user", "content": "x " * 9000}]
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as over:
            client.chat.completions.create(model=MODEL, messages=long, stream=stream)
        assert over.value.code == "context_length_exceeded"
        body: Any = over.value.body
        assert body["n_prompt_tokens"] > body["n_ctx"] > 0
        assert str(body["n_prompt_tokens"]) in over.value.message
        assert str(body["n_ctx"]) in over.value.message
    with pytest.raises(openai.BadRequestError) as embedding:
        client.embeddings.create(model=MODEL, input="ping")
    assert "embedding" in embedding.value.message


BAD: list[tuple[str, Any, str | None]] = [
    ("/v1/chat/completions", {}, "messages"), ("/v1/chat/completions", {"messages": "ping"}, "messages"),
    ("/v1/chat/completions", {"messages": []}, "messages"), ("/v1/chat/completions", {"messages": [{"content": "x"}]}, "messages[0].role"),
    ("/v1/chat/completions", {"messages": PING, "temperature": "hot"}, "temperature"),
    ("/v1/chat/completions", {"messages": PING, "max_tokens": 10**30}, "max_tokens"),
    ("/v1/chat/completions", {"messages": PING, "stream": "yes"}, "stream"), ("/v1/chat/completions", {"messages": PING, "model": 3}, "model"),
    ("/v1/chat/completions", {"messages": PING, "n": 0}, "n"), ("/v1/chat/completions", [1], None), ("/v1/chat/completions", b"{", None),
    ("/v1/chat/completions", b"[" * 100_000, None), ("/v1/completions", {}, "prompt"), ("/v1/embeddings", {"input": 3}, "input"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "field"), BAD)
def test_bad_input_names_the_field(shared_server: Server, path: str, body: Any, field: str | None) -> None:
    status, answer = shared_server.ask("POST", path, body)
    assert (status, answer["error"]["type"], answer["error"]["param"]) == (400, "invalid_request_error", field), answer
    assert (field or "body") in answer["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [("GET", "/v1/chat/completions", {}, 405, "method_not_allowed"), ("POST", "/v1/models", {}, 405, "method_not_allowed"),
     ("POST", "/v1/nothing", {}, 404, "not_found"), ("GET", "/v1/models/none", {}, 404, "model_not_found"),
     ("POST", "/v1/chat/completions", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
     ("POST", "/v1/chat/completions", {"Origin": "http://evil.example"}, 403, "forbidden"),
     ("GET", "/v1/models", {"Host": "evil.example"}, 421, "misdirected_request")],
)  # fmt: skip
def test_what_is_not_there_or_not_allowed(
    shared_server: Server, method: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    got, answer = shared_server.ask(method, path, {} if method == "POST" else None, headers)
    assert (got, answer["error"]["code"]) == (status, code)
