"""Limits, kept answers, idempotency keys and usage through a whole server with a scripted service behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.gateway import Gateway, gateway
from tests.support.waiting import eventually
from tests.support.wire_clients import PATHS, Call, body_of, failed, told_text

TEXT = "An answer of some words."
USED = {"prompt": 10, "completion": 5}
COST = 0.015
"""Dollars of one answer at a thousand dollars a million tokens."""
ROUTES = """
[routes.{name}]
candidates = [{{ provider = "openai", model = "{name}", price = {{ input = 1000.0, output = 1000.0 }} }}]
"""
LIMITS = """
[[limits]]
scope = "model"
subject = "spent"
budget_day = 0.2

[[limits]]
scope = "model"
subject = "few"
requests_per_minute = 3

[[limits]]
scope = "model"
subject = "one"
concurrent = 1

[[limits]]
scope = "model"
subject = "unpriced"
budget_day = 1.0
unknown_price = "refuse"
"""
NAMES = ("spent", "few", "one", "counted", "plain", "twice", "left", "told")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    routes = "".join(ROUTES.format(name=name) for name in NAMES)
    unpriced = '[routes.unpriced]\ncandidates = ["openai/unpriced"]\n'
    with gateway(tmp_path_factory.mktemp("accounting"), LIMITS + routes + unpriced, ("openai",)) as made:
        yield made


@pytest.fixture
def metered(made: Gateway) -> Gateway:
    made.providers["openai"].script({"text": TEXT, "usage": USED})
    return made


def call(gateway: Gateway, dialect: str, model: str, text: str = "ping", *, stream: bool = False, **more: Any) -> Call:
    headers = {name: more.pop(name) for name in list(more) if name in ("idempotency_key", "x_corral_cache")}
    return Call(gateway.server.url, PATHS[dialect], body_of(dialect, model, text, stream=stream, **more), **headers)


def seen(gateway: Gateway, model: str) -> list[dict[str, Any]]:
    return [one for one in gateway.providers["openai"].seen() if (one.get("body") or {}).get("model") == model]


def usage(gateway: Gateway, **asked: str) -> list[dict[str, Any]]:
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    status, told = gateway.server.ask("GET", f"/api/usage?{query}")
    assert status == 200
    return list(told["rows"])


def of(gateway: Gateway, model: str) -> dict[str, Any]:
    return next((row for row in usage(gateway) if row["model"] == model), {"requests": 0})


def restarted(gateway: Gateway, end: Callable[[], None]) -> None:
    end()
    gateway.server.start(TEST_KEY="a-key-of-tests")


def test_pitfall_34_a_budget_holds_on_every_surface_and_after_a_restart(metered: Gateway) -> None:
    passed, refused = 0, set()
    for number in range(40):
        dialect = list(PATHS)[number % len(PATHS)]
        answer = call(metered, dialect, "spent", f"ping {number}", **_short(dialect))
        body = answer.read()
        if answer.status == 200:
            passed += 1
        else:
            assert answer.status == 429, body
            assert b"budget" in body
            assert answer.headers["x-should-retry"] == "false"
            assert int(answer.headers["retry-after"]) > 0
            refused.add(dialect)
    assert refused == set(PATHS)
    assert 0.1 < passed * COST <= 0.2
    assert len(seen(metered, "spent")) == passed
    assert of(metered, "spent")["cost"] == pytest.approx(passed * COST)
    restarted(metered, metered.server.stop)
    for dialect in PATHS:
        assert call(metered, dialect, "spent", "again", **_short(dialect)).status == 429
    assert len(seen(metered, "spent")) == passed


def _short(dialect: str) -> dict[str, Any]:
    """How each dialect says that an answer has five tokens at most."""
    if dialect == "openai_responses":
        return {"max_output_tokens": 5}
    return {"options": {"num_predict": 5}} if dialect.startswith("ollama") else {"max_tokens": 5}


def test_what_is_spent_survives_a_kill(metered: Gateway) -> None:
    before = of(metered, "counted")["requests"]
    assert call(metered, "openai_chat", "counted", max_tokens=5).status == 200
    # Both are written in the background, within about a second.
    _until(lambda: of(metered, "counted")["requests"] == before + 1)
    restarted(metered, metered.server.kill)
    assert of(metered, "counted")["requests"] == before + 1


def _until(true: Callable[[], bool]) -> None:
    import asyncio

    asyncio.run(_eventually(true))


async def _eventually(true: Callable[[], bool]) -> None:
    await eventually(true)


def test_a_limit_of_requests_holds_over_all_surfaces_and_tells_of_itself(metered: Gateway) -> None:
    left = []
    for dialect in list(PATHS)[:3]:
        answer = call(metered, dialect, "few", dialect, stream=True, **_short(dialect))
        assert answer.status == 200
        left.append(answer.headers["ratelimit-remaining"])
        assert answer.headers["ratelimit-limit"] == "3"
        assert "w=60" in answer.headers["ratelimit-policy"]
        answer.read()
    assert left == ["2", "1", "0"]
    for dialect in PATHS:
        answer = call(metered, dialect, "few", **_short(dialect))
        assert answer.status == 429
        assert b"requests a minute" in answer.read()
        assert answer.headers["ratelimit-remaining"] == "0"
        assert 0 < int(answer.headers["retry-after"]) <= 61


async def test_one_at_a_time_and_a_stream_that_is_left_frees_its_place(metered: Gateway) -> None:
    metered.providers["openai"].script({"tokens": ["word "] * 500, "pace": 0.1})
    first = call(metered, "openai_chat", "one", stream=True)
    assert first.status == 200
    first.line()
    assert call(metered, "anthropic", "one").status == 429
    first.leave()
    metered.providers["openai"].script({"text": TEXT})
    await eventually(lambda: call(metered, "anthropic", "one").status == 200)


def test_a_model_of_unknown_price_is_refused_where_a_budget_says_so(metered: Gateway) -> None:
    answer = call(metered, "openai_chat", "unpriced")
    assert answer.status == 429
    assert json.loads(answer.read())["error"]["code"] == "price_unknown"
    assert not seen(metered, "unpriced")


async def test_pitfall_19_what_a_client_left_is_counted_once_and_as_much_as_it_was(metered: Gateway) -> None:
    metered.providers["openai"].script({"tokens": ["word "] * 500, "pace": 0.05, "usage": USED})
    before = of(metered, "left")["requests"]
    leaving = call(metered, "openai_chat", "left", "ping", stream=True)
    words = 0
    while words < 10:
        words += b"word" in leaving.line()
    leaving.leave()
    await eventually(lambda: of(metered, "left")["requests"] == before + 1)
    told = of(metered, "left")
    assert told["cancelled"] == 1
    assert 5 <= told["completionTokens"] < 100
    assert told["promptTokens"] > 0
    assert told["cost"] == pytest.approx((told["promptTokens"] + told["completionTokens"]) * 0.001, rel=0.01)


@pytest.mark.parametrize("dialect", list(PATHS))
@pytest.mark.parametrize("stream", [True, False])
def test_a_kept_answer_comes_back_on_every_surface(metered: Gateway, dialect: str, stream: bool) -> None:
    fixed: dict[str, Any] = {"options": {"temperature": 0}} if dialect.startswith("ollama") else {"temperature": 0}
    text = f"{dialect} {stream}"
    answers = []
    for expected in ("miss", "hit"):
        answer = call(metered, dialect, "plain", text, stream=stream, **fixed)
        assert answer.status == 200
        assert answer.headers["x-corral-cache"] == expected
        assert answer.headers["x-corral-model"] == "plain"
        answers.append(answer.read())
        assert told_text(dialect, answers[-1], stream=stream) == TEXT
    assert answers[0] == answers[1]
    assert len(seen(metered, "plain")) == 1
    other = call(metered, dialect, "plain", text, stream=stream, x_corral_cache="bypass", **fixed)
    assert other.status == 200
    assert other.headers["x-corral-cache"] == "bypass"
    other.read()
    varying = call(metered, dialect, "plain", text, stream=stream)
    assert varying.headers["x-corral-cache"] == "bypass"
    varying.read()


def test_the_same_question_at_the_same_time_is_asked_once(metered: Gateway) -> None:
    metered.providers["openai"].script({"text": TEXT, "first_after": 1.0, "usage": USED})

    def ask(_: int) -> tuple[str, bytes]:
        answer = call(metered, "openai_chat", "plain", "all at once", stream=True, temperature=0)
        return answer.headers["x-corral-cache"], answer.read()

    with ThreadPoolExecutor(12) as pool:
        told = list(pool.map(ask, range(12)))
    assert len(seen(metered, "plain")) == 1
    assert len({body for _, body in told}) == 1
    states = [state for state, _ in told]
    assert states.count("miss") == 1
    assert states.count("joined") + states.count("hit") == 11
    assert not failed("openai_chat", told[0][1])


@pytest.mark.parametrize("dialect", list(PATHS))
@pytest.mark.parametrize("stream", [True, False])
def test_an_idempotency_key_brings_the_same_answer_back_also_after_a_kill(
    metered: Gateway, dialect: str, stream: bool
) -> None:
    key = f"key-{dialect}-{stream}"

    def ask() -> tuple[int, bytes, dict[str, str]]:
        answer = call(metered, dialect, "twice", "ping", stream=stream, idempotency_key=key)
        return answer.status, answer.read(), answer.headers

    first, second = ask(), ask()
    assert first[0] == second[0] == 200
    assert first[1] == second[1]
    assert "idempotent-replayed" not in first[2]
    assert second[2]["idempotent-replayed"] == "true"
    assert len(seen(metered, "twice")) == 1
    if dialect == "openai_chat":
        restarted(metered, metered.server.kill)
        assert ask()[1] == first[1]
        assert len(seen(metered, "twice")) == 1
    changed = call(metered, dialect, "twice", "something else", stream=stream, idempotency_key=key)
    assert changed.status == 409
    assert b"idempotency" in changed.read()


def test_what_was_used_is_told_as_sums_and_as_metrics(metered: Gateway) -> None:
    before = of(metered, "told")["requests"]
    for dialect in PATHS:
        assert call(metered, dialect, "told", dialect).status == 200
    row = of(metered, "told")
    assert row["requests"] == before + len(PATHS)
    assert row["provider"] == "openai"
    assert row["promptTokens"] == 10 * row["requests"]
    assert row["cost"] == pytest.approx(COST * row["requests"])
    assert {"told"} <= {one["route"] for one in usage(metered, by="route")}
    assert usage(metered, by="user", step="hour")[0]["userId"] == "local"
    assert metered.server.ask("GET", "/api/usage?by=colour")[0] == 400
    import urllib.request

    with urllib.request.urlopen(metered.server.url + "/metrics", timeout=60) as answer:
        text = answer.read().decode()
    found = {
        (sample.name, sample.labels.get("model")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["corral_gateway_requests_total", "told"] >= len(PATHS)
    assert found["corral_provider_cost_dollars_total", "told"] >= COST * len(PATHS)


def test_nothing_of_prompts_or_keys_is_in_usage(metered: Gateway, tmp_path: Path) -> None:
    secret = "a-very-private-question"
    assert call(metered, "openai_chat", "told", secret).status == 200
    assert secret not in json.dumps([usage(metered, by=by) for by in ("model", "user", "key", "route")])
