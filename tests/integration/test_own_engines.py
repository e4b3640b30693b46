"""This machine's engines behind the port of all providers: the embedded one, and a scripted server that is attached."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from corral.dialects.form import Text
from corral.dialects.registry import DIALECTS
from corral.engines import Engines
from corral.inference.local import LocalDoor, Route
from corral.kit.errors import ContextExceeded, InvalidRequest, ModelNotFound, UpstreamFailed, UpstreamTimeout
from corral.providers.own import OwnEngines
from corral.providers.types import Call, ProviderModel
from tests.fakes.providers.story import TEXT
from tests.support.calling import SHORT, gathered
from tests.support.engines import Table, attached, embedded, engines
from tests.support.providers import FakeProvider, fake_provider
from tests.support.waiting import eventually, within

CHAT = {"model": "real", "messages": [{"role": "user", "content": "ping"}], "max_tokens": 40}


class Names:
    """Every engine by its own name."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def resolve(self, name: str | None) -> Route:
        return Route(name or "real", 2, self._table.spec(name or "real").context_length)


@pytest.fixture
def upstream() -> Iterator[FakeProvider]:
    with fake_provider("compatible") as made:
        yield made


@pytest.fixture
async def own(
    tmp_path: Path, scripted_model: Path, upstream: FakeProvider
) -> AsyncIterator[tuple[OwnEngines, Engines]]:
    table = Table(real=embedded(scripted_model), other=attached(upstream.url, "its-key"))
    async with engines(tmp_path, table) as (made, _):
        door = LocalDoor(Names(table), made, queue=8)
        yield OwnEngines(door, lambda: [ProviderModel("real"), ProviderModel("other")]), made


def asked(upstream: FakeProvider) -> list[dict[str, Any]]:
    """What was asked, without what looks after the server's health."""
    return [seen for seen in upstream.seen() if seen["method"] == "POST"]


def call(body: dict[str, Any], operation: Any = "chat", dialect: str = "openai_chat", **more: Any) -> Call:
    raw = msgspec.json.encode(body)
    return Call(operation, dialect, body["model"], raw, bool(body.get("stream")), **more)


async def test_a_real_engine_answers_in_a_stream_and_whole(own: tuple[OwnEngines, Engines]) -> None:
    provider, made = own
    stream = await provider.open(call({**CHAT, "stream": True, "stream_options": {"include_usage": True}}))
    told = await gathered(stream, "openai_chat")
    exchange = await provider.open(call(CHAT))
    whole = DIALECTS["openai_chat"].read_answer(await exchange.read())
    assert told.choices[0].parts == whole.choices[0].parts
    assert isinstance(told.choices[0].parts[0], Text) and told.choices[0].parts[0].text
    assert told.choices[0].reason == whole.choices[0].reason
    assert told.usage is not None and whole.usage is not None
    assert told.usage.completion_tokens == whole.usage.completion_tokens > 0
    assert made.status("real").busy == 0, "both leases were given back"


async def test_tokens_are_counted_by_the_models_own_template_and_tokenizer(own: tuple[OwnEngines, Engines]) -> None:
    provider, made = own
    counted = await provider.open(call({**CHAT, "stream": True}, "count_tokens"))
    told = json.loads(await counted.read())
    answered = json.loads(await (await provider.open(call(CHAT))).read())
    assert told == {"input_tokens": answered["usage"]["prompt_tokens"]}
    assert made.status("real").busy == 0


async def test_a_prompt_that_is_too_long_is_told_with_both_numbers(own: tuple[OwnEngines, Engines]) -> None:
    provider, made = own
    for stream in (True, False):
        body = {**CHAT, "stream": stream, "messages": [{"role": "user", "content": "word " * 2000}]}
        with pytest.raises(ContextExceeded) as caught:
            await provider.open(call(body))
        details = caught.value.details
        assert details is not None
        assert (details["n_ctx"], details["provider"]) == (512, "local")
        assert details["n_prompt_tokens"] > 512
    assert made.status("real").busy == 0


