"""Answers that are not in the form that was asked for, by every provider: asked for again, within limits, or an error that says why (BR-6)."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from corral.dialects.form import ToolCall
from corral.dialects.gathering import gather
from corral.dialects.registry import DIALECTS
from corral.inference.types import Ask
from corral.kit.errors import CorralError, OutputInvalid
from tests.support import inference
from tests.support.gateway import ELSEWHERE, Gateway
from tests.support.inference import ANN, provider_of, read, route
from tests.support.structured import (
    DIALECTS_OF_CLIENTS,
    GOOD,
    SCHEMA,
    answered,
    ask,
    fake,
    own,
)
from tests.support.waiting import eventually

FORCED: dict[str, dict[str, Any]] = {
    "openai_chat": {
        "tools": [{"type": "function", "function": {"name": "place", "parameters": SCHEMA}}],
        "tool_choice": {"type": "function", "function": {"name": "place"}},
    },
    "openai_responses": {
        "tools": [{"type": "function", "name": "place", "parameters": SCHEMA}],
        "tool_choice": {"type": "function", "name": "place"},
    },
    "anthropic": {
        "tools": [{"name": "place", "input_schema": SCHEMA}],
        "tool_choice": {"type": "tool", "name": "place"},
    },
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", ELSEWHERE)
async def test_an_answer_that_does_not_fit_is_asked_for_again_with_what_is_wrong_with_it(
    every_provider: Gateway, tmp_path: Path, kind: str, stream: bool
) -> None:
    provider = fake(every_provider, kind)
    async with own(every_provider, tmp_path, kind) as gate:
        for dialect in DIALECTS_OF_CLIENTS:
            provider.script(None)
            provider.then({"honour_schema": False, "schema_text": '{"city": "X", "people": "many"}'})
            assert json.loads(await answered(gate, ask(f"{kind}/m", dialect, stream=stream, repair=2))) == GOOD
            record = gate.recorder.last
            assert (record.structured, record.outcome) == ("repaired", "completed")
            assert [(one.kind, one.outcome) for one in record.attempts] == [
                ("first", "completed"),
                ("repair", "completed"),
            ]
            second = json.dumps(provider.seen()[-1]["body"], ensure_ascii=False)
            assert "$.city: has 1 characters" in second
            assert "$.people: must be integer" in second
            assert "many" in second


@pytest.mark.parametrize("kind", ELSEWHERE)
async def test_an_answer_that_never_fits_is_an_error_that_says_why(
    every_provider: Gateway, tmp_path: Path, kind: str
) -> None:
    # It says all of it again rather than what would come after it.
    wrong = {"honour_schema": False, "schema_text": '{"city": "Ulm", "people": 6}', "resume": "over"}
    provider = fake(every_provider, kind)
    async with own(every_provider, tmp_path, kind) as gate:
        for repair, times in ((None, 3), (0, 1), (1, 2)):
            provider.script(wrong)
            with pytest.raises(OutputInvalid, match="people: is 6, at least 7") as caught:
                await answered(gate, ask(f"{kind}/m", "openai_chat", stream=False, repair=repair))
            assert (caught.value.status, caught.value.code) == (502, "output_invalid")
            assert caught.value.details is not None
            assert caught.value.details["repairs"] == times - 1
            assert len(provider.seen()) == times
            assert gate.recorder.last.outcome == "failed"
            assert gate.inference.health.of(route("r", (kind, "m")).candidates[0]).failed == 0, "it does answer"


@pytest.mark.parametrize("kind", [kind for kind in ELSEWHERE if kind != "ollama"])
@pytest.mark.parametrize("dialect", list(FORCED))
async def test_the_arguments_of_a_tool_that_has_to_be_called_are_held_against_its_schema(
    every_provider: Gateway, tmp_path: Path, kind: str, dialect: str
) -> None:
    wrong = {"tool_calls": [{"name": "place", "arguments": {"city": "X", "people": 7}}]}
    async with own(every_provider, tmp_path, kind) as gate:

        async def calls(stream: bool, headers: dict[str, str]) -> list[str]:
            made = inference.ask(f"{kind}/m", dialect, stream=stream, **FORCED[dialect])
            asked = Ask("chat", dialect, made.model, made.body, stream, headers)
            if stream:
                async with aclosing(await gate.inference.stream(ANN, asked)) as pieces:
                    answer = gather(read(dialect, b"".join([piece async for piece in pieces])))
            else:
                answer = DIALECTS[dialect].read_answer((await gate.inference.whole(ANN, asked)).body)
            return [part.arguments for part in answer.choices[0].parts if isinstance(part, ToolCall)]

        provider = fake(every_provider, kind)
        for stream in (False, True):
            provider.script(None)
            [arguments] = await calls(stream, {})
            assert json.loads(arguments) == GOOD
            assert len(gate.recorder.last.attempts) == 1
            provider.then(wrong)
            [arguments] = await calls(stream, {"x-corral-repair": "1"})
            assert json.loads(arguments) == GOOD
            assert gate.recorder.last.structured == "repaired"
            told = json.dumps(provider.seen()[-1]["body"])
            assert "$.city: has 1 characters" in told
        provider.script(wrong)
        with pytest.raises(OutputInvalid, match="city: has 1"):
            await calls(stream=False, headers={"x-corral-repair": "0"})
        provider.script({**wrong, "pace": 0.01})
        with pytest.raises(CorralError, match="city: has 1"):
            await calls(stream=True, headers={})
        provider.script({"text": "No.", "tool_calls": []})
        with pytest.raises(OutputInvalid, match="place was not called"):
            await calls(stream=False, headers={})


async def test_the_next_candidate_mends_what_one_cannot(every_provider: Gateway, tmp_path: Path) -> None:
    wrong = {"honour_schema": False, "schema_text": "a poem"}
    bad, good = fake(every_provider, "compatible", **wrong), fake(every_provider, "openai")
    spec = route("r", ("compatible", "m"), ("openai", "m"))
    providers = {kind: provider_of(every_provider.providers[kind]) for kind in ("compatible", "openai")}
    async with inference.gateway(tmp_path, providers, spec) as gate:
        for stream in (False, True):
            assert json.loads(await answered(gate, ask("r", "openai_chat", stream=stream))) == GOOD
            told = [(one.provider, one.kind) for one in gate.recorder.last.attempts]
            assert told == [("compatible", "first"), ("compatible", "repair"), ("openai", "repair")]
            usage = gate.recorder.last.usage
            assert usage is not None
            assert usage.prompt_tokens > 20, "all attempts count"
    assert len(bad.seen()) == 4
    assert len(good.seen()) == 2


async def test_a_repair_that_fails_says_what_was_wrong_and_why_it_stayed_so(
    every_provider: Gateway, tmp_path: Path
) -> None:
    provider = fake(every_provider, "anthropic", honour_schema=False, schema_text="a poem")
    provider.then({}, {"status": 400, "message": "prompt is too long: 9 tokens > 8 maximum"})
    async with own(every_provider, tmp_path, "anthropic") as gate:
        with pytest.raises(OutputInvalid, match=r"no JSON.*could not be asked for again"):
            await answered(gate, ask("anthropic/m", "openai_chat", stream=False))


async def test_the_attempts_and_the_time_of_a_route_bound_repairs(every_provider: Gateway, tmp_path: Path) -> None:
    provider = fake(every_provider, "openai")
    specs = [route("few", ("openai", "m"), attempts=2), route("short", ("openai", "m"), total_timeout=1.0)]
    async with inference.gateway(tmp_path, {"openai": provider_of(provider)}, *specs) as gate:
        provider.script({"honour_schema": False, "schema_text": "a poem", "resume": "over"})
        with pytest.raises(OutputInvalid) as caught:
            await answered(gate, ask("few", "openai_chat", stream=False, repair=5))
        assert caught.value.details is not None
        assert caught.value.details["repairs"] == 1
        assert len(provider.seen()) == 2
        provider.script({"first_after": 30})
        provider.then({"first_after": 0, "honour_schema": False, "schema_text": "a poem"})
        with pytest.raises(OutputInvalid, match=r"no JSON.*longer than it may|no JSON.*within"):
            await answered(gate, ask("short", "openai_chat", stream=True, repair=5))


@pytest.mark.parametrize(
    ("stream", "act"), [(False, {"first_after": 60}), (True, {"pace": 1.0})], ids=["whole", "stream"]
)
async def test_leaving_while_an_answer_is_looked_at_ends_the_work(
    every_provider: Gateway, tmp_path: Path, stream: bool, act: dict[str, Any]
) -> None:
    provider = fake(every_provider, "anthropic", **act)
    async with own(every_provider, tmp_path, "anthropic") as gate:
        task = asyncio.create_task(answered(gate, ask("anthropic/m", "openai_chat", stream=stream, repair=1)))
        await eventually(lambda: provider.state()["open"] == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda: provider.state()["open"] == 0 and provider.seen()[-1]["hung_up"])
        assert gate.recorder.last.outcome == "cancelled"
