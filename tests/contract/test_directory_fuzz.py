"""Every route and every intent about providers, routes and limits is given anything at all: it answers, or refuses with a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from corral.accounts.service import LocalAccounts
from corral.accounts.types import Permission, Principal
from corral.kit.errors import CorralError, UpstreamFailed
from corral.providers.building import build_provider
from corral.providers.types import Provider, ProviderSpec
from corral.realtime.intents import Intents
from corral.realtime.providers import add_limits, add_providers, add_routes
from corral.settings.gateway import (
    CandidateEntry,
    FileProvider,
    LimitEntry,
    ModelEntry,
    PriceEntry,
    RouteEntry,
    RulesEntry,
)
from corral.surfaces.api.application import build_api
from corral.surfaces.api.providers import limits_router, providers_router, routes_router
from tests.support.api import Doors
from tests.support.directory import Desk, desk
from tests.support.scale import scaled

EXAMPLES = scaled(25, 1000)
SECRET = "sk-fuzz-abcdefghij-0123456789"


class Nowhere:
    """A way that leads nowhere: addresses here are made up, and nobody's door is knocked at."""

    async def request(self, *_: Any, **__: Any) -> Any:
        raise UpstreamFailed("Nobody is there.")

    async def close(self) -> None:
        return None


def build(spec: ProviderSpec) -> Provider:
    """The real provider, without its connections."""
    made: Any = build_provider(spec)
    made._transport = Nowhere()
    return cast("Provider", made)


async def trial(principal: Principal, name: str, message: str, max_tokens: int) -> dict[str, Any]:
    assert 1 <= len(name) <= 200
    assert message
    assert 1 <= max_tokens <= 4096
    return {"ok": False, "by": principal.user_id}


def apis(accounts: LocalAccounts, found: Desk) -> FastAPI:
    routers = (
        providers_router(accounts, found.providers), routes_router(accounts, found.routes, trial), limits_router(accounts, found.limits)
    )  # fmt: skip
    return build_api(routers)


def add_all(intents: Intents, found: Desk) -> None:
    add_providers(intents, found.providers)
    add_routes(intents, found.routes, trial)
    add_limits(intents, found.limits)


