"""Own engines in routes: spill-over, and an engine that dies in the middle of an answer."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest

from corral.engines import EngineSpec
from corral.inference import Hooks, Inference, Route
from corral.inference.types import Ask
from corral.settings import AttachedEngine
from tests.fakes.storyteller import answer_to
from tests.support.engines import Table, engines
from tests.support.inference import ANN, Fixed, Gateway, Recorded, provider_of, route, said
from tests.support.providers import FakeProvider, fake_provider
from tests.support.waiting import eventually

WORDS = [f"word{number} " for number in range(30)]
TALE = "words=40 interval=30"
CLOUD = {"text": "The cloud says so."}
SPILL = route("spill", ("local", "other"), ("openai", "gpt"), strategy="local_first", spill_after=1.0)
GO_ON = route("go-on", ("local", "teller"), ("openai", "gpt"))
ALONE = route("alone", ("local", "teller"))


class Names:
    """Every engine by its own name, two slots each."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def resolve(self, name: str | None) -> Route:
        return Route(name or "teller", 2, self._table.spec(name or "teller").context_length)


@pytest.fixture(scope="module")
def cloud() -> Iterator[FakeProvider]:
    with fake_provider("openai") as made:
        yield made


@pytest.fixture(scope="module")
def near() -> Iterator[FakeProvider]:
    with fake_provider("compatible") as made:
        yield made


@pytest.fixture
async def gate(tmp_path: Path, cloud: FakeProvider, near: FakeProvider) -> AsyncIterator[Gateway]:
    command = (sys.executable, "-m", "tests.fakes.storyteller", "--port", "{port}")
    near_by = AttachedEngine(url=near.url, api_key="its-key", slots=2)
    table = Table(
        teller=EngineSpec("teller", None, entry=AttachedEngine(command=command, slots=2)),
        other=EngineSpec("other", None, slots=2, entry=near_by),
    )
    async with engines(tmp_path, table) as (made, _):
        inference = Inference(Names(table), made, queue=8)
        provider = provider_of(cloud)
        directory = Fixed({"local": inference.own, "openai": provider}, [SPILL, GO_ON, ALONE])
        recorder = Recorded()
        inference.use(directory, Hooks(recorder=recorder))
        yield Gateway(inference, directory, recorder)
        await inference.stop()
        await provider.close()


def kill_engine(gate: Gateway) -> None:
    [status] = [one for one in gate.inference.own._places._engines.statuses() if one.model == "teller"]  # type: ignore[attr-defined]
    assert status.pid is not None
    os.killpg(os.getpgid(status.pid), signal.SIGKILL)


async def interrupted(gate: Gateway, name: str, after: int) -> bytes:
    """A streamed answer whose engine is killed behind so many pieces."""
    pieces: list[bytes] = []
    given = {"model": name, "messages": [{"role": "user", "content": TALE}], "stream": True}
    asked = Ask("chat", "openai_chat", name, msgspec.json.encode(given), True)
    async with aclosing(await gate.inference.stream(ANN, asked)) as stream:
        async for piece in stream:
            pieces.append(piece)
            if len(pieces) == after:
                kill_engine(gate)
    return b"".join(pieces)


async def test_an_engine_that_dies_is_started_again_and_goes_on_with_its_answer(gate: Gateway) -> None:
    stream = await interrupted(gate, "alone", 10)
    record = gate.recorder.last
    assert said("openai_chat", stream) == answer_to(TALE)
    assert record.outcome == "completed"
    assert record.attempts[0].outcome == "failed"
    assert {attempt.kind for attempt in record.attempts[1:]} <= {"continuation", "retry"}
    assert len(record.attempts) >= 2


async def test_a_request_after_the_death_of_an_engine_has_its_answer(gate: Gateway) -> None:
    assert said("openai_chat", await interrupted(gate, "alone", 10_000)) == answer_to(TALE)
    kill_engine(gate)
    assert said("openai_chat", await interrupted(gate, "alone", 10_000)) == answer_to(TALE)


async def test_an_engine_that_dies_hands_its_answer_to_the_cloud(gate: Gateway, cloud: FakeProvider) -> None:
    cloud.script(CLOUD)
    stream = await interrupted(gate, "go-on", 10)
    record = gate.recorder.last
    assert record.outcome == "completed"
    assert [attempt.provider for attempt in record.attempts] == ["local", "openai"]
    assert said("openai_chat", stream).endswith(CLOUD["text"])
    [asked] = cloud.seen()
    begun = asked["body"]["messages"][-2]
    assert begun["role"] == "assistant"
    assert said("openai_chat", stream) == begun["content"] + CLOUD["text"]


async def test_own_engines_first_and_the_cloud_when_too_many_wait(
    gate: Gateway, cloud: FakeProvider, near: FakeProvider
) -> None:
    near.script({"tokens": WORDS, "pace": 1.0})
    cloud.script(CLOUD)
    body = {"messages": [{"role": "user", "content": "ping"}], "model": "spill", "stream": True}
    asked = Ask("chat", "openai_chat", "spill", msgspec.json.encode(body), True)
    running = [await gate.inference.stream(ANN, asked) for _ in range(2)]
    try:
        assert [stream.headers["X-Corral-Provider"] for stream in running] == ["local", "local"]
        # Both slots are taken: this one waits a second and goes elsewhere.
        assert await gate.text("spill") == CLOUD["text"]
        spilled, answered = gate.recorder.last.attempts
        assert (spilled.provider, spilled.error, answered.provider) == ("local", "overloaded", "openai")
        # While somebody waits, the next one does not even begin to.
        waiting = asyncio.create_task(gate.inference.local.place("other"))
        await eventually(lambda: gate.inference.waiting("other") == 1)
        assert await gate.text("spill") == CLOUD["text"]
        assert "wait" in gate.recorder.last.attempts[0].message
        waiting.cancel()
        assert gate.inference.condition(SPILL.candidates[0])["breaker"] == "closed"
        # When the cloud is away too, an own engine is worth waiting for.
        cloud.script({"status": 400 + 1})
        near.script({"tokens": ["late"]})
        last = asyncio.create_task(gate.text("spill"))
        await eventually(lambda: bool(cloud.seen()))
        for stream in running:
            await stream.aclose()
        assert await asyncio.wait_for(last, 60) == "late"
    finally:
        for stream in running:
            await stream.aclose()
