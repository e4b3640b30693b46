"""LangChain's ChatOpenAI and the `llm` command, unmodified, against every kind of provider and the real engine."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from tests.support.gateway import ELSEWHERE, PNG, SEEN_IMAGE, WEATHER, Gateway, model_of

EVERYBODY = (*ELSEWHERE, "local")
TOOL: Any = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather of a city", "parameters": WEATHER},
}


def chain(gateway: Gateway, kind: str, **more: Any) -> ChatOpenAI:
    return ChatOpenAI(
        model=model_of(kind),
        base_url=gateway.server.url + "/v1",
        api_key=SecretStr("any"),
        # What a test before it left resting is asked again, as the client would.
        max_retries=4,
        timeout=120,
        **more,
    )


@pytest.mark.parametrize("kind", EVERYBODY)
def test_langchain_whole_and_streamed(every_provider: Gateway, kind: str) -> None:
    every_provider.script(kind)
    chat = chain(every_provider, kind, stream_usage=True)
    whole = chat.invoke("ping")
    assert whole.content == every_provider.text(kind)
    assert whole.usage_metadata is not None
    chunks = list(chat.stream("ping"))
    assert "".join(str(chunk.content) for chunk in chunks) == every_provider.text(kind)
    assert any(chunk.usage_metadata for chunk in chunks)


@pytest.mark.parametrize("kind", EVERYBODY)
def test_langchain_calls_a_tool_and_keeps_to_a_schema(every_provider: Gateway, kind: str) -> None:
    every_provider.script_tool(kind)
    bound = chain(every_provider, kind).bind_tools([TOOL], tool_choice="any")
    (call,) = bound.invoke("the weather?").tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Paris"})
    joined: Any = None
    for chunk in bound.stream("the weather?"):
        joined = chunk if joined is None else joined + chunk
    assert [call["args"] for call in joined.tool_calls] == [{"city": "Paris"}]
    if kind != "local":
        every_provider.providers[kind].script({})
    structured = chain(every_provider, kind, max_tokens=40).with_structured_output(
        {"title": "place", **WEATHER}, method="json_schema"
    )
    assert structured.invoke("ping") == {"city": "Paris"}


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_langchain_sends_an_image(every_provider: Gateway, kind: str) -> None:
    every_provider.script(kind, echo_images=True)
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    message = HumanMessage([{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": url}}])
    assert SEEN_IMAGE.split()[1] in str(chain(every_provider, kind).invoke([message]).content)


class Command:
    """The `llm` command with models of ours and a folder of its own."""

    def __init__(self, folder: Path, gateway: Gateway) -> None:
        self.folder = folder
        entries = [
            {"model_id": f"my-{kind}", "model_name": model_of(kind), "api_base": gateway.server.url + "/v1", "vision": True,
             "supports_tools": True, "supports_schema": True, "api_key_name": "corral"}
            for kind in EVERYBODY
        ]  # fmt: skip
        # JSON is YAML.
        (folder / "extra-openai-models.yaml").write_text(json.dumps(entries))
        (folder / "keys.json").write_text(json.dumps({"corral": "any"}))

    def __call__(self, *arguments: str) -> str:
        environ = {**os.environ, "LLM_USER_PATH": str(self.folder), "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(
            [sys.executable, "-m", "llm", *arguments], env=environ, capture_output=True, text=True, timeout=120,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="module")
def llm(every_provider: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    yield Command(tmp_path_factory.mktemp("llm"), every_provider)


@pytest.mark.parametrize("kind", EVERYBODY)
def test_the_llm_command(every_provider: Gateway, llm: Command, kind: str) -> None:
    every_provider.script(kind)
    assert llm("-m", f"my-{kind}", "ping") == every_provider.text(kind)
    if kind in ("anthropic", "local"):
        assert llm("-m", f"my-{kind}", "--no-stream", "ping") == every_provider.text(kind)


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_the_llm_command_with_an_image_and_a_schema(
    every_provider: Gateway, llm: Command, kind: str, tmp_path: Path
) -> None:
    every_provider.script(kind, echo_images=True)
    (tmp_path / "dot.png").write_bytes(PNG)
    assert SEEN_IMAGE.split()[1] in llm("-m", f"my-{kind}", "-a", str(tmp_path / "dot.png"), "what is it?")
    every_provider.providers[kind].script({})
    assert json.loads(llm("-m", f"my-{kind}", "--schema", json.dumps(WEATHER), "ping")) == {"city": "Paris"}


@pytest.mark.parametrize("kind", ["openai", "anthropic", "local"])
def test_the_llm_command_with_a_tool(every_provider: Gateway, llm: Command, kind: str) -> None:
    call = {"name": "llm_version", "arguments": {}}
    every_provider.script(kind)
    if kind != "local":
        every_provider.providers[kind].script(
            {"text": every_provider.text(kind)}, queue=[{"text": "", "tool_calls": [call]}]
        )
        assert llm("-m", f"my-{kind}", "-T", "llm_version", "which version?") == every_provider.text(kind)
    else:
        assert llm("-m", f"my-{kind}", "-T", "llm_version", "ping")
