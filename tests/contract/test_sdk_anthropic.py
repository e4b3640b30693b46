"""Anthropic's SDK, unmodified, against every kind of provider and the real engine."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.support.gateway import ELSEWHERE, PNG, SEEN_IMAGE, WEATHER, Gateway, model_of

PING: Any = [{"role": "user", "content": "ping"}]
TOOL: Any = {"name": "get_weather", "description": "The weather of a city", "input_schema": WEATHER}
EVERYBODY = (*ELSEWHERE, "local")


@pytest.fixture(scope="module")
def client(every_provider: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=every_provider.server.url, api_key="any", max_retries=0, timeout=120) as client:
        yield client


@pytest.mark.parametrize("kind", EVERYBODY)
def test_a_message_whole(every_provider: Gateway, client: anthropic.Anthropic, kind: str) -> None:
    every_provider.script(kind)
    answer = client.messages.create(model=model_of(kind), messages=PING, max_tokens=100, system="Be brief.")
    (block,) = answer.content
    assert block.type == "text"
    assert (block.text, answer.stop_reason, answer.role, answer.type) == (
        every_provider.text(kind), "end_turn", "assistant", "message",
    )  # fmt: skip
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0
    assert answer._request_id


@pytest.mark.parametrize("kind", EVERYBODY)
def test_a_message_streamed(every_provider: Gateway, client: anthropic.Anthropic, kind: str) -> None:
    every_provider.script(kind)
    with client.messages.stream(model=model_of(kind), messages=PING, max_tokens=100) as stream:
        assert "".join(stream.text_stream) == every_provider.text(kind)
        whole = stream.get_final_message()
    assert (whole.stop_reason, whole.usage.output_tokens > 0, whole.usage.input_tokens > 0) == ("end_turn", True, True)
    events = client.messages.create(model=model_of(kind), messages=PING, max_tokens=100, stream=True)
    said = [kind for kind in (str(event.type) for event in events) if kind != "ping"]
    assert said[:2] == ["message_start", "content_block_start"]
    assert said[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(said[2:-3]) == {"content_block_delta"}


@pytest.mark.parametrize("kind", EVERYBODY)
def test_a_tool_and_its_result(every_provider: Gateway, client: anthropic.Anthropic, kind: str) -> None:
    every_provider.script_tool(kind)
    messages: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
    asked: Any = {"model": model_of(kind), "max_tokens": 200, "tools": [TOOL]}
    answer = client.messages.create(**asked, messages=messages, tool_choice={"type": "any"})
    assert answer.stop_reason == "tool_use"
    (call,) = [block for block in answer.content if block.type == "tool_use"]
    assert (call.name, call.input) == ("get_weather", {"city": "Paris"})
    with client.messages.stream(**asked, messages=messages, tool_choice={"type": "any"}) as stream:
        streamed = stream.get_final_message()
    assert [block.input for block in streamed.content if block.type == "tool_use"] == [{"city": "Paris"}]
    messages.append({"role": "assistant", "content": [call.model_dump(include={"type", "id", "name", "input"})]})
    messages.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]})
    every_provider.script(kind)
    (last,) = client.messages.create(**asked, messages=messages).content
    assert last.type == "text"
    assert last.text == ("The weather in Paris is sunny." if kind == "local" else every_provider.text(kind))


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_an_image(every_provider: Gateway, client: anthropic.Anthropic, kind: str) -> None:
    every_provider.script(kind, echo_images=True)
    source: Any = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}
    content: Any = [{"type": "image", "source": source}, {"type": "text", "text": "what is it?"}]
    asked: Any = {"model": model_of(kind), "messages": [{"role": "user", "content": content}], "max_tokens": 100}
    (block,) = client.messages.create(**asked).content
    assert block.type == "text"
    assert SEEN_IMAGE.split()[1] in block.text
    with client.messages.stream(**asked) as stream:
        assert SEEN_IMAGE.split()[1] in stream.get_final_text()


@pytest.mark.parametrize("kind", ["anthropic", "local"])
def test_tokens_are_counted(every_provider: Gateway, client: anthropic.Anthropic, kind: str) -> None:
    every_provider.script(kind)
    counted = client.messages.count_tokens(model=model_of(kind), messages=PING, system="Be brief.")
    assert counted.input_tokens > 0
    if kind == "local":
        # Exactly what the engine reads for the same messages.
        answer = client.messages.create(model=model_of(kind), messages=PING, system="Be brief.", max_tokens=5)
        assert counted.input_tokens == answer.usage.input_tokens + (answer.usage.cache_read_input_tokens or 0)


def test_the_beta_path_and_its_header_go_to_anthropic_only(
    every_provider: Gateway, client: anthropic.Anthropic
) -> None:
    for kind in ("anthropic", "openai"):
        every_provider.script(kind)
        answer: Any = client.beta.messages.create(
            model=model_of(kind), messages=PING, max_tokens=50, betas=["context-1m-2025-08-07"]
        )
        assert answer.content[0].text == every_provider.text(kind)
        headers = every_provider.providers[kind].seen()[-1]["headers"]
        assert headers.get("anthropic-beta") == ("context-1m-2025-08-07" if kind == "anthropic" else None)
        assert "any" not in (headers.get("x-api-key"), headers.get("authorization"))


def test_a_token_in_place_of_a_key(every_provider: Gateway) -> None:
    with anthropic.Anthropic(base_url=every_provider.server.url, auth_token="any", max_retries=0) as client:
        assert client.messages.create(model=model_of("local"), messages=PING, max_tokens=20).stop_reason == "end_turn"


@pytest.mark.parametrize("kind", ELSEWHERE)
@pytest.mark.parametrize(
    ("status", "wanted"),
    [(400, anthropic.BadRequestError), (429, anthropic.RateLimitError), (500, anthropic.InternalServerError)],
)
def test_errors_are_the_sdks_own(
    every_provider: Gateway, client: anthropic.Anthropic, kind: str, status: int, wanted: type[anthropic.APIStatusError]
) -> None:
    every_provider.script(kind, status=status, message="no, thank you", retry_after=60)
    with pytest.raises(wanted) as failed:
        client.messages.create(model=f"{kind}/refusing-{status}", messages=PING, max_tokens=50)
    body: Any = failed.value.body
    assert (body["type"], bool(body["error"]["type"])) == ("error", True)
    assert failed.value.request_id
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="nothing-of-that-name", messages=PING, max_tokens=50)


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_a_stream_that_dies_is_an_error(every_provider: Gateway, client: anthropic.Anthropic, kind: str) -> None:
    every_provider.script(kind, after=1, then="reset")
    text, kinds = "", []
    with pytest.raises(anthropic.APIError):
        for event in client.messages.create(model=f"{kind}/breaking", messages=PING, max_tokens=100, stream=True):
            kinds.append(event.type)
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                text += event.delta.text
    assert "message_stop" not in kinds
    assert every_provider.text(kind).startswith(text)
    assert text


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "model"), ({"model": "m"}, "messages"), ({"model": "m", "messages": []}, "messages"),
    ({"model": "m", "messages": "ping"}, "messages"), ({"model": "m", "messages": [{"role": "user"}]}, "content"),
    ({"model": "m", "messages": PING, "max_tokens": "x"}, "max_tokens"), ({"model": "m", "messages": PING, "stream": 1}, "stream"),
    ({"model": "m", "messages": PING, "system": 5}, "system"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "field"), BAD)
def test_bad_input_names_the_field(every_provider: Gateway, body: dict[str, Any], field: str) -> None:
    status, answer = every_provider.server.ask("POST", "/v1/messages?beta=true", body)
    assert (status, answer["type"], answer["error"]["type"]) == (400, "error", "invalid_request_error")
    assert field in answer["error"]["message"]
