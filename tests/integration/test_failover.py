"""Routes over scripted services that fail in every way: pitfalls 24 to 27 and 32, keys, retries, deadlines, mirrors."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from corral.inference.routes.types import Candidate, Rules
from corral.kit.errors import (
    ContextExceeded,
    CorralError,
    InvalidRequest,
    TooManyRequests,
    Unavailable,
    UpstreamTimeout,
)
from corral.providers.types import ProviderKey
from tests.support.inference import ANN, ask, gateway, provider_of, route
from tests.support.providers import FakeProvider
from tests.support.two_services import BACK, ROUTE, TEXT, WELL, both, failed
from tests.support.waiting import eventually


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


async def test_a_provider_that_is_gone_is_passed_over(tmp_path: Path, openai: FakeProvider) -> None:
    openai.script(WELL)
    spec = route("r", ("nobody", "x"), ("openai", "gpt"))
    async with gateway(tmp_path, {"openai": provider_of(openai)}, spec, route("only", ("nobody", "x"))) as gate:
        assert await gate.text("r") == TEXT
        with pytest.raises(Unavailable):
            await gate.text("only")
