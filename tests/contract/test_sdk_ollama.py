"""Ollama's SDK, unmodified, against every kind of provider and the real engine."""

from __future__ import annotations

import json
from typing import Any

import ollama
import pytest

from tests.support.gateway import ELSEWHERE, PNG, SEEN_IMAGE, WEATHER, Gateway, model_of

PING: Any = [{"role": "user", "content": "ping"}]
TOOL: Any = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather of a city", "parameters": WEATHER},
}
EVERYBODY = (*ELSEWHERE, "local")


@pytest.fixture(scope="module")
def client(every_provider: Gateway) -> ollama.Client:
    return ollama.Client(host=every_provider.server.url + "/ollama", timeout=120)


@pytest.mark.parametrize("kind", EVERYBODY)
def test_a_chat_whole_and_streamed(every_provider: Gateway, client: ollama.Client, kind: str) -> None:
    every_provider.script(kind)
    whole = client.chat(model=model_of(kind), messages=PING, options={"temperature": 0, "num_ctx": 8192})
    assert (whole.message.content, whole.done, whole.done_reason) == (every_provider.text(kind), True, "stop")
    assert (whole.prompt_eval_count or 0) > 0
    assert (whole.eval_count or 0) > 0
    # Nanoseconds, as clients divide by them.
    assert 0 < (whole.eval_duration or 0) <= (whole.total_duration or 0) < 120 * 10**9
    parts = list(client.chat(model=model_of(kind), messages=PING, stream=True))
    assert "".join(part.message.content or "" for part in parts) == every_provider.text(kind)
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]


@pytest.mark.parametrize("kind", EVERYBODY)
def test_a_text_whole_and_streamed(every_provider: Gateway, client: ollama.Client, kind: str) -> None:
    every_provider.script(kind)
    whole = client.generate(model=model_of(kind), prompt="ping", system="Be brief.")
    assert (whole.response, whole.done) == (every_provider.text(kind), True)
    parts = list(client.generate(model=model_of(kind), prompt="ping", stream=True))
    assert "".join(part.response or "" for part in parts) == every_provider.text(kind)


@pytest.mark.parametrize("kind", EVERYBODY)
def test_a_tool(every_provider: Gateway, client: ollama.Client, kind: str) -> None:
    # Ollama's API cannot force a tool, so the script decides to call it; the real engine's model does by itself.
    every_provider.script(kind, text="", tool_calls=[{"name": "get_weather", "arguments": {"city": "Paris"}}])
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    answer = client.chat(model=model_of(kind), messages=messages, tools=[TOOL])
    (call,) = answer.message.tool_calls or ()
    assert (call.function.name, dict(call.function.arguments)) == ("get_weather", {"city": "Paris"})
    parts = client.chat(model=model_of(kind), messages=messages, tools=[TOOL], stream=True)
    streamed = [call for part in parts for call in part.message.tool_calls or ()]
    assert [dict(call.function.arguments) for call in streamed] == [{"city": "Paris"}]
    messages += [answer.message, {"role": "tool", "tool_name": "get_weather", "content": "sunny"}]
    every_provider.script(kind)
    last = client.chat(model=model_of(kind), messages=messages, tools=[TOOL])
    assert last.message.content == ("The weather in Paris is sunny." if kind == "local" else every_provider.text(kind))


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_an_image(every_provider: Gateway, client: ollama.Client, kind: str) -> None:
    every_provider.script(kind, echo_images=True)
    messages: Any = [{"role": "user", "content": "what is it?", "images": [PNG]}]
    assert SEEN_IMAGE.split()[1] in (client.chat(model=model_of(kind), messages=messages).message.content or "")
    text = client.generate(model=model_of(kind), prompt="what is it?", images=[PNG]).response
    assert SEEN_IMAGE.split()[1] in (text or "")


@pytest.mark.parametrize("kind", EVERYBODY)
def test_an_answer_by_schema(every_provider: Gateway, client: ollama.Client, kind: str) -> None:
    if kind != "local":
        every_provider.providers[kind].script({})
    answer = client.chat(model=model_of(kind), messages=PING, format=WEATHER, options={"num_predict": 40})
    assert json.loads(answer.message.content or "") == {"city": "Paris"}


def test_loading_without_a_question(every_provider: Gateway, client: ollama.Client) -> None:
    assert client.generate(model=model_of("local")).done_reason == "load"
    status, row = every_provider.server.ask("GET", f"/api/models/{model_of('local')}")
    assert (status, row["state"] in {"ready", "busy"}) == (200, True)
    assert client.chat(model=model_of("openai"), messages=[]).done_reason == "load"
    assert client.generate(model=model_of("local"), keep_alive=0).done_reason == "unload"


def test_embeddings(every_provider: Gateway, client: ollama.Client) -> None:
    every_provider.script("openai")
    many = client.embed(model=model_of("openai"), input=["a llama", "a fence"])
    assert len(many.embeddings) == 2
    assert all(many.embeddings)
    one = client.embeddings(model=model_of("openai"), prompt="a llama")
    assert list(one.embedding) == list(many.embeddings[0])
    with pytest.raises(ollama.ResponseError, match="option `embeddings`") as refused:
        client.embed(model=model_of("local"), input="a llama")
    assert refused.value.status_code == 400


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_errors(every_provider: Gateway, client: ollama.Client, kind: str) -> None:
    every_provider.script(kind, status=400, message="no, thank you")
    with pytest.raises(ollama.ResponseError) as refused:
        client.chat(model=f"{kind}/never", messages=PING)
    assert refused.value.status_code == 400
    every_provider.script(kind, after=1, then="reset")
    with pytest.raises(ollama.ResponseError):
        list(client.chat(model=f"{kind}/half", messages=PING, stream=True))


def test_what_is_not_there(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError) as unknown:
        client.chat(model="nothing-of-that-name", messages=PING)
    assert unknown.value.status_code == 404
    with pytest.raises(ollama.ResponseError, match="corral pull"):
        client.pull("llama3")
    with pytest.raises(ollama.ResponseError, match="corral pull"):
        client.delete("llama3")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("chat", {"messages": PING, "stream": False, "options": {"num_predict": 3}}),
        ("generate", {"prompt": "ping", "stream": False, "options": {"num_predict": 3}}),
        ("show", {}),
    ],
)
def test_curl_without_a_content_type(every_provider: Gateway, path: str, body: dict[str, Any]) -> None:
    """curl says `form` when it is told nothing, as in Ollama's own examples; a form that a page sends is refused."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    server = every_provider.server
    asked = {"model": model_of("local"), **body}
    status, told = server.ask("POST", f"/ollama/api/{path}", asked, form)
    assert status == 200, told
    status, told = server.ask("POST", f"/ollama/api/{path}", asked, {**form, "Origin": server.url})
    assert (status, "Content-Type: application/json" in str(told)) == (415, True)
