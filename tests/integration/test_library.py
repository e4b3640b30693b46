"""The library over scripted providers and the included model on a real engine: answers, streams, failover, limits, forms, cancelling, sync."""

from __future__ import annotations

import asyncio
import base64
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pydantic
import pytest

from corral import LLM, Answer, Finished, Image, Message, Text, TextDelta, ToolCallDelta, Usage, tool_result
from corral.errors import (
    CorralError,
    InvalidRequest,
    ModelNotFound,
    OutputInvalid,
    RateLimited,
    ShuttingDown,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from tests.support.gateway import PNG, SEEN_IMAGE
from tests.support.providers import FakeProvider
from tests.support.server import Server
from tests.support.waiting import eventually

TOKENS = [f"word{number} " for number in range(60)]
TEXT = "".join(TOKENS)
ROUTES = {"both": ["openai/gpt", "anthropic/claude"], "back": ["anthropic/claude", "openai/gpt"]}
LIMITS = [{"scope": "user", "subject": "hasty", "requests_per_minute": 1}]


class Place(msgspec.Struct):
    city: str
    people: int


def made_with(openai: FakeProvider, anthropic: FakeProvider) -> dict[str, Any]:
    providers = {
        "openai": {"base_url": openai.base_url, "api_key": ["one", "two"], "discover": False},
        "anthropic": {"base_url": anthropic.base_url, "discover": False},
    }
    environ = {"ANTHROPIC_API_KEY": "three", "PATH": os.environ["PATH"]}
    return {"providers": providers, "routes": ROUTES, "limits": LIMITS, "environ": environ}


@pytest.fixture
async def llm(openai: FakeProvider, anthropic: FakeProvider) -> AsyncIterator[LLM]:
    openai.script({"text": "Hello!", "reasoning": "hm", "usage": {"prompt": 5, "completion": 3}})
    anthropic.script({"text": "Hello!"})
    async with LLM(**made_with(openai, anthropic)) as made:
        yield made


async def test_a_question_has_an_answer(llm: LLM, openai: FakeProvider, anthropic: FakeProvider) -> None:
    answer = await llm.chat("Hi", model="openai/gpt", system="Be brief.", temperature=0, max_tokens=50, top_k=3)
    assert (answer.text, answer.value, answer.stop_reason) == ("Hello!", None, "stop")
    assert (answer.provider, answer.model, answer.attempts) == ("openai", "gpt", 1)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 5
    [seen] = openai.seen()
    assert [one["role"] for one in seen["body"]["messages"]] == ["system", "user"]
    # In OpenAI's own way: the newer name of the limit, and nothing that it refuses.
    assert seen["body"]["max_completion_tokens"] == 50
    assert "top_k" not in seen["body"]
    assert seen["key"] in ("one", "two")
    again = await llm.chat("Hi", model="openai/gpt", system="Be brief.", temperature=0, max_tokens=50, top_k=3)
    assert (again.text, again.cache) == ("Hello!", "hit")
    first = await llm.chat("Hi", model="openai/gpt", idempotency_key="one")
    openai.script({"text": "Another one."})
    replayed = await llm.chat("Hi", model="openai/gpt", idempotency_key="one")
    assert (replayed.text, replayed.cache) == (first.text, "replayed")
    fixed: Any = {"model": "openai/gpt", "system": "Be brief.", "temperature": 0, "max_tokens": 50, "top_k": 3}
    assert (await llm.chat("Hi", cache="bypass", **fixed)).text == "Another one."
    assert (await llm.chat("Hi", model="anthropic/claude")).text == "Hello!"
    assert anthropic.seen()[0]["key"] == "three"


async def test_a_conversation_goes_on_with_tools_and_images(llm: LLM, openai: FakeProvider) -> None:
    def weather(city: str) -> None:
        """How the weather is."""

    openai.script({"text": "", "tool_calls": [{"name": "weather", "arguments": {"city": "Ulm"}}]})
    asked = Message("user", (Text("How is it there?"),))
    answer = await llm.chat([asked], model="openai/gpt", tools=[weather], tool_choice="required")
    [call] = answer.tool_calls
    assert (call.name, msgspec.json.decode(call.arguments)) == ("weather", {"city": "Ulm"})
    assert (answer.stop_reason, answer.message.parts) == ("tool_calls", (call,))
    openai.script({"text": "Sunny."})
    after = await llm.chat([asked, answer.message, tool_result(call, "sun")], model="openai/gpt", tools=[weather])
    assert after.text == "Sunny."
    assert openai.seen()[0]["body"]["messages"][2] == {"role": "tool", "tool_call_id": call.id, "content": "sun"}
    openai.script({"echo_images": True})
    seen = Message("user", (Text("What is it?"), Image("image/png", base64.b64encode(PNG).decode())))
    assert (await llm.chat(seen, model="openai/gpt")).text == SEEN_IMAGE


async def test_a_stream_tells_events_and_the_whole(llm: LLM, openai: FakeProvider) -> None:
    events = [event async for event in llm.stream("Hi", model="openai/gpt")]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Hello!"
    assert any(isinstance(event, Finished) for event in events)
    assert any(isinstance(event, Usage) for event in events)
    async with llm.stream("Hi", model="openai/gpt") as stream:
        assert "".join([piece async for piece in stream.text()]) == "Hello!"
        answer = await stream.answer()
    assert (answer.text, answer.provider, answer.attempts) == ("Hello!", "openai", 1)
    openai.script({"text": "", "tool_calls": [{"name": "look", "arguments": {"at": 1}}]})
    tool = {"name": "look", "parameters": {"type": "object"}}
    stream = llm.stream("Hi", model="openai/gpt", tools=[tool])
    assert any(isinstance(event, ToolCallDelta) for event in [event async for event in stream])
    assert (await stream.answer()).tool_calls[0].name == "look"


@pytest.mark.parametrize("then", ["reset", "end", "error"])
async def test_a_provider_that_breaks_off_in_the_middle_is_replaced(
    llm: LLM, openai: FakeProvider, anthropic: FakeProvider, then: str
) -> None:
    openai.script({"tokens": TOKENS, "after": 40, "then": then})
    anthropic.script({"tokens": TOKENS})
    async with llm.stream("A story", model="both") as stream:
        assert "".join([piece async for piece in stream.text()]) == TEXT
        assert (await stream.answer()).text == TEXT
    assert len(anthropic.seen()) == 1
    answer = await llm.chat("A story", model="both")
    assert (answer.text, answer.provider) == (TEXT, "anthropic")


async def test_nobody_left_is_the_error_that_it_was(llm: LLM, openai: FakeProvider) -> None:
    openai.script({"tokens": TOKENS, "after": 40, "then": "error"})
    told = []
    with pytest.raises(UpstreamFailed):
        async for event in llm.stream("A story", model="openai/gpt"):
            told.append(event)
    assert len(told) >= 40
    with pytest.raises(ModelNotFound, match="nothing"):
        await llm.chat("Hi", model="nothing")
    with pytest.raises(ModelNotFound):
        await anext(llm.stream("Hi", model="nothing"))
    openai.script({"status": 400, "message": "no such thing"})
    with pytest.raises(InvalidRequest, match="no such thing"):
        await llm.chat("Hi", model="openai/other")


async def test_a_form_is_a_value_of_its_type(llm: LLM, openai: FakeProvider) -> None:
    class City(pydantic.BaseModel):
        city: str
        people: int

    openai.script(None)
    typed = await llm.chat("Which city?", model="openai/gpt", schema=City)
    assert typed.value == City(city="Käse", people=7)
    assert (typed.structured, typed.attempts) == ("valid", 1)
    assert openai.seen()[0]["body"]["response_format"]["json_schema"]["strict"] is True
    stream = llm.stream("Which?", model="openai/gpt", schema=Place)
    found: Answer[Place] = await stream.answer()
    assert found.value == Place("Käse", 7)
    assert (await llm.chat("Which?", model="openai/gpt", schema=list[int])).value == [7]
    openai.then({"honour_schema": False, "schema_text": "a poem"})
    repaired = await llm.chat("Which?", model="openai/gpt", schema=Place, temperature=1)
    assert (repaired.structured, repaired.attempts, repaired.value) == ("repaired", 2, Place("Käse", 7))
    openai.script({"honour_schema": False, "schema_text": '{"city": 1, "people": 7}', "resume": "over"})
    with pytest.raises(OutputInvalid, match="city: must be string") as caught:
        await llm.chat("Which?", model="openai/gpt", schema=Place, repairs=1)
    assert caught.value.details is not None
    assert caught.value.details["repairs"] == 1
    openai.script({"honour_schema": False, "schema_text": '{"city": 1, "people": 7}', "pace": 0.01})
    with pytest.raises(OutputInvalid) as caught:
        await llm.stream("Which?", model="openai/gpt", schema=Place).answer()
    assert caught.value.details is not None
    assert caught.value.details["problems"] == ["$.city: must be string"]
    openai.script({"text": '{"city": "a b c d e f"'})
    with pytest.raises(OutputInvalid, match="cut by max_tokens"):
        await llm.chat("Which?", model="openai/gpt", schema=Place, max_tokens=2)
    with pytest.raises(InvalidRequest) as refused:
        await llm.chat("Which?", model="openai/gpt", schema={"properties": {"a": {"type": "strng"}}})
    assert refused.value.param == "schema.properties.a.type"


async def test_leaving_ends_the_work_upstream(llm: LLM, openai: FakeProvider) -> None:
    def idle() -> bool:
        gc.collect()
        return bool(openai.state()["open"] == 0 and openai.seen()[-1]["hung_up"])

    slow = {"tokens": TOKENS, "pace": 0.2}
    openai.script(slow)
    async with llm.stream("A story", model="openai/gpt") as stream:
        await anext(stream)
    await eventually(idle, message="left a context")
    openai.script(slow)
    async for _ in llm.stream("A story", model="openai/gpt"):
        break
    await eventually(idle, message="left a loop")
    openai.script({"text": "late", "first_after": 60})
    task = asyncio.create_task(llm.chat("A story", model="openai/gpt"))
    await eventually(lambda: openai.state()["open"] == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(idle, message="cancelled")
    openai.script({"text": "late", "first_after": 60})
    for work in (
        llm.chat("A story", model="openai/gpt", timeout=0.3),
        llm.stream("A story", model="openai/gpt", timeout=0.5).answer(),
    ):
        with pytest.raises(UpstreamTimeout, match=r"longer than 0\.[35] s"):
            await work
    await eventually(idle, message="too late")
    openai.script(slow)
    stream = llm.stream("A story", model="openai/gpt")
    await anext(stream)
    await stream.aclose()
    with pytest.raises(InvalidRequest, match="before its end"):
        await stream.answer()


async def test_a_hundred_at_once(llm: LLM, openai: FakeProvider, anthropic: FakeProvider) -> None:
    for fake in (openai, anthropic):
        fake.script({"echo": True})
    whole = [llm.chat(f"question {number}", model="both") for number in range(50)]
    streamed = [llm.stream(f"question {number}", model="back").answer() for number in range(50, 100)]
    answers = await asyncio.gather(*whole, *streamed)
    assert [answer.text for answer in answers] == [f"question {number}" for number in range(100)]


async def test_limits_hold_and_say_when_to_come_again(openai: FakeProvider, anthropic: FakeProvider) -> None:
    openai.script({"text": "Hello!"})
    async with LLM(user="hasty", **made_with(openai, anthropic)) as llm:
        await llm.chat("Hi", model="openai/gpt")
        with pytest.raises(RateLimited) as caught:
            await llm.chat("Hi again", model="openai/gpt")
        assert caught.value.retry_after is not None
    assert len(openai.seen()) == 1


async def test_what_is_wrong_with_how_it_is_made_or_used(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"providers\.mine.*base_url"):
        await LLM(providers={"mine": {"kind": "compatible"}}).start()
    with pytest.raises(InvalidRequest, match="not_there"):
        await LLM(config=tmp_path / "not_there.toml").start()
    with pytest.raises(InvalidRequest, match="user"):
        await LLM(user="a b").start()
    never = LLM()
    with pytest.raises(InvalidRequest, match="async with"):
        await never.chat("Hi")
    async with LLM(tmp_path / "data") as llm:
        with pytest.raises(Unavailable, match="in use by another Corral"):
            await LLM(tmp_path / "data").start()
        with pytest.raises(InvalidRequest, match="timeout"):
            await llm.chat("Hi", timeout=-1)
    with pytest.raises(ShuttingDown):
        await llm.chat("Hi")
    with pytest.raises(ShuttingDown):
        await llm.start()
    assert (tmp_path / "data" / "corral.db").exists(), "what is given stays"


async def test_a_model_on_a_real_engine_and_a_data_folder(tmp_path: Path, scripted_model: Path) -> None:
    (tmp_path / "models").mkdir()
    shutil.copy(scripted_model, tmp_path / "models")
    (tmp_path / "corral.toml").write_text('[routes.mine]\ncandidates = ["local/corral-demo"]\n')
    async with LLM(tmp_path) as llm:
        names = {one.name: one for one in await llm.models()}
        assert {"mine", "corral-demo"} <= names.keys()
        assert names["corral-demo"].local
        answers = await asyncio.gather(*(llm.chat("ping", model="mine") for _ in range(6)))
        assert {answer.text for answer in answers} == {"pong"}
        assert (await llm.chat("ping")).provider == "local"
        stream = llm.stream("ping", model="corral-demo")
        assert [piece async for piece in stream.text()] == ["pong"]
        typed = await llm.chat("ping", schema=bool, max_tokens=60)
        assert typed.value in (True, False)


async def test_without_a_data_folder_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    async with LLM(environ={"PATH": os.environ["PATH"]}) as llm:
        assert [one.name for one in await llm.models()] == ["cria"]
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


async def test_embeddings(llm: LLM, openai: FakeProvider) -> None:
    found = await llm.embed(["a", "b"], model="openai/text")
    assert len(found.vectors) == 2
    assert found.provider == "openai"
    with pytest.raises(InvalidRequest) as caught:
        await llm.embed([], model="openai/text")
    assert caught.value.param == "texts"


async def test_a_running_corral_by_its_address(shared_server: Server) -> None:
    async with LLM(url=shared_server.url, key="whatever") as llm:
        assert "corral-demo" in {one.name for one in await llm.models()}
        answer = await llm.chat("ping", model="corral-demo")
        assert (answer.text, answer.provider) == ("pong", "corral")
        pieces = [piece async for piece in llm.stream("hello", model="corral-demo").text()]
        assert len(pieces) > 5
        assert (await llm.chat("ping", model="corral-demo", schema=bool, max_tokens=60)).value in (True, False)
        with pytest.raises(ModelNotFound):
            await llm.chat("Hi", model="nothing")
        with pytest.raises(InvalidRequest) as caught:
            await llm.chat("Hi")
        assert caught.value.param == "model"
    async with LLM(url="http://127.0.0.1:9") as nobody:
        with pytest.raises(UpstreamFailed):
            await nobody.chat("Hi", model="m")


# without an event loop


async def test_it_waits_beside_a_running_loop_and_in_many_threads(
    openai: FakeProvider, anthropic: FakeProvider
) -> None:
    openai.script({"echo": True})
    before = threading.active_count()
    with LLM.sync(**made_with(openai, anthropic)) as llm:
        assert llm.chat("Hi", model="openai/gpt").text == "Hi"
        assert [*llm.stream("Hi there", model="openai/gpt").text()] == ["Hi", " there"]
        with llm.stream("Hi", model="openai/gpt") as stream:
            assert any(isinstance(event, TextDelta) for event in stream)
            assert stream.answer().text == "Hi"
        assert llm.embed("a", model="openai/text").vectors
        assert any(one.name == "both" for one in llm.models())
        with ThreadPoolExecutor(20) as pool:
            texts = list(pool.map(lambda number: llm.chat(f"q{number}", model="openai/gpt").text, range(40)))
        assert texts == [f"q{number}" for number in range(40)]
        openai.script({"tokens": TOKENS, "after": 40, "then": "reset"})
        anthropic.script({"tokens": TOKENS})
        assert "".join(llm.stream("A story", model="both").text()) == TEXT, "the next one goes on"
        openai.script(None)
        assert llm.chat("Which city?", model="openai/gpt", schema=Place).value == Place("Käse", 7)
        openai.script({"tokens": TOKENS, "pace": 0.2})
        for _ in llm.stream("A story", model="openai/gpt"):
            break
        await eventually(
            lambda: (gc.collect() and False) or (openai.state()["open"] == 0 and openai.seen()[-1]["hung_up"])
        )
        with pytest.raises(CorralError):
            llm.chat("Hi", model="nothing")
    llm.close()
    with pytest.raises(ShuttingDown):
        llm.chat("Hi")
    await eventually(lambda: threading.active_count() <= before, message="threads that are left")


def test_a_plain_script_that_forgets_to_close_ends_cleanly(tmp_path: Path, openai: FakeProvider) -> None:
    openai.script({"text": "Hello!"})
    script = (
        "from corral import LLM\n"
        f"llm = LLM.sync({str(tmp_path)!r}, providers={{'openai': {{'base_url': {openai.base_url!r}, 'api_key': 'k'}}}})\n"
        "llm.start()\nprint(llm.chat('Hi', model='openai/gpt').text, llm.chat('What is 7 plus 12?').text)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "Hello! 7 plus 12 is 19.\n"), done.stderr
    assert done.stderr == "", "nothing is said to who does not listen"


def test_an_interrupt_gives_a_question_up(openai: FakeProvider) -> None:
    openai.script({"first_after": 60, "text": "late"})
    script = (
        "from corral import LLM\n"
        f"with LLM.sync(providers={{'openai': {{'base_url': {openai.base_url!r}, 'api_key': 'k'}}}}) as llm:\n"
        "    print('ready', flush=True)\n"
        "    try:\n        llm.chat('Hi', model='openai/gpt')\n"
        "    except KeyboardInterrupt:\n        print('interrupted', flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        deadline = time.monotonic() + 60
        while openai.state()["open"] == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert openai.seen()[-1]["hung_up"]
