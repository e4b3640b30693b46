"""Routes over scripted services that fail in every way: pitfalls 22 to 27 and 32, keys, retries, deadlines, mirrors."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from corral.dialects.form import Text, ToolCall, Usage
from corral.dialects.gathering import gather
from corral.inference.routes.types import Candidate, Rules
from corral.kit.errors import (
    ContextExceeded,
    CorralError,
    InvalidRequest,
    TooManyRequests,
    Unavailable,
    UpstreamTimeout,
)
from corral.kit.http import Timeouts
from corral.providers.types import ProviderKey
from tests.support.inference import ANN, ask, gateway, provider_of, read, route
from tests.support.providers import FakeProvider
from tests.support.waiting import eventually

TOKENS = [f"word{number} " for number in range(60)]
TEXT = "".join(TOKENS)
WELL = {"tokens": TOKENS, "usage": {"prompt": 7, "completion": 60}}
QUICK = Timeouts(connect=30.0, head=60.0, idle=3.0)
ASKERS = ["openai_chat", "anthropic", "openai_responses", "ollama_chat"]


def both(openai: FakeProvider, anthropic: FakeProvider) -> dict[str, Any]:
    return {
        "openai": provider_of(openai, timeouts=QUICK),
        "anthropic": provider_of(anthropic, timeouts=QUICK),
    }


ROUTE = route("r", ("openai", "gpt"), ("anthropic", "claude"))
BACK = route("b", ("anthropic", "claude"), ("openai", "gpt"))


def failed(dialect: str, stream: bytes) -> CorralError | None:
    """The error that a client reads, None for a whole answer."""
    try:
        read(dialect, stream)
    except CorralError as error:
        return error
    return None


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


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "act",
    [
        {"before": "refuse"},
        {"before": "close"},
        {"before": "garbage"},
        {"before": "half_head"},
        {"status": 500},
        {"status": 529},
        {"status": 429, "retry_after": 1},
        {"status": 401},
        {"status": 404},
        {"content_type": "text/html", "body": "<html>"},
        {"after": 0, "then": "error"},
        {"after": 0, "then": "reset"},
    ],
    ids=lambda act: "-".join(str(one) for one in act.values())[:20],
)
async def test_pitfall_24_25_failures_before_content_fail_over_streaming_or_not(
    tmp_path: Path, openai: FakeProvider, anthropic: FakeProvider, act: dict[str, Any], stream: bool
) -> None:
    openai.script(act)
    anthropic.script(WELL)
    async with gateway(tmp_path, both(openai, anthropic), ROUTE) as gate:
        if stream:
            assert await gate.text("r") == TEXT
        else:
            reply = await gate.whole("r")
            assert json.loads(reply.body)["choices"][0]["message"]["content"] == TEXT
            assert reply.headers["X-Corral-Provider"] == "anthropic"
            assert reply.headers["X-Corral-Model"] == "claude"
            assert reply.headers["X-Corral-Attempts"] == "2"
        first, second = gate.recorder.last.attempts
        assert (first.outcome, second.kind, second.outcome) == ("failed", "failover", "completed")


async def test_the_clients_own_mistakes_go_nowhere_else(
    tmp_path: Path, openai: FakeProvider, anthropic: FakeProvider
) -> None:
    anthropic.script(WELL)
    openai.script({"status": 400, "message": "bad top_k"})
    async with gateway(tmp_path, both(openai, anthropic), ROUTE) as gate:
        for _ in range(5):
            with pytest.raises(InvalidRequest, match="bad top_k"):
                await gate.whole("r")
        assert anthropic.seen() == []
        assert gate.inference.health.of(ROUTE.candidates[0]).breaker.state == "closed"


async def test_pitfall_26_the_breaker_opens_on_failures_in_the_middle_and_skips_at_once(
    tmp_path: Path, openai: FakeProvider, anthropic: FakeProvider
) -> None:
    openai.script({**WELL, "after": 40, "then": "reset"})
    anthropic.script(WELL)
    async with gateway(tmp_path, both(openai, anthropic), ROUTE) as gate:
        for _ in range(3):
            assert await gate.text("r") == TEXT
        assert gate.inference.condition(ROUTE.candidates[0])["breaker"] == "open"
        asked = len(openai.seen())
        assert asked == 3
        assert await gate.text("r") == TEXT
        assert len(openai.seen()) == asked, "passed over"
        [only] = gate.recorder.last.attempts
        assert (only.provider, only.kind) == ("anthropic", "first")


async def test_pitfall_26_clients_that_leave_trip_nothing_and_end_the_work(
    tmp_path: Path, openai: FakeProvider
) -> None:
    openai.script({**WELL, "pace": 0.2})
    spec = route("r", ("openai", "gpt"))
    async with gateway(tmp_path, {"openai": provider_of(openai)}, spec) as gate:
        for _ in range(6):
            async with aclosing(await gate.inference.stream(ANN, ask("r", stream=True))) as stream:
                async for _ in stream:
                    break
            record = gate.recorder.last
            assert record.outcome == "cancelled"
            assert record.attempts[0].estimated
            assert record.usage is not None
            assert 1 <= record.usage.completion_tokens < 60
        assert gate.inference.condition(spec.candidates[0])["breaker"] == "closed"
        await eventually(lambda: openai.state()["open"] == 0)
        assert all(one["hung_up"] for one in openai.seen())


async def test_pitfall_27_when_all_rest_it_is_503_with_retry_after(
    tmp_path: Path, openai: FakeProvider, anthropic: FakeProvider
) -> None:
    openai.script({"status": 500})
    anthropic.script({"status": 500})
    async with gateway(tmp_path, both(openai, anthropic), ROUTE) as gate:
        for _ in range(6):
            with pytest.raises(CorralError):
                await gate.whole("r")
        asked = len(openai.seen()) + len(anthropic.seen())
        with pytest.raises(Unavailable) as raised:
            await gate.whole("r")
        assert raised.value.status == 503
        assert raised.value.retry_after is not None
        assert 1 <= raised.value.retry_after <= 20
        assert len(openai.seen()) + len(anthropic.seen()) == asked, "nobody was asked"


async def test_pitfall_32_role_chunks_and_pings_are_no_content(
    tmp_path: Path, openai: FakeProvider, anthropic: FakeProvider
) -> None:
    anthropic.script({**WELL, "first_after": 30, "head_first": True, "pings": 0.1})
    openai.script(WELL)
    spec = route("b", ("anthropic", "claude"), ("openai", "gpt"), first_content_timeout=1.0)
    async with gateway(tmp_path, both(openai, anthropic), spec) as gate:
        began = time.monotonic()
        assert await gate.text("b", "anthropic") == TEXT
        assert time.monotonic() - began < 15
        first, second = gate.recorder.last.attempts
        assert (first.error, second.provider) == ("upstream_timeout", "openai")


async def test_the_whole_answers_time_is_over(tmp_path: Path, openai: FakeProvider) -> None:
    openai.script({**WELL, "pace": 0.2})
    spec = route("r", ("openai", "gpt"), total_timeout=1.5)
    async with gateway(tmp_path, {"openai": provider_of(openai)}, spec) as gate:
        error = failed("openai_chat", b"".join(await gate.pieces("r")))
        assert error is not None
        assert gate.recorder.last.error == "upstream_timeout"
        assert len(gate.recorder.last.attempts) == 1, "nobody goes on when the time is over"
        openai.script({**WELL, "first_after": 60})
        with pytest.raises(UpstreamTimeout):
            await gate.whole("r")
        await eventually(lambda: openai.state()["open"] == 0)


async def test_keys_take_over_from_those_that_are_refused_or_spent(tmp_path: Path, openai: FakeProvider) -> None:
    keys = tuple(ProviderKey(label, f"secret-{label}") for label in "abc")
    refusing = {"status": 401}
    spent = {
        "status": 429,
        "code": "insufficient_quota",
        "kind": "insufficient_quota",
        "message": "You exceeded your current quota.",
    }
    openai.script(WELL, keys={"secret-a": refusing, "secret-b": spent})
    spec = route("r", ("openai", "gpt"))
    async with gateway(tmp_path, {"openai": provider_of(openai, keys=keys)}, spec) as gate:
        assert await gate.text("r") == TEXT
        assert [attempt.key for attempt in gate.recorder.last.attempts] == ["a", "b", "c"]
        assert await gate.text("r") == TEXT
        assert [attempt.key for attempt in gate.recorder.last.attempts] == ["c"], "the others rest"
        told = gate.inference.condition(spec.candidates[0])
        assert {one["label"] for one in told["restingKeys"]} == {"a", "b"}
        assert told["breaker"] == "closed"
        assert "secret" not in json.dumps(told)


async def test_one_provider_is_asked_again_after_a_pause(tmp_path: Path, openai: FakeProvider) -> None:
    spec = route("r", ("openai", "gpt"))
    async with gateway(tmp_path, {"openai": provider_of(openai)}, spec) as gate:
        openai.script(WELL)
        openai.then({"status": 503, "retry_after": 1})
        began = time.monotonic()
        assert await gate.text("r") == TEXT
        assert time.monotonic() - began >= 0.9, "Retry-After is obeyed"
        assert [attempt.kind for attempt in gate.recorder.last.attempts] == ["first", "retry"]
        openai.script(WELL)
        openai.then({"status": 429, "retry_after": 60})
        with pytest.raises(TooManyRequests) as raised:
            await gate.text("r")
        assert raised.value.retry_after == 60, "so long the client waits by itself"


async def test_a_storm_of_failures_is_not_answered_with_a_storm_of_retries(
    tmp_path: Path, openai: FakeProvider
) -> None:
    openai.script({"status": 500})
    spec = route("r", ("openai", "gpt"))
    async with gateway(tmp_path, {"openai": provider_of(openai)}, spec) as gate:

        async def one() -> None:
            with pytest.raises(CorralError):
                await gate.whole("r")

        await asyncio.gather(*(one() for _ in range(60)))
        assert len(openai.seen()) <= 60 + 6


async def test_a_prompt_that_is_too_long_goes_to_who_has_room(
    tmp_path: Path, openai: FakeProvider, anthropic: FakeProvider
) -> None:
    message = "This model's maximum context length is 100 tokens. However, your messages resulted in 170 tokens."
    openai.script({"status": 400, "code": "context_length_exceeded", "message": message})
    anthropic.script(WELL)
    async with gateway(tmp_path, both(openai, anthropic), ROUTE, route("alone", ("openai", "gpt"))) as gate:
        assert await gate.text("r") == TEXT
        with pytest.raises(ContextExceeded) as raised:
            await gate.whole("alone")
        assert raised.value.details is not None
        assert (raised.value.details["n_prompt_tokens"], raised.value.details["n_ctx"]) == (170, 100)


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


async def test_a_mirror_is_asked_too_and_nobody_waits_for_it(
    tmp_path: Path, openai: FakeProvider, anthropic: FakeProvider
) -> None:
    openai.script(WELL)
    anthropic.script({**WELL, "first_after": 1.0})
    spec = route("r", ("openai", "gpt"), mirror=BACK.candidates[0])
    async with gateway(tmp_path, both(openai, anthropic), spec) as gate:
        assert await gate.text("r") == TEXT
        assert [attempt.provider for attempt in gate.recorder.last.attempts] == ["openai"]
        await eventually(lambda: len(gate.recorder.records) == 2)
        mirrored = gate.recorder.last
        assert [(one.provider, one.kind, one.outcome) for one in mirrored.attempts] == [
            ("anthropic", "mirror", "completed")
        ]
        assert mirrored.usage is None, "it is nobody's to pay"


async def test_rules_and_names_reach_the_provider(
    tmp_path: Path, openai: FakeProvider, anthropic: FakeProvider
) -> None:
    openai.script(WELL)
    anthropic.script(WELL)
    rules = {"set": {"temperature": 0.25}, "remove": ("top_p",), "clamp": {"max_tokens": (1, 64)}}
    for provider, fake in (("openai", openai), ("anthropic", anthropic)):
        candidate = Candidate(provider, "their-name", parameters={"service_tier": "auto"})
        spec = route("public", candidate, parameters=Rules(**rules))  # type: ignore[arg-type]
        async with gateway(tmp_path, both(openai, anthropic), spec) as gate:
            await gate.whole("public", top_p=0.9, max_tokens=500)
            body = fake.seen()[-1]["body"]
            assert (body["model"], body["temperature"], body["service_tier"]) == ("their-name", 0.25, "auto")
            assert "top_p" not in body
            assert body.get("max_tokens", body.get("max_completion_tokens")) == 64


async def test_bytes_pass_untouched_where_both_speak_the_same(tmp_path: Path, openai: FakeProvider) -> None:
    import urllib.request

    openai.script({**WELL, "id": "chatcmpl-same", "sse": {"comments": True}})
    body = ask("gpt", stream=True)
    direct = urllib.request.Request(
        f"{openai.base_url}/chat/completions",
        body.body,
        {"content-type": "application/json", "authorization": "Bearer secret-1"},
    )
    with urllib.request.urlopen(direct, timeout=30) as answer:
        wanted = answer.read()
    spec = route("gpt", ("openai", "gpt"))
    async with gateway(tmp_path, {"openai": provider_of(openai)}, spec) as gate:
        got = b"".join(await gate.pieces("gpt"))

    def events(stream: bytes) -> list[Any]:
        found = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith(b"data: {")]
        return [{**one, "created": 0} for one in found]

    assert events(got) == events(wanted)
    assert got.endswith(b"data: [DONE]\n\n")


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


async def test_who_cannot_be_asked_so_is_passed_over(
    tmp_path: Path, openai: FakeProvider, anthropic: FakeProvider
) -> None:
    openai.script(WELL)
    anthropic.script(WELL)
    spec = route("r", ("anthropic", "claude"), ("openai", "gpt"))
    async with gateway(tmp_path, both(openai, anthropic), spec) as gate:
        # Several choices at once cannot be said in Anthropic's dialect.
        reply = await gate.whole("r", n=2)
        assert reply.headers["X-Corral-Provider"] == "openai"
        from corral.inference.types import Ask

        embeddings = Ask("embeddings", "openai", "r", b'{"model":"r","input":"x"}')
        assert (await gate.inference.whole(ANN, embeddings)).headers["X-Corral-Provider"] == "openai"


async def test_an_agents_answer_goes_on_where_prefill_is_not_possible(tmp_path: Path, openai: FakeProvider) -> None:
    from corral.dialects.form import ChatRequest, text_message

    begun = "".join(TOKENS[:25])
    openai.script({**WELL, "resume": 20})
    messages = (text_message("user", "Tell me a story."), text_message("assistant", begun))
    request = ChatRequest("r", messages, continues=True, stream=True)
    async with gateway(tmp_path, {"openai": provider_of(openai)}, route("r", ("openai", "gpt"))) as gate:
        [choice] = gather(await gate.events(request)).choices
        assert choice.parts == (Text("".join(TOKENS[25:])),)


async def test_a_provider_that_is_gone_is_passed_over(tmp_path: Path, openai: FakeProvider) -> None:
    openai.script(WELL)
    spec = route("r", ("nobody", "x"), ("openai", "gpt"))
    async with gateway(tmp_path, {"openai": provider_of(openai)}, spec, route("only", ("nobody", "x"))) as gate:
        assert await gate.text("r") == TEXT
        with pytest.raises(Unavailable):
            await gate.text("only")
