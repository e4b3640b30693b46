"""What every provider promises, against scripted services that speak its protocol, over plain HTTP and over TLS."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest

from corral.dialects.form import (
    Format,
    Image,
    Message,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    text_message,
)
from corral.providers.types import Call
from tests.fakes.providers.story import TEXT
from tests.support.calling import KEY, OTHER_KEY, SCHEMA, TOOL, Caller, caller, question
from tests.support.certificates import make_certificate
from tests.support.providers import FakeProvider, fake_provider

KINDS = ("openai", "compatible", "anthropic", "gemini", "ollama")
CASES = (
    ("openai", "openai_chat"),
    ("openai", "openai_responses"),
    ("compatible", "openai_chat"),
    ("anthropic", "anthropic"),
    ("gemini", "gemini"),
    ("ollama", "ollama_chat"),
    ("ollama", "ollama_generate"),
    ("ollama", "openai_chat"),
)
SECURE = (("openai", "openai_chat"), ("anthropic", "anthropic"))
EVERY = [(*case, "http") for case in CASES] + [(*case, "https") for case in SECURE]
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], FakeProvider]]:
    """All scripted services, by kind and scheme."""
    certificate = make_certificate(tmp_path_factory.mktemp("certificate"))
    with ExitStack() as stack:
        made = {(kind, "http"): stack.enter_context(fake_provider(kind)) for kind in KINDS}
        for kind, _ in SECURE:
            made[kind, "https"] = stack.enter_context(fake_provider(kind, certificate=certificate))
        yield made


@pytest.fixture(params=EVERY, ids="-".join)
async def one(request: pytest.FixtureRequest, fakes: dict[tuple[str, str], FakeProvider]) -> AsyncIterator[Caller]:
    """Each provider in each of its dialects."""
    kind, dialect, scheme = request.param
    fake = fakes[kind, scheme]
    fake.script()
    async with caller(fake, dialect) as made:
        yield made


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_a_text_comes_as_it_was_said_with_its_usage_and_end(one: Caller, stream: bool) -> None:
    one.fake.script({"usage": {"prompt": 31, "completion": 17, "reasoning": 0}})
    answer = await one.ask(question(stream=stream))
    assert answer.choices[0].parts == (Text(TEXT),)
    assert answer.choices[0].reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (31, 17)
    assert answer.model == "m-1"
    (seen,) = one.fake.seen()
    assert seen["done"] and not seen["hung_up"]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_tools_are_offered_and_called(one: Caller, stream: bool) -> None:
    if one.dialect == "ollama_generate":
        pytest.skip("has no tools")
    arguments = {"city": "Zürich", "degrees": -3}
    one.fake.script({"tool_calls": [{"name": "weather", "arguments": arguments}, {"name": "weather", "arguments": {}}]})
    answer = await one.ask(question(tools=(TOOL, Tool("clock")), stream=stream))
    calls = [part for part in answer.choices[0].parts if isinstance(part, ToolCall)]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [("weather", arguments), ("weather", {})]
    assert len({call.id for call in calls}) == 2
    assert answer.choices[0].reason == "tool_calls"


async def test_a_tool_can_be_demanded(one: Caller) -> None:
    if one.dialect.startswith("ollama"):
        pytest.skip("cannot demand one")
    answer = await one.ask(question(tools=(TOOL,), tool_choice=ToolChoice("tool", "weather"), stream=True))
    (call,) = answer.choices[0].parts
    assert isinstance(call, ToolCall)
    assert set(json.loads(call.arguments)) == {"city", "degrees"}


async def test_thinking_is_told_apart_from_the_answer(one: Caller) -> None:
    if (one.provider.kind, one.dialect) == ("openai", "openai_chat"):
        pytest.skip("does not show it")
    one.fake.script({"reasoning": "Let me see now"})
    request = question(thinking=Thinking(enabled=True, budget=2048), max_tokens=4000, stream=True)
    answer = await one.ask(request)
    told = "".join(part.text for part in answer.choices[0].parts if isinstance(part, Reasoning))
    assert told == "Let me see now"
    assert answer.choices[0].parts[-1] == Text(TEXT)


async def test_an_image_arrives_byte_for_byte(one: Caller) -> None:
    one.fake.script({"echo_images": True})
    image = Image("image/png", base64.b64encode(PNG).decode())
    answer = await one.ask(question(messages=(Message("user", (Text("What is it?"), image)),), stream=True))
    assert answer.choices[0].parts == (Text(f"image/png {hashlib.sha256(PNG).hexdigest()}"),)


async def test_an_answer_can_be_held_to_a_schema(one: Caller) -> None:
    form = Format("schema", "weather", {**SCHEMA, "additionalProperties": False}, True)
    answer = await one.ask(question(format=form, stream=True))
    (part,) = answer.choices[0].parts
    assert isinstance(part, Text)
    assert set(json.loads(part.text)) == {"city", "degrees"}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_an_answer_that_reaches_its_limit_says_so(one: Caller, stream: bool) -> None:
    answer = await one.ask(question(max_tokens=3, stream=stream))
    assert answer.choices[0].reason == "length"
    (part,) = answer.choices[0].parts
    assert isinstance(part, Text)
    assert TEXT.startswith(part.text) and part.text != TEXT


async def test_the_body_is_sent_as_it_is(one: Caller) -> None:
    call = one.call(question(stream=False, temperature=0.25))
    await (await one.provider.open(call)).read()
    (seen,) = one.fake.seen()
    if one.provider.kind != "gemini":
        assert seen["bytes"] == len(call.body)
    assert seen["body"] == msgspec.json.decode(call.body)


@pytest.mark.parametrize(
    "form", [{"split": 1}, {"bom": True}, {"newline": "\r\n"}, {"newline": "\r"}, {"comments": True}]
)
async def test_every_cut_and_every_form_of_lines_is_read(one: Caller, form: dict[str, Any]) -> None:
    if one.dialect.startswith("ollama") and "split" not in form:
        pytest.skip("is about server-sent events")
    one.fake.script({"sse": form, "text": "Kurz und gut: 🐴 ä"})
    answer = await one.ask(question(stream=True))
    assert answer.choices[0].parts == (Text("Kurz und gut: 🐴 ä"),)


async def test_bytes_pass_untouched_from_the_first_one(one: Caller) -> None:
    one.fake.script({"first_after": 0.3, "pings": 0.1, "text": "a b c"})
    exchange = await one.open(question(stream=True))
    joined = b"".join([chunk async for chunk in exchange.chunks()])
    (seen,) = one.fake.seen()
    assert len(joined) == seen["told"]


async def test_a_key_is_shown_as_the_service_wants_it_and_any_of_them_can_be_used(one: Caller) -> None:
    await one.ask(question())
    await one.ask(question(), key=OTHER_KEY)
    assert [seen["key"] for seen in one.fake.seen()] == [KEY.value, OTHER_KEY.value]
    assert all(KEY.value not in json.dumps([seen["path"], seen["query"]]) for seen in one.fake.seen())


async def test_no_header_of_the_client_is_passed_on_but_what_the_service_knows(one: Caller) -> None:
    headers = {"authorization": "Bearer theirs", "cookie": "a=b", "anthropic-beta": "tools-2025", "x-private": "1"}
    await one.ask(question(), headers=headers)
    (seen,) = one.fake.seen()
    assert "cookie" not in seen["headers"] and "x-private" not in seen["headers"]
    assert "theirs" not in json.dumps(seen["headers"])
    assert ("anthropic-beta" in seen["headers"]) == (one.provider.kind == "anthropic")


async def test_models_are_listed_and_a_key_can_be_tried(one: Caller) -> None:
    one.fake.script(list=["one", "two"])
    assert {"one", "two"} <= {model.name for model in await one.provider.models()}
    health = await one.provider.check()
    assert health.ok and health.models and health.key == "first" and health.milliseconds > 0
    one.fake.script(get={"status": 503})
    health = await one.provider.check()
    assert not health.ok and health.message and health.code


async def test_connections_are_kept_and_replaced_when_the_service_closed_them(one: Caller) -> None:
    for _ in range(3):
        await one.ask(question(stream=True))
    kept = one.fake.state()["connections"]
    assert kept == 2, "one of ours, one that asks"
    one.fake.then({"close_after": True})
    await one.ask(question())
    assert (await one.ask(question())).choices[0].parts == (Text(TEXT),)


async def test_a_body_of_many_megabytes_passes(one: Caller) -> None:
    await one.ask(question("word " * 1_200_000, stream=True))
    (seen,) = one.fake.seen()
    assert seen["bytes"] > 6_000_000


OTHERS = (
    ("openai", "completions", "openai", {"model": "m", "prompt": "Once", "max_tokens": 99}),
    ("compatible", "completions", "openai", {"model": "m", "prompt": "Once", "max_tokens": 99}),
    ("openai", "embeddings", "openai", {"model": "m", "input": ["a", "b"]}),
    ("compatible", "rerank", "openai", {"model": "m", "query": "red horse", "documents": ["a cow", "a red horse"]}),
    ("openai", "count_tokens", "openai_responses", {"model": "m", "input": "one two three", "store": False, "stream": True}),
    ("anthropic", "count_tokens", "anthropic", {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "one two three"}]}),
    ("gemini", "count_tokens", "gemini", {"contents": [{"role": "user", "parts": [{"text": "one two three"}]}], "generationConfig": {}}),
)  # fmt: skip


def is_right(operation: str, told: dict[str, Any]) -> bool:
    """Whether an answer to one of OTHERS is what the service says."""
    if operation == "completions":
        return bool(told["choices"][0]["text"] == TEXT)
    if operation == "embeddings":
        return [len(row["embedding"]) for row in told["data"]] == [8, 8]
    if operation == "rerank":
        return [row["index"] for row in told["results"]] == [1, 0]
    return bool(told["input_tokens"] == 3)


@pytest.mark.parametrize(("kind", "operation", "dialect", "body"), OTHERS)
async def test_what_is_no_chat(
    fakes: dict[tuple[str, str], FakeProvider], kind: str, operation: Any, dialect: str, body: dict[str, Any]
) -> None:
    fake = fakes[kind, "http"]
    fake.script()
    async with caller(fake, dialect) as made:
        assert dialect in made.provider.dialects[operation]
        exchange = await made.provider.open(Call(operation, dialect, "m", msgspec.json.encode(body)))
        told = json.loads(await exchange.read())
    assert is_right(operation, told), told


async def test_plain_completions_stream(fakes: dict[tuple[str, str], FakeProvider]) -> None:
    fake = fakes["openai", "http"]
    fake.script()
    body = msgspec.json.encode({"model": "m", "prompt": "Once", "max_tokens": 99, "stream": True})
    async with caller(fake, "openai") as made:
        exchange = await made.provider.open(Call("completions", "openai", "m", body, True))
        told = b"".join([chunk async for chunk in exchange.chunks()])
    assert told.endswith(b"data: [DONE]\n\n") and len(told) == fake.seen()[0]["told"]


@pytest.mark.parametrize("vendor", ["mistral", "vllm", "openrouter", "groq"])
async def test_vendors_go_on_with_an_answer_each_in_their_way(
    fakes: dict[tuple[str, str], FakeProvider], vendor: str
) -> None:
    fake = fakes["compatible", "http"]
    fake.script(vendor=vendor)
    begun = text_message("assistant", TEXT[:24])
    async with caller(fake, "openai_chat", vendor=vendor) as made:
        assert made.provider.abilities("m").prefill
        asked = question(messages=(text_message("user", "Go."), begun), continues=True, stream=True, seed=7)
        answer = await made.ask(asked)
    assert answer.choices[0].parts == (Text(TEXT[24:]),)


@pytest.mark.parametrize(
    ("kind", "dialect"), [("anthropic", "anthropic"), ("ollama", "ollama_chat"), ("ollama", "openai_chat")]
)
async def test_an_answer_is_gone_on_with(fakes: dict[tuple[str, str], FakeProvider], kind: str, dialect: str) -> None:
    fake = fakes[kind, "http"]
    fake.script()
    async with caller(fake, dialect) as made:
        model = "claude-sonnet-4-5"
        assert made.provider.abilities(model).prefill
        messages = (text_message("user", "Go."), text_message("assistant", TEXT[:23]))
        answer = await made.ask(question(model=model, messages=messages, continues=True, stream=True))
    assert answer.choices[0].parts == (Text(TEXT[23:]),)


async def test_what_vendors_tell_of_their_models_is_kept(fakes: dict[tuple[str, str], FakeProvider]) -> None:
    fake = fakes["compatible", "http"]
    for vendor, context in (
        ("openrouter", 131072),
        ("groq", 131072),
        ("mistral", 32768),
        ("vllm", 32768),
        ("together", 8192),
    ):
        fake.script(vendor=vendor)
        async with caller(fake, "openai_chat", vendor=vendor) as made:
            model = (await made.provider.models())[0]
            assert model.context_length == context
            if vendor == "openrouter":
                assert made.provider.abilities(model.name).images
                prices = made.provider.prices(model.name)
                assert prices is not None
                assert prices.cost(1_000_000, 1_000_000) == pytest.approx(2.0)
                assert prices.cost(1_000_000, 0, cached=1_000_000) == pytest.approx(0.05)
