"""Attempts at candidates: what is held back and then lost, time that is over, rests that are waited for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from corral.dialects.form import ChatEvent, ChatRequest, Finished, Started, TextDelta, ToolCall, ToolCallDelta, text_of
from corral.dialects.gathering import gather
from corral.inference.attempts.relays import PlainRelay
from corral.inference.outlets import PlainOutlet
from corral.kit.errors import CorralError, UpstreamFailed, UpstreamOverloaded, UpstreamTimeout
from tests.support.clock import ManualClock
from tests.support.inference import Written, gateway, read, route

ARGUMENTS = '{"city":"Köln am Rhein","days":3}'
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def calling(request: ChatRequest, number: int) -> list[ChatEvent]:
    pieces = [ARGUMENTS[at : at + 4] for at in range(0, len(ARGUMENTS), 4)]
    first, *others = (ToolCallDelta(0, piece) for piece in pieces)
    named = ToolCallDelta(0, first.arguments, "call_1", "weather")
    return [Started("gen-1", "their-model", 1000), named, *others, Finished("tool_calls")]


def saying(request: ChatRequest, number: int) -> list[ChatEvent]:
    begun = len(text_of(request.messages[-1]).split()) if request.continues else 0
    words = [TextDelta(f"word{at} ") for at in range(begun, 20)]
    return [Started("gen-1", "their-model", 1000), *words, Finished("stop")]


@pytest.mark.parametrize("others", [True, False])
async def test_the_half_of_a_call_that_was_held_back_is_not_put_before_another_one(
    tmp_path: Path, others: bool
) -> None:
    # Ollama's dialect tells calls in one piece, so nothing of this one has gone out when it breaks.
    providers = {"one": Written(calling, cuts=[700], chunk=50), "two": Written(calling)}
    candidates = [("one", "a"), ("two", "b")][: 2 if others else 1]
    async with gateway(tmp_path, providers, route("r", *candidates)) as gate:
        told = b"".join(await gate.pieces("r", "ollama_chat", tools=[WEATHER]))
        [call] = [part for part in gather(read("ollama_chat", told)).choices[0].parts if isinstance(part, ToolCall)]
        assert json.loads(call.arguments) == json.loads(ARGUMENTS)
        assert [one.outcome for one in gate.recorder.last.attempts] == ["failed", "completed"]


async def test_nobody_is_asked_when_the_whole_answers_time_is_over(tmp_path: Path) -> None:
    clock = ManualClock()

    class Slow(Written):
        async def open(self, call: Any) -> Any:
            await clock.advance(5.0)
            raise UpstreamTimeout("too slow")

    second = Written(saying)
    spec = route("r", ("one", "a"), ("two", "b"), total_timeout=4.0)
    async with gateway(tmp_path, {"one": Slow(saying), "two": second}, spec, clock=clock) as gate:
        with pytest.raises(UpstreamTimeout):
            await gate.text("r")
        assert second.requests == []


async def patiently(work: Coroutine[Any, Any, str], clock: ManualClock) -> str:
    """What comes of `work`, for which time passes whenever it sleeps."""
    task = asyncio.create_task(work)
    for _ in range(1000):
        if task.done():
            return await task
        await clock.advance(0.1 if clock.sleepers else 0.0)
    raise AssertionError("it does not end")


def busy_at(*calls: int) -> Any:
    def fails(number: int) -> CorralError | None:
        return UpstreamOverloaded("busy") if number in calls else None

    return fails


async def test_one_that_is_busy_and_does_not_say_how_long_is_asked_again_after_its_rest(tmp_path: Path) -> None:
    clock = ManualClock()
    only = Written(saying, fails=busy_at(0))
    async with gateway(tmp_path, {"one": only}, route("r", ("one", "a")), clock=clock) as gate:
        assert await patiently(gate.text("r"), clock) == "".join(f"word{at} " for at in range(20))
        assert len(only.requests) == 2
        assert 1.0 <= clock.monotonic() < 1.5


async def test_in_the_middle_too_a_rest_of_a_moment_is_waited_for(tmp_path: Path) -> None:
    clock = ManualClock()

    class Breaking(Written):
        async def open(self, call: Any) -> Any:
            exchange = await super().open(call)
            if len(self.requests) == 1:
                pieces = exchange._pieces

                async def chunks() -> Any:
                    for piece in pieces[:2]:
                        yield piece
                    raise UpstreamOverloaded("busy")

                exchange.chunks = chunks
            return exchange

    only = Breaking(saying)
    async with gateway(tmp_path, {"one": only}, route("r", ("one", "a")), clock=clock) as gate:
        assert await patiently(gate.text("r"), clock) == "".join(f"word{at} " for at in range(20))
        assert 1.0 <= clock.monotonic() < 1.5
        assert [one.kind for one in gate.recorder.last.attempts] == ["first", "continuation"]


@pytest.mark.parametrize("piece", [b"data: {not json\n\n", b'data: {"error": {"message": "broken"}}\n\n'])
def test_a_plain_stream_is_read_as_well(piece: bytes) -> None:
    relay = PlainRelay(PlainOutlet())
    good = b'data: {"choices":[{"text":"a"}]}\n\n'
    assert relay.take(good + piece) == good
    assert isinstance(relay.failure, UpstreamFailed)
    with pytest.raises(UpstreamFailed):
        relay.take(piece)
