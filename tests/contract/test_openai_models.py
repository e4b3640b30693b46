"""The official OpenAI SDK with tools and embeddings, on a model of each kind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.conftest import ROOT
from tests.support.server import Server

MODEL = "corral-demo"
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather", "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data: Path = tmp_path_factory.mktemp("data")
    (data / "models").mkdir(exist_ok=True)
    writer = [
        sys.executable,
        str(ROOT / "tools" / "scripted_model.py"),
        "--embeddings",
        "--out",
        str(data / "models" / "embedder.gguf"),
    ]
    subprocess.run(writer, check=True)
    server = Server(data)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(server: Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0, timeout=60)


def ask(text: str) -> Any:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}]}


def test_models(client: openai.OpenAI) -> None:
    assert {model.id for model in client.models.list()} == {MODEL, "embedder", "cria"}
    assert client.models.retrieve(MODEL).owned_by == "corral"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("none")


def test_a_tool_is_called_and_its_result_used(client: openai.OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    choice = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER]).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    call: Any = choice.message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})
    messages += [
        choice.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
    ]
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    assert answer.choices[0].message.content == "The weather in Paris is sunny."


def test_a_streamed_tool_call_has_whole_arguments(client: openai.OpenAI) -> None:
    arguments, names = "", []
    for chunk in client.chat.completions.create(**ask("the weather?"), tools=[WEATHER], stream=True):
        for choice in chunk.choices:
            for call in choice.delta.tool_calls or []:
                assert call.function is not None
                arguments += call.function.arguments or ""
                names += [call.function.name] if call.function.name else []
    assert (names, json.loads(arguments)) == (["get_weather"], {"city": "Paris"})


def test_embeddings(client: openai.OpenAI) -> None:
    found = client.embeddings.create(model="embedder", input=["a llama", "a llama", "a fence"])
    first, second, third = (entry.embedding for entry in found.data)
    assert len(first) == 512
    assert first == second != third
    assert found.usage.prompt_tokens > 0
    with pytest.raises(openai.BadRequestError, match="embeddings"):
        client.embeddings.create(model=MODEL, input="x")
