"""The order of candidates and the rules for parameters."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import msgspec
import pytest

from corral.dialects.registry import DIALECTS
from corral.inference.attempts.asking import Asking
from corral.inference.routes.ordering import EXPLORED, order
from corral.inference.routes.rules import PLACES, apply
from corral.inference.routes.types import Candidate, RouteSpec, Rules, Strategy
from corral.inference.types import Ask
from corral.providers.types import Prices
from tests.support.inference import Written

A, B, C = Candidate("one", "a", weight=3.0), Candidate("two", "b"), Candidate("local", "c")


def route(strategy: Strategy, *candidates: Candidate) -> RouteSpec:
    return RouteSpec("r", candidates or (A, B, C), strategy)


def orders(spec: RouteSpec, count: int = 1, **known: Any) -> list[tuple[Candidate, ...]]:
    chance = random.Random(7)
    latency, price = known.get("latency", {}), known.get("price", {})
    found = [tuple(order(spec, chance, latency.get, price.get)) for _ in range(count)]
    assert all(sorted(one, key=hash) == sorted(spec.candidates, key=hash) for one in found), "each of them once"
    return found


def test_as_written_and_own_engines_first() -> None:
    assert orders(route("ordered")) == [(A, B, C)]
    assert orders(route("local_first")) == [(C, A, B)]


def test_weights_are_shares() -> None:
    first = Counter(one[0] for one in orders(route("weighted"), 4000))
    assert first[A] / 4000 == pytest.approx(0.6, abs=0.03)
    assert first[B] / 4000 == pytest.approx(0.2, abs=0.03)
    second = Counter(one[1] for one in orders(route("weighted"), 4000) if one[0] == B)
    assert second[A] > 2 * second[C], "the others are drawn by weight too"


def test_the_fastest_first_with_some_exploring() -> None:
    found = orders(route("latency"), 4000, latency={A: 0.5, B: 0.1, C: 0.9})
    assert Counter(found).most_common(1)[0][0] == (B, A, C)
    others = sum(one[0] != B for one in found) / 4000
    assert others == pytest.approx(EXPLORED, abs=0.015)
    assert orders(route("latency"), latency={A: 0.5, B: 0.1})[0][0] == C, "nobody knows it yet"


def test_the_cheapest_first_and_the_unknown_last() -> None:
    price = {A: Prices(3.0, 15.0), B: None, C: None}
    assert orders(route("cost"), price=price) == [(C, A, B)]
    assert orders(route("cost"), price={A: Prices(3.0, 15.0), B: Prices(0.1, 0.4), C: Prices(0, 0)}) == [(C, B, A)]


def test_a_route_is_read_strictly() -> None:
    for wrong in (
        {"name": "r", "candidates": []},
        {"name": "r", "candidates": [{"provider": "a"}]},
        {"name": "r", "candidates": [{"provider": "a", "model": "b", "weight": 0}]},
        {"name": "r", "candidates": [{"provider": "a", "model": "b", "surprise": 1}]},
        {"name": "r", "candidates": [{"provider": "a", "model": "b"}], "strategy": "best"},
        {"name": "r", "candidates": [{"provider": "a", "model": "b"}], "attempts": 99},
    ):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, RouteSpec)
    spec = route("weighted")
    assert msgspec.json.decode(msgspec.json.encode(spec), type=RouteSpec) == spec


def ruled(
    dialect: str, body: dict[str, Any], also: dict[str, Any] | None = None, model: str | None = None, **rules: Any
) -> Any:
    return json.loads(apply(json.dumps(body).encode(), dialect, Rules(**rules), also or {}, model))


def test_rules_speak_every_dialect() -> None:
    rules: dict[str, Any] = {
        "remove": ("seed",),
        "default": {"temperature": 0.3},
        "set": {"max_tokens": 50},
        "clamp": {"top_p": (None, 0.5)},
    }
    openai = ruled("openai_chat", {"seed": 1, "top_p": 0.9, "max_completion_tokens": 9}, **rules)
    assert openai == {"top_p": 0.5, "max_completion_tokens": 50, "temperature": 0.3}
    gemini = ruled("gemini", {"generationConfig": {"seed": 1, "topP": 0.9, "temperature": 1}}, **rules)
    assert gemini == {"generationConfig": {"topP": 0.5, "temperature": 1, "maxOutputTokens": 50}}
    ollama = ruled("ollama_chat", {"options": {"seed": 1, "top_p": 0.4}}, **rules)
    assert ollama == {"options": {"top_p": 0.4, "num_predict": 50, "temperature": 0.3}}
    anthropic = ruled("anthropic", {"top_p": 0.2, "seed": 1}, **rules)
    assert anthropic == {"top_p": 0.2, "seed": 1, "max_tokens": 50, "temperature": 0.3}, "it has no seed of its own"


def test_what_rules_do_not_name_stays_as_it_was() -> None:
    body = b'{"a":1.0e2,"messages":[{"role":"user","content":"\\u00e9"}],"temperature":2,"x":null}'
    done = apply(body, "openai_chat", Rules(clamp={"temperature": (0, 1.5)}), {}, "new")
    assert b'"a":1.0e2' in done
    assert b"\\u00e9" in done
    assert json.loads(done) == {**json.loads(body), "temperature": 1.5, "model": "new"}


def test_rules_that_find_nothing_leave_nothing_behind() -> None:
    assert ruled("gemini", {"contents": []}, remove=("seed",), clamp={"top_p": (0, 1)}) == {"contents": []}
    assert ruled("openai_chat", {"temperature": "hot"}, clamp={"temperature": (0, 1)}) == {"temperature": "hot"}
    assert ruled("openai_chat", {"n": True}, clamp={"choices": (0, 0)}) == {"n": True}
    assert ruled("openai_chat", {"top_k": 50}, clamp={"top_k": (1, 40)}) == {"top_k": 40}


def test_values_take_the_form_of_the_dialect() -> None:
    assert ruled("anthropic", {}, set={"stop": "END"}) == {"stop_sequences": ["END"]}
    assert ruled("openai_chat", {}, set={"stop": "END"}) == {"stop": "END"}
    assert ruled("anthropic", {}, set={"user": "ann"}) == {"metadata": {"user_id": "ann"}}
    assert ruled("anthropic", {}, also={"service_tier": "auto"}) == {"service_tier": "auto"}, "the provider's own"


def test_every_place_is_read_back_by_its_dialect() -> None:
    values = {"max_tokens": 7, "temperature": 0.5, "top_p": 0.25, "top_k": 3, "seed": 11, "stop": "END"}
    bodies: dict[str, dict[str, Any]] = {
        "openai_chat": {"model": "m", "messages": [{"role": "user", "content": "x"}]},
        "openai_responses": {"model": "m", "input": "x"},
        "anthropic": {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]},
        "gemini": {"contents": [{"role": "user", "parts": [{"text": "x"}]}]},
        "ollama_chat": {"model": "m", "messages": [{"role": "user", "content": "x"}]},
        "ollama_generate": {"model": "m", "prompt": "x"},
    }
    for name, body in bodies.items():
        done = apply(json.dumps(body).encode(), name, Rules(set=values), {}, None)
        request = DIALECTS[name].read_request(done)
        for field in values.keys() & PLACES[name].keys():
            wanted: Any = ("END",) if field == "stop" else values[field]
            assert getattr(request, field) == wanted, (name, field)


def test_an_own_engine_never_sees_the_line_that_changes_with_every_request() -> None:
    system = [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=1; cch=a1b2c;"},
        {"type": "text", "text": "You are a helper."},
    ]
    body = {"model": "m", "max_tokens": 9, "system": system, "messages": [{"role": "user", "content": "hi"}]}
    asking = Asking(Ask("chat", "anthropic", "m", json.dumps(body).encode()), route("ordered", C))
    own = asking.put(C, Written(lambda *_: [], name="local"))
    assert (own.dialect, own.native) == ("openai_chat", False)
    assert b"billing" not in own.body
    assert b"You are a helper." in own.body
    # A provider elsewhere gets the bytes as they are, but for the name.
    other = asking.put(Candidate("two", "m"), Written(lambda *_: [], "anthropic"))
    assert (other.body, other.native) == (json.dumps(body).encode(), True)
