"""The pitfalls of proxies that the surfaces answer for, each by its number, against scripted services and the real engine."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.gateway import ELSEWHERE, LOCAL, TEXT, Gateway, model_of
from tests.support.waiting import eventually
from tests.support.wire_clients import PATHS, Call, body_of, failed, told_text

NOTICED_WITHIN = 3.0
"""The promise is one second; the rest is for machines that do much else."""


def call(gateway: Gateway, dialect: str, model: str, text: str = "ping", *, stream: bool, **more: Any) -> Call:
    body = body_of(dialect, model, text, stream=stream, **more)
    return Call(gateway.server.url, PATHS[dialect], body)


async def _let_go(gateway: Gateway, kind: str) -> float:
    """Seconds until the provider notices that nobody waits for it any more."""
    began = time.monotonic()
    await eventually(lambda: gateway.providers[kind].state()["open"] == 0, message=f"{kind} is let go")
    return time.monotonic() - began


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic", "ollama_chat"])
@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize("phase", ["before the first token", "mid-stream", "without streaming"])
async def test_pitfall_19_a_client_that_leaves_ends_the_work_upstream(
    every_provider: Gateway, kind: str, dialect: str, phase: str
) -> None:
    stream = phase != "without streaming"
    act = {"pace": 0.2, "tokens": ["word "] * 500} if phase == "mid-stream" else {"first_after": 300}
    every_provider.providers[kind].script(act)
    model = f"left-{dialect}-{phase.split(maxsplit=1)[0]}"
    leaving = call(every_provider, dialect, f"{kind}/{model}", stream=stream)
    await eventually(lambda: every_provider.providers[kind].state()["open"] == 1)
    if phase == "mid-stream":
        while b"word" not in await asyncio.to_thread(leaving.line):
            pass
    leaving.leave()
    assert await _let_go(every_provider, kind) < NOTICED_WITHIN
    (seen,) = every_provider.providers[kind].seen()
    assert seen["hung_up"]
    assert seen["sent"] < 100
    billed = await eventually(lambda: _billed(every_provider, kind, model))
    assert (billed["requests"], billed["cancelled"], billed["failed"]) == (1, 1, 0)
    if phase == "mid-stream":
        assert 0 < billed["completionTokens"] <= 2 * seen["sent"] + 10


def _billed(gateway: Gateway, kind: str, model: str) -> dict[str, Any] | None:
    """The usage that is written down for a model of a provider."""
    _, told = gateway.server.ask("GET", "/api/usage?by=model")
    return next((row for row in told["rows"] if (row["provider"], row["model"]) == (kind, model)), None)


async def test_pitfall_20_silence_is_filled_and_a_late_failure_is_an_event(every_provider: Gateway) -> None:
    # A real wait, because it is the promise: no client sees more than 15 s of nothing.
    every_provider.providers["openai"].script({"first_after": 17, "head_first": False, "after": 0, "then": "error"})

    def ask(dialect: str) -> tuple[str, float, bytes]:
        asked = call(every_provider, dialect, "openai/slow", stream=True)
        began = time.monotonic()
        pieces = asked.pieces()
        assert asked.status == 200
        return dialect, pieces[0][0] - began, b"".join(piece for _, piece in pieces)

    with ThreadPoolExecutor(len(PATHS)) as pool:
        for dialect, waited, body in await asyncio.to_thread(lambda: list(pool.map(ask, PATHS))):
            assert waited < 17, dialect
            assert failed(dialect, body), (dialect, body)


@pytest.mark.parametrize("dialect", list(PATHS))
@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_pitfall_21_every_token_leaves_at_once(every_provider: Gateway, kind: str, dialect: str) -> None:
    words = [f"word{number} " for number in range(6)]
    every_provider.providers[kind].script({"tokens": words, "pace": 0.15})
    body = body_of(dialect, f"{kind}/paced", "ping", stream=True)
    asked = Call(every_provider.server.url, PATHS[dialect], body, accept_encoding="gzip, br, zstd")
    pieces = asked.pieces()
    assert asked.headers["x-accel-buffering"] == "no"
    assert "no-transform" in asked.headers["cache-control"]
    assert "content-encoding" not in asked.headers
    assert told_text(dialect, b"".join(piece for _, piece in pieces), stream=True) == "".join(words)
    # On a busy machine two may be read at once, and the last one may come together with the end, which follows it.
    times = [next(when for when, piece in pieces if word.strip().encode() in piece) for word in words]
    assert len(set(times)) >= len(words) - 2
    assert times[-1] - times[0] > 0.15 * (len(words) - 2)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", list(PATHS))
def test_every_answer_says_who_gave_it(every_provider: Gateway, dialect: str, stream: bool) -> None:
    every_provider.script("anthropic")
    asked = call(every_provider, dialect, model_of("anthropic"), stream=stream)
    assert told_text(dialect, asked.read(), stream=stream) == TEXT
    told = asked.headers
    assert (told["x-corral-provider"], told["x-corral-model"], told["x-corral-attempts"]) == (
        "anthropic",
        "scripted",
        "1",
    )
    assert told["x-corral-cache"] in {"miss", "bypass"}
    assert told["x-request-id"].startswith("req_")


def _beats(url: str, stop: threading.Event) -> list[float]:
    """How long small requests took while something else happened."""
    took = []
    while not stop.is_set():
        began = time.monotonic()
        with urllib.request.urlopen(url + "/livez", timeout=30) as answer:
            answer.read()
        took.append(time.monotonic() - began)
        stop.wait(0.01)
    return took


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic"])
@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_pitfall_28_a_body_of_20_mb_stalls_nobody(every_provider: Gateway, kind: str, dialect: str) -> None:
    every_provider.script(kind)
    asked = body_of(dialect, f"{kind}/large", "ping", stream=False)
    word = "a sentence of some length about llamas and fences. "
    asked["messages"] = [{"role": "user", "content": word * 200} for _ in range(1950)]
    data = json.dumps(asked).encode()
    assert 18 << 20 < len(data) < 20 << 20
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        beats = pool.submit(_beats, every_provider.server.url, stop)
        time.sleep(0.2)
        answer = Call(every_provider.server.url, PATHS[dialect], data)
        assert told_text(dialect, answer.read(), stream=False) == TEXT
        stop.set()
        took = beats.result()
    assert len(took) > 5
    assert max(took) < 1.0, sorted(took)[-5:]


@pytest.mark.parametrize("dialect", list(PATHS))
@pytest.mark.parametrize("kind", ELSEWHERE)
def test_pitfall_29_what_is_absent_stays_absent(every_provider: Gateway, kind: str, dialect: str) -> None:
    every_provider.script(kind)
    plain = call(every_provider, dialect, f"{kind}/plain", stream=False)
    assert plain.status == 200, plain.read()
    plain.read()
    sent = every_provider.providers[kind].seen()[-1]["body"]
    assert not _nulls(sent), sent
    for name in ("temperature", "top_p", "seed", "stop", "tools", "n", "presence_penalty"):
        assert f'"{name}"' not in json.dumps(sent), sent
    if dialect == "openai_chat" and kind in ("openai", "compatible"):
        given = {**body_of(dialect, f"{kind}/plain", "ping", stream=False), "seed": None, "unknown_field": {"a": None}}
        Call(every_provider.server.url, PATHS[dialect], given).read()
        passed = every_provider.providers[kind].seen()[-1]["body"]
        assert {"seed": None, "unknown_field": {"a": None}}.items() <= passed.items()


def _nulls(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_nulls(one) for one in value.values())
    if isinstance(value, list):
        return any(_nulls(one) for one in value)
    return value is None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", list(PATHS))
def test_pitfall_39_a_prompt_that_is_too_long_is_refused_with_both_numbers(
    every_provider: Gateway, dialect: str, stream: bool
) -> None:
    asked = call(every_provider, dialect, LOCAL, "x " * 9000, stream=stream)
    body = asked.read()
    assert asked.status == 400, body
    _, row = every_provider.server.ask("GET", f"/api/models/{LOCAL}")
    message = str(json.loads(body)["error"])
    context = row["engine"]["contextLength"]
    numbers = [int(word) for word in "".join(one if one.isdigit() else " " for one in message).split()]
    assert context in numbers, message
    assert any(number > context for number in numbers), message


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_pitfall_39_also_when_a_provider_says_so(every_provider: Gateway, kind: str) -> None:
    limit = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."
    act = {
        "openai": {"message": limit, "code": "context_length_exceeded"},
        "anthropic": {"message": "prompt is too long: 9001 tokens > 8192 maximum"},
    }
    every_provider.script(kind, status=400, **act[kind])
    for dialect in PATHS:
        asked = call(every_provider, dialect, model_of(kind), stream=False)
        body = asked.read().decode()
        assert asked.status == 400
        assert "9001" in body
        assert "8192" in body