class Door(Doors):
    """Both doors to one desk, where a provider, a route and a limit are there from the beginning."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        given = {"fixed": {"kind": "openai", "api_key_env": "A_KEY"}}
        opening = desk(
            folder,
            build=build,
            providers=given,
            routes={"fixed": {"candidates": ["fixed/m"]}},
            environ={"A_KEY": SECRET},
        )
        self.desk = self.run(self.stack.enter_async_context(opening))
        add_all(self.intents, self.desk)
        self.api = apis(self.accounts, self.desk)
        self.limit = ""
        self.restock()

    def restock(self) -> None:
        """Sees to it that there is something to change: a provider with a key, a route and a limit."""
        found = self.desk
        if found.providers.live.find("a") is None:
            self.run(found.add("a", base_url="http://127.0.0.1:9/v1", discover=False))
        if not found.providers.row("a")["keys"] and found.providers.row("a")["address"]:
            self.run(found.providers.add_key("a", SECRET, "main", by="ann"))
        if "r" not in {row["name"] for row in found.routes.listing()["routes"]}:
            self.run(found.add_route("r", "a/m", "local/qwen"))
        if self.limit not in {row["id"] for row in found.limits.listing()["limits"]}:
            self.limit = self.run(found.limits.save(None, 0, {"scope": "all", "concurrent": 5}, by="ann"))["id"]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    made = Door(tmp_path_factory.mktemp("fuzz"))
    yield made
    made.close()


NOTHING = cast("Any", Desk)(*([None] * 6))
SCHEMA = apis(LocalAccounts(), NOTHING).openapi()
ROUTES = [(method.upper(), path) for path, methods in SCHEMA["paths"].items() for method in methods]
INTENTS = Intents()
add_all(INTENTS, NOTHING)

SHAPES = (FileProvider, RouteEntry, LimitEntry, CandidateEntry, RulesEntry, ModelEntry, PriceEntry)
FIELDS = sorted(
    {name for shape in SHAPES for key, field in shape.model_fields.items() for name in (key, field.alias or key)}
)
WORDS = [
    *FIELDS, "openai", "compatible", "vllm", "ordered", "user", "all", "*", "a", "r", "fixed", "local", "a/m", "local/qwen", "main",
    "http://127.0.0.1:9/v1", "https://[::1]/", "http://0x7f.1/", "http://[::ffff:169.254.169.254]/", "http://metadata.google.internal",
]  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(WORDS), st.text(max_size=20), st.text(st.characters(), max_size=5), st.just("x" * 3000),
    st.sampled_from(["\x00", "\ud800", "../../etc/passwd", "--flag", "é\u202e", "", " ", "a/b", "%00", "'; DROP TABLE routes; --"]),
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**70), 2**70), st.floats(), TEXTS,
    st.sampled_from([0, 1, 2, 2**31, 2**63, 1e308, -1]),
)  # fmt: skip
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)
CHANGES = st.dictionaries(st.sampled_from(FIELDS) | TEXTS, JSON, max_size=5)
GOOD: dict[str, list[dict[str, Any]]] = {
    "providers": [
        {"kind": "openai", "baseUrl": "http://127.0.0.1:9/v1"}, {"kind": "compatible", "vendor": "vllm", "base_url": "http://127.0.0.1:9"},
        {"kind": "ollama", "enabled": False}, {"kind": "gemini", "models": ["m", {"name": "n", "prices": {"input": 1}}]},
        {"kind": "anthropic", "description": "x", "timeouts": {"connect": 1}, "vendor": None},
    ],
    "routes": [
        {"candidates": ["a/m"]}, {"candidates": ["local/qwen"], "mirror": "a/m", "mirrorShare": 0.5}, {"candidates": ["b/m"], "name": "r2"},
        {"candidates": ["a/m"], "strategy": "cost", "parameters": {"clamp": {"temperature": [0, 1]}}, "cache": {"always": True}},
    ],
    "limits": [
        {"scope": "user", "subject": "*", "budgetDay": 1}, {"scope": "all", "subject": None, "concurrent": 3},
        {"scope": "model", "subject": "m", "enabled": False, "unknownPrice": "refuse"},
    ],
}  # fmt: skip


def mostly(usual: st.SearchStrategy[Any], other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """`usual`, and `other` now and then; unlike `one_of` it does not count the branches of each."""
    return st.integers(0, 7).flatmap(lambda number: other if number == 7 else usual)


def almost(about: str) -> st.SearchStrategy[dict[str, Any]]:
    """Changes that are as they should be, but perhaps for one field."""
    good = st.sampled_from(next(found for name, found in GOOD.items() if name.removesuffix("s") in about))
    more = mostly(st.just({}), st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=1))
    return st.builds(lambda one, other: {**one, **other}, good, more)


PRESENT = "the present one"
"""Stands for the version that a thing has when it is saved."""
NAMES = st.sampled_from(["a", "a", "b", "r", "r", "r2", "none", "fixed", "local"])
BODY: dict[str, st.SearchStrategy[Any]] = {
    "name": mostly(NAMES, TEXTS), "version": mostly(st.just(PRESENT), st.integers(-1, 5) | JSON), "secret": mostly(st.just(SECRET), TEXTS | JSON),
    "label": mostly(st.none() | st.text("abc", min_size=1, max_size=9), TEXTS | JSON), "refresh": mostly(st.booleans(), JSON),
    "message": mostly(st.just("hello"), TEXTS | JSON), "maxTokens": mostly(st.integers(1, 5000), JSON),
}  # fmt: skip


@st.composite
def bodies(draw: st.DrawFn, names: list[str], ids: list[str], about: str) -> Any:
    """What a client may send where these fields are known: mostly objects with them, sometimes anything."""
    if draw(st.integers(0, 19)) == 19:
        return draw(JSON)
    chosen = draw(st.lists(st.sampled_from(names), unique=True)) if names and draw(st.integers(0, 7)) == 7 else names
    inner = {
        **BODY, "changes": mostly(almost(about), CHANGES | JSON), "id": mostly(st.sampled_from(ids), TEXTS),
        "ids": mostly(st.permutations(ids) | st.lists(st.sampled_from(ids)), st.lists(TEXTS, max_size=3) | JSON),
    }  # fmt: skip
    body = {name: draw(inner.get(name, JSON)) for name in chosen}
    return {**body, **draw(st.dictionaries(TEXTS, JSON, max_size=1))} if draw(st.integers(0, 9)) == 9 else body


def fields_of(method: str, path: str) -> list[str]:
    body = json.dumps(SCHEMA["paths"][path][method.lower()].get("requestBody", {}))
    return sorted(
        {name for kind, found in SCHEMA["components"]["schemas"].items() if f"/{kind}\"" in body for name in found.get("properties", ())}
    )  # fmt: skip


def as_of_now(door: Door, about: str, body: Any, name: Any) -> Any:
    """`body` with the version that the thing has now, where it asks for that."""
    if not isinstance(body, dict) or body.get("version") != PRESENT:
        return body
    listing = next(one for one in ("providers", "routes", "limits") if one in about)
    rows = getattr(door.desk, listing).listing()[listing]
    versions = {row["id"] if listing == "limits" else row["name"]: row["version"] for row in rows}
    return {**body, "version": versions.get(name, 0) if isinstance(name, str) else 0}


def ids_of(door: Door) -> list[str]:
    keys = [key["id"] for row in door.desk.providers.listing()["providers"] for key in row["keys"]]
    return [*(key for key in keys if "_env_" not in key), door.limit]


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=[f"{method} {path}" for method, path in ROUTES])
def test_every_route_answers_or_refuses_with_a_reason(door: Door, method: str, path: str) -> None:
    names = fields_of(method, path)
    door.restock()

    @settings(max_examples=EXAMPLES)
    @given(
        name=NAMES | st.sampled_from(["x/y", "\ufffd", "..", "\x00", "🐎", " "]), key=st.sampled_from(ids_of(door)) | st.just("\x00"),
        body=bodies(names, ids_of(door), path), raw=mostly(st.none(), st.binary(max_size=20)),
    )  # fmt: skip
    def fuzz(name: str, key: str, body: Any, raw: bytes | None) -> None:
        told = raw if raw else json.dumps(as_of_now(door, path, body, key if "limits" in path else name)).encode()
        status, answer = door.ask(method, path.replace("{name}", name).replace("{key}", key), told)
        assert status < 500, answer
        if status >= 400:
            assert answer["error"]["code"]
            assert answer["error"]["message"]
        assert SECRET not in json.dumps(answer)

    fuzz()
    still_sound(door)


@pytest.mark.parametrize("event", INTENTS.names())
def test_every_intent_answers_or_refuses_with_a_reason(door: Door, event: str) -> None:
    body = INTENTS.get(event).body
    names = [field.alias or name for name, field in body.model_fields.items()]
    door.restock()

    @settings(max_examples=EXAMPLES)
    @given(bodies(names, ids_of(door), event))
    def fuzz(data: Any) -> None:
        data = as_of_now(
            door, event, data, data.get("id" if "limits" in event else "name") if isinstance(data, dict) else None
        )
        try:
            answer = door.intent(event, data)
        except CorralError as error:
            assert error.status < 500
            answer = {"message": error.message, "details": error.details}
        # What cannot be told is as bad as a crash.
        assert SECRET.encode() not in orjson.dumps(answer)

    fuzz()
    still_sound(door)


def still_sound(door: Door) -> None:
    """After all that: everything can be listed and read again, and what is fixed is as it was."""
    for path in ("/api/providers", "/api/routes", "/api/limits", "/api/route-states", "/api/provider-kinds"):
        assert door.ask("GET", path)[0] == 200, path
    fixed = door.desk.providers.row("fixed")
    assert (fixed["kind"], fixed["enabled"], fixed["problem"]) == ("openai", True, None)
    assert [one.name for one in door.desk.routes.resolve("fixed").candidates] == ["fixed/m"]
    assert "local" not in {live.record.name for live in door.desk.providers.live.all()}
    for row in door.desk.providers.listing()["providers"]:
        assert row["problem"] is None or "this version" not in row["problem"]
    door.run(door.desk.providers.load())
    door.run(door.desk.routes.load())


def test_everything_asks_for_a_permission_of_its_kind() -> None:
    for event in INTENTS.names():
        reads = re.search(r":(list|kinds|models|state)$", event)
        kind = "PROVIDERS" if event.startswith("providers") else "ROUTES"
        assert INTENTS.get(event).permission is Permission[f"{kind}_{'READ' if reads else 'MANAGE'}"], event
    for path, methods in SCHEMA["paths"].items():
        for method, operation in methods.items():
            kind = "providers" if "provider" in path else "routes"
            reads = method == "get" or path.endswith("/models")
            assert operation["x-corral-permission"] == f"{kind}:{'read' if reads else 'manage'}", path
