"""Answers that break off in the middle are continued by the next service, or end as an error: pitfalls 22 and 23."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from corral.dialects.form import Text, ToolCall, Usage
from corral.dialects.gathering import gather
from corral.inference.routes.types import Candidate
from tests.support.inference import gateway, provider_of, read, route
from tests.support.providers import FakeProvider
from tests.support.two_services import BACK, QUICK, ROUTE, TEXT, TOKENS, WELL, both, failed

ASKERS = ["openai_chat", "anthropic", "openai_responses", "ollama_chat"]
MIDDLES = ["reset", "end", "half", "error", "garbage", "stall"]


@pytest.mark.parametrize("asker", ASKERS)
@pytest.mark.parametrize("then", MIDDLES)
async def test_pitfall_22_23_cut_at_40_of_60_tokens_is_continued(
    tmp_path: Path, openai: FakeProvider, anthropic: FakeProvider, then: str, asker: str
) -> None:
    for spec, bad, good in ((ROUTE, openai, anthropic), (BACK, anthropic, openai)):
        bad.script({**WELL, "after": 40, "then": then})
        good.script(WELL)
        async with gateway(tmp_path, both(openai, anthropic), spec) as gate:
            assert await gate.text(spec.name, asker) == TEXT
            first, second = gate.recorder.last.attempts
            assert (first.outcome, second.outcome, second.kind) == ("failed", "completed", "continuation")
            assert gate.recorder.last.outcome == "completed"
            assert gate.inference.health.of(spec.candidates[0]).failed == 1, "counted as a failure"


@pytest.mark.parametrize("asker", ASKERS)
@pytest.mark.parametrize("then", MIDDLES)
async def test_pitfall_22_nobody_left_is_an_error_event_and_never_a_clean_end(
    tmp_path: Path, openai: FakeProvider, then: str, asker: str
) -> None:
    openai.script({**WELL, "after": 40, "then": then})
    spec = route("r", ("openai", "gpt"), attempts=1)
    async with gateway(tmp_path, {"openai": provider_of(openai, timeouts=QUICK)}, spec) as gate:
        stream = b"".join(await gate.pieces("r", asker))
        assert failed(asker, stream) is not None
        assert b"[DONE]" not in stream
        assert b"message_stop" not in stream
        assert b"response.completed" not in stream
        assert b'"done":true' not in stream.replace(b" ", b"")
        assert gate.recorder.last.outcome == "failed"


@pytest.mark.parametrize("how", ["exact", "over", 12, 40])
async def test_a_provider_without_prefill_is_asked_to_go_on(
    tmp_path: Path, openai: FakeProvider, anthropic: FakeProvider, how: Any
) -> None:
    openai.script({**WELL, "resume": how})
    anthropic.script({**WELL, "after": 40, "then": "reset"})
    async with gateway(tmp_path, both(openai, anthropic), BACK) as gate:
        assert await gate.text("b", "anthropic") == TEXT
        [second] = openai.seen()
        assert second["body"]["messages"][-1]["role"] == "user"
        assert second["body"]["messages"][-2] == {"role": "assistant", "content": "".join(TOKENS[:40])}


async def test_a_prefill_that_is_refused_is_asked_in_words(
    tmp_path: Path, openai: FakeProvider, anthropic: FakeProvider
) -> None:
    openai.script({**WELL, "after": 40, "then": "reset"})
    anthropic.script({**WELL, "no_prefill": True})
    spec = route("r", ("openai", "gpt"), Candidate("anthropic", "claude", prefill=True))
    async with gateway(tmp_path, both(openai, anthropic), spec) as gate:
        assert await gate.text("r") == TEXT
        roles = [one["body"]["messages"][-1]["role"] for one in anthropic.seen()]
        assert roles == ["assistant", "user"]


async def test_a_tool_call_is_continued_across_providers(
    tmp_path: Path, openai: FakeProvider, anthropic: FakeProvider
) -> None:
    call = {"name": "weather", "arguments": {"city": "Köln am Rhein", "days": 3, "unit": "celsius"}}
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"type": "string"}},
    }
    tools = [{"type": "function", "function": {"name": "weather", "parameters": schema}}]
    for after in range(1, 12, 2):
        openai.script({"tool_calls": [call], "after": after, "then": "reset"})
        anthropic.script({"tool_calls": [call]})
        async with gateway(tmp_path, both(openai, anthropic), ROUTE) as gate:
            answer = gather(read("openai_chat", b"".join(await gate.pieces("r", tools=tools))))
            [part] = [part for part in answer.choices[0].parts if isinstance(part, ToolCall)]
            assert json.loads(part.arguments) == call["arguments"]
            assert answer.choices[0].reason == "tool_calls"


async def test_usage_counts_every_attempt(tmp_path: Path, openai: FakeProvider, anthropic: FakeProvider) -> None:
    openai.script({**WELL, "after": 40, "then": "reset"})
    anthropic.script({"tokens": TOKENS, "usage": {"prompt": 11, "completion": 20}})
    async with gateway(tmp_path, both(openai, anthropic), ROUTE) as gate:
        events = read("openai_chat", b"".join(await gate.pieces("r", stream_options={"include_usage": True})))
        told = [event for event in events if isinstance(event, Usage)][-1]
        first, second = gate.recorder.last.attempts
        assert first.usage is not None
        assert (first.estimated, second.estimated) == (True, False)
        assert told.prompt_tokens == first.usage.prompt_tokens + 11
        assert abs(told.completion_tokens - 60) <= 2
        assert gate.recorder.last.usage == told


async def test_an_agents_answer_goes_on_where_prefill_is_not_possible(tmp_path: Path, openai: FakeProvider) -> None:
    from corral.dialects.form import ChatRequest, text_message

    begun = "".join(TOKENS[:25])
    openai.script({**WELL, "resume": 20})
    messages = (text_message("user", "Tell me a story."), text_message("assistant", begun))
    request = ChatRequest("r", messages, continues=True, stream=True)
    async with gateway(tmp_path, {"openai": provider_of(openai)}, route("r", ("openai", "gpt"))) as gate:
        [choice] = gather(await gate.events(request)).choices
        assert choice.parts == (Text("".join(TOKENS[25:])),)