async def test_an_answer_that_is_given_up_frees_its_slot(
    own: tuple[OwnEngines, Engines], upstream: FakeProvider
) -> None:
    provider, made = own
    upstream.script({"after": 1, "then": "stall"})
    exchange = await provider.open(call({**CHAT, "model": "other", "stream": True}))
    assert made.status("other").busy == 1
    exchange.abort()
    assert made.status("other").busy == 0
    await eventually(lambda: asked(upstream)[0]["hung_up"])
    upstream.script({"first_after": 60})
    task = asyncio.create_task(provider.open(call({**CHAT, "model": "other"})))
    await eventually(lambda: upstream.state()["open"])
    task.cancel()
    await asyncio.wait([task])
    assert made.status("other").busy == 0
    await eventually(lambda: asked(upstream)[0]["hung_up"])


async def test_an_attached_server_gets_what_was_sent_and_its_own_key(
    own: tuple[OwnEngines, Engines], upstream: FakeProvider
) -> None:
    provider, _ = own
    body = {**CHAT, "model": "other", "x-own": {"deep": [1, None]}}
    answer = json.loads(await (await provider.open(call(body))).read())
    assert answer["choices"][0]["message"]["content"] == TEXT
    (seen,) = asked(upstream)
    assert seen["body"] == body and seen["key"] == "its-key"


@pytest.mark.parametrize("stream", [True, False])
async def test_what_fails_before_content_is_raised_and_gives_the_slot_back(
    own: tuple[OwnEngines, Engines], upstream: FakeProvider, stream: bool
) -> None:
    provider, made = own
    failures = (
        {"status": 500},
        {"content_type": "text/html"},
        {"before": "close"},
        {"then": "reset"},
        {"before": "garbage"},
    )
    for act in failures:
        upstream.then(act)
        with pytest.raises(UpstreamFailed) as caught:
            await within(provider.open(call({**CHAT, "model": "other", "stream": stream})))
        assert caught.value.details is not None and caught.value.details["provider"] == "local"
    upstream.then({"status": 400}, {"before": "silent"})
    with pytest.raises(InvalidRequest):
        await provider.open(call({**CHAT, "model": "other", "stream": stream}))
    with pytest.raises(UpstreamTimeout):
        await provider.open(call({**CHAT, "model": "other", "stream": stream}, timeouts=SHORT))
    with pytest.raises(ModelNotFound):
        await provider.open(call({**CHAT, "model": "nobody", "stream": stream}))
    assert made.status("other").busy == 0
    await eventually(lambda: not upstream.state()["open"])


async def test_what_an_own_engine_does_not_do(own: tuple[OwnEngines, Engines]) -> None:
    provider, made = own
    with pytest.raises(InvalidRequest):
        await provider.open(call(CHAT, "chat", "anthropic"))
    with pytest.raises(InvalidRequest, match="count"):
        await provider.open(call({**CHAT, "model": "other"}, "count_tokens"))
    with pytest.raises(InvalidRequest, match="embeddings"):
        await provider.open(call({"model": "real", "input": "a"}, "embeddings", "openai"))
    assert made.status("real").busy == made.status("other").busy == 0


async def test_an_answers_beginning_is_gone_on_with(own: tuple[OwnEngines, Engines]) -> None:
    provider, _ = own
    assert provider.abilities("real").prefill
    asking = {"role": "user", "content": "Count from one to ten."}
    body = {**CHAT, "stream": True, "temperature": 0, "max_tokens": 200, "messages": [asking]}
    whole = await gathered(await provider.open(call(body)), "openai_chat")
    (part,) = whole.choices[0].parts
    assert isinstance(part, Text)
    begun = " ".join(part.text.split(" ")[:2])
    messages = [asking, {"role": "assistant", "content": begun}]
    rest = await gathered(await provider.open(call({**body, "messages": messages})), "openai_chat")
    assert len(begun) < len(part.text)
    assert rest.choices[0].parts == (Text(part.text[len(begun) :]),)


async def test_what_is_known_of_own_engines(own: tuple[OwnEngines, Engines]) -> None:
    provider, _ = own
    assert [model.name for model in await provider.models()] == ["real", "other"]
    health = await provider.check()
    assert health.ok and health.models == 2
    prices = provider.prices("real")
    assert prices is not None and prices.cost(1_000_000, 1_000_000) == 0
