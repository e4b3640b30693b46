"""OpenAI's SDK, unmodified, against every kind of provider and the real engine."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.support.gateway import ELSEWHERE, PNG, SEEN_IMAGE, WEATHER, Gateway, model_of

PING: Any = [{"role": "user", "content": "ping"}]
TOOL: Any = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather of a city", "parameters": WEATHER},
}
FLAT_TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": WEATHER,
    "strict": False,
}
IMAGE = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
EVERYBODY = (*ELSEWHERE, "local")


@pytest.fixture(scope="module")
def client(every_provider: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=every_provider.server.url + "/v1", api_key="any", max_retries=0, timeout=120) as client:
        yield client


@pytest.mark.parametrize("kind", EVERYBODY)
def test_a_chat_whole(every_provider: Gateway, client: openai.OpenAI, kind: str) -> None:
    every_provider.script(kind)
    answer = client.chat.completions.create(model=model_of(kind), messages=PING)
    (choice,) = answer.choices
    assert (choice.message.content, choice.finish_reason) == (every_provider.text(kind), "stop")
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.completion_tokens > 0


@pytest.mark.parametrize("kind", EVERYBODY)
def test_a_chat_streamed(every_provider: Gateway, client: openai.OpenAI, kind: str) -> None:
    every_provider.script(kind)
    chunks = list(
        client.chat.completions.create(
            model=model_of(kind), messages=PING, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == every_provider.text(
        kind
    )
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].choices == []
    assert len({chunk.id for chunk in chunks}) == 1
    unasked = list(client.chat.completions.create(model=model_of(kind), messages=PING, stream=True))
    assert all(chunk.usage is None for chunk in unasked)


@pytest.mark.parametrize("kind", EVERYBODY)
def test_a_tool_whole_and_streamed(every_provider: Gateway, client: openai.OpenAI, kind: str) -> None:
    every_provider.script_tool(kind)
    asked: Any = {"model": model_of(kind), "messages": [{"role": "user", "content": "the weather?"}], "tools": [TOOL]}
    asked["tool_choice"] = "required"
    choice = client.chat.completions.create(**asked).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    call: Any = choice.message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})
    arguments, names, ids = "", [], []
    for chunk in client.chat.completions.create(**asked, stream=True):
        for part in chunk.choices[0].delta.tool_calls or [] if chunk.choices else []:
            assert part.index == 0
            assert part.function is not None
            arguments += part.function.arguments or ""
            names += [part.function.name] if part.function.name else []
            ids += [part.id] if part.id else []
    assert (names, len(ids), json.loads(arguments)) == (["get_weather"], 1, {"city": "Paris"})


@pytest.mark.parametrize("kind", EVERYBODY)
def test_a_result_of_a_tool_is_used(every_provider: Gateway, client: openai.OpenAI, kind: str) -> None:
    every_provider.script_tool(kind)
    messages: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
    choice = client.chat.completions.create(
        model=model_of(kind), messages=messages, tools=[TOOL], tool_choice="required"
    ).choices[0]
    assert choice.message.tool_calls is not None
    messages.append(choice.message.model_dump(exclude_none=True))
    messages.append({"role": "tool", "tool_call_id": choice.message.tool_calls[0].id, "content": "sunny"})
    every_provider.script(kind)
    answer = client.chat.completions.create(model=model_of(kind), messages=messages, tools=[TOOL]).choices[0]
    said = "The weather in Paris is sunny." if kind == "local" else every_provider.text(kind)
    assert answer.message.content == said
    if kind != "local":
        told = json.dumps(every_provider.providers[kind].seen()[-1]["body"])
        assert "sunny" in told
        assert "Paris" in told


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ELSEWHERE)
def test_an_image(every_provider: Gateway, client: openai.OpenAI, kind: str, stream: bool) -> None:
    every_provider.script(kind, echo_images=True)
    content: Any = [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
    asked: Any = {"model": model_of(kind), "messages": [{"role": "user", "content": content}]}
    if stream:
        chunks = client.chat.completions.create(**asked, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    else:
        text = client.chat.completions.create(**asked).choices[0].message.content or ""
    assert SEEN_IMAGE.split()[1] in text


@pytest.mark.parametrize("kind", EVERYBODY)
def test_an_answer_by_schema(every_provider: Gateway, client: openai.OpenAI, kind: str) -> None:
    if kind != "local":
        every_provider.providers[kind].script({})
    form: Any = {"type": "json_schema", "json_schema": {"name": "place", "schema": WEATHER, "strict": True}}
    answer = client.chat.completions.create(model=model_of(kind), messages=PING, response_format=form, max_tokens=40)
    assert json.loads(answer.choices[0].message.content or "") == {"city": "Paris"}


@pytest.mark.parametrize("kind", EVERYBODY)
def test_responses_whole_and_streamed(every_provider: Gateway, client: openai.OpenAI, kind: str) -> None:
    every_provider.script(kind)
    answer = client.responses.create(model=model_of(kind), input="ping")
    assert (answer.output_text, answer.status) == (every_provider.text(kind), "completed")
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0
    events: list[Any] = list(client.responses.create(model=model_of(kind), input="ping", stream=True))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(
        event.delta for event in events if event.type == "response.output_text.delta"
    ) == every_provider.text(kind)
    assert events[-1].response.output_text == every_provider.text(kind)


@pytest.mark.parametrize("kind", EVERYBODY)
def test_responses_call_a_tool(every_provider: Gateway, client: openai.OpenAI, kind: str) -> None:
    every_provider.script_tool(kind)
    asked: Any = {"model": model_of(kind), "input": "the weather?", "tools": [FLAT_TOOL], "tool_choice": "required"}
    (call,) = [item for item in client.responses.create(**asked).output if item.type == "function_call"]
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})
    with client.responses.stream(**asked) as stream:
        last = stream.get_final_response()
    (streamed,) = [item for item in last.output if item.type == "function_call"]
    assert json.loads(streamed.arguments) == {"city": "Paris"}
    history: Any = [
        {"role": "user", "content": "the weather?"},
        {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
        {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"},
    ]
    every_provider.script(kind)
    answer = client.responses.create(model=model_of(kind), input=history, tools=[FLAT_TOOL])
    assert answer.output_text == ("The weather in Paris is sunny." if kind == "local" else every_provider.text(kind))


def test_responses_keep_nothing(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model=model_of("local"), input="ping", previous_response_id="resp_1")
    assert refused.value.param == "previous_response_id"
    cut = client.responses.create(model=model_of("local"), input="a long story", max_output_tokens=16)
    assert cut.status == "incomplete"
    assert cut.incomplete_details is not None
    assert cut.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ELSEWHERE)
@pytest.mark.parametrize(
    ("status", "wanted"),
    [(400, openai.BadRequestError), (429, openai.RateLimitError), (500, openai.InternalServerError), (503, openai.InternalServerError)],
)  # fmt: skip
def test_errors_are_the_sdks_own(
    every_provider: Gateway,
    client: openai.OpenAI,
    kind: str,
    status: int,
    wanted: type[openai.APIStatusError],
    stream: bool,
) -> None:
    every_provider.script(kind, status=status, message="no, thank you", retry_after=60)
    # A name of its own: what fails often enough is not asked for a while.
    with pytest.raises(wanted) as failed:
        client.chat.completions.create(model=f"{kind}/failing-{status}-{stream}", messages=PING, stream=stream)
    assert failed.value.request_id
    if status == 429:
        assert float(failed.value.response.headers["retry-after"]) > 0


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_a_stream_that_dies_is_an_error_and_never_looks_whole(
    every_provider: Gateway, client: openai.OpenAI, kind: str
) -> None:
    every_provider.script(kind, after=1, then="reset")
    text = ""
    with pytest.raises(openai.APIError):
        for chunk in client.chat.completions.create(model=f"{kind}/dying", messages=PING, stream=True):
            text += chunk.choices[0].delta.content or ""
            assert chunk.choices[0].finish_reason is None
    assert text
    assert every_provider.text(kind).startswith(text)
    assert text != every_provider.text(kind)
