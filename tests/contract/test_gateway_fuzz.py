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
        self.run(self.desk.add("a", base_url="http://127.0.0.1:9/v1", discover=False))
        self.run(self.desk.providers.add_key("a", SECRET, "main", by="ann"))
        self.run(self.desk.add_route("r", "a/m", "local/qwen"))
        self.limit = self.run(self.desk.limits.save(None, 0, {"scope": "all", "concurrent": 5}, by="ann"))["id"]


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
GOOD = st.sampled_from(
    [
        {"kind": "openai", "baseUrl": "http://127.0.0.1:9/v1"}, {"candidates": ["a/m"]}, {"scope": "user", "subject": "*", "budgetDay": 1},
        {"enabled": False}, {"description": "x"}, {"name": "r2"}, {"kind": "compatible", "vendor": "vllm", "base_url": "http://127.0.0.1:9"},
        {"models": ["m", {"name": "n", "prices": {"input": 1}}]}, {"mirror": "a/m", "mirrorShare": 0.5},
    ]
)  # fmt: skip
NAMES = st.sampled_from(["a", "b", "r", "r2", "none", "fixed", "local"])
BODY: dict[str, st.SearchStrategy[Any]] = {
    "name": NAMES | TEXTS, "version": st.integers(-1, 5) | JSON, "changes": GOOD | CHANGES | JSON, "id": TEXTS, "ids": st.lists(TEXTS, max_size=3) | JSON,
    "secret": st.just(SECRET) | TEXTS | JSON, "label": TEXTS | JSON, "refresh": st.booleans() | JSON, "message": TEXTS | JSON,
    "maxTokens": st.integers(-1, 5000) | JSON,
}  # fmt: skip


@st.composite
def bodies(draw: st.DrawFn, names: list[str], ids: list[str]) -> Any:
    """What a client may send where these fields are known: mostly objects with them, sometimes anything."""
    if not draw(st.integers(0, 9)):
        return draw(JSON)
    chosen = names if draw(st.booleans()) else draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    body = {name: draw(st.sampled_from(ids) | BODY["id"] if name == "id" else BODY.get(name, JSON)) for name in chosen}
    return {**body, **draw(st.dictionaries(TEXTS, JSON, max_size=1))} if not draw(st.integers(0, 9)) else body


def fields_of(method: str, path: str) -> list[str]:
    body = json.dumps(SCHEMA["paths"][path][method.lower()].get("requestBody", {}))
    return sorted(
        {name for kind, found in SCHEMA["components"]["schemas"].items() if f"/{kind}\"" in body for name in found.get("properties", ())}
    )  # fmt: skip


def ids_of(door: Door) -> list[str]:
    keys = [key["id"] for row in door.desk.providers.listing()["providers"] for key in row["keys"]]
    return [door.limit, "lim_none", *keys]


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=[f"{method} {path}" for method, path in ROUTES])
def test_every_route_answers_or_refuses_with_a_reason(door: Door, method: str, path: str) -> None:
    names = fields_of(method, path)

    @settings(max_examples=EXAMPLES)
    @given(
        name=NAMES | st.sampled_from(["x/y", "\ufffd", "..", "\x00", "🐎", " "]), key=st.sampled_from(ids_of(door)) | st.just("\x00"),
        body=bodies(names, ids_of(door)), raw=st.none() | st.binary(max_size=20),
    )  # fmt: skip
    def fuzz(name: str, key: str, body: Any, raw: bytes | None) -> None:
        told = raw if raw else json.dumps(body).encode()
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

    @settings(max_examples=EXAMPLES)
    @given(bodies(names, ids_of(door)))
    def fuzz(data: Any) -> None:
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
