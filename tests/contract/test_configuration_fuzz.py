"""Every route and every intent of the control API is given anything at all: it answers, or refuses with a reason."""

from __future__ import annotations

import json
import tomllib
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corral.accounts.service import LocalAccounts
from corral.accounts.types import Permission
from corral.kit.errors import CorralError
from corral.models.options.catalogue import OPTIONS
from corral.realtime.configuration import add_configuration
from corral.realtime.handlers import add_models
from corral.realtime.intents import Intents
from corral.settings import Settings
from corral.surfaces.api.application import build_api
from corral.surfaces.api.configuration import configuration_router
from corral.surfaces.api.models import models_router
from tests.support.api import Doors
from tests.support.configuring import Room, configured
from tests.support.scale import scaled

EXAMPLES = scaled(25, 1000)


class Models:
    """The port of models without engines: nothing is started here."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def models(self) -> list[dict[str, Any]]:
        return [self.model(model.name) for model in self._room.registry.all()]

    def model(self, name: str) -> dict[str, Any]:
        model = self._room.registry.get(name)
        return {"name": model.name, **self._room.configuration.row(name), **self._room.configuration.detail(name)}

    async def start(self, name: str) -> dict[str, Any]:
        return self.model(name)

    stop = restart = start

    async def rescan(self) -> list[dict[str, Any]]:
        await self._room.registry.rescan()
        return self.models()


class Door(Doors):
    """Both doors to one configuration."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.room = self.run(self.stack.enter_async_context(configured(folder, None, "a", "b", "c")))
        models = Models(self.room)
        add_models(self.intents, models, dict)
        add_configuration(self.intents, self.room.configuration, models)
        routers = [
            models_router(self.accounts, models, self.room.configuration),
            configuration_router(self.accounts, self.room.configuration),
        ]
        self.api = build_api(routers)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    made = Door(tmp_path_factory.mktemp("fuzz"))
    yield made
    made.close()


ROUTES = [
    (method.upper(), path)
    for path, methods in build_api(
        [models_router(LocalAccounts(), cast("Any", None), cast("Any", None)), configuration_router(LocalAccounts(), cast("Any", None))]
    ).openapi()["paths"].items()
    for method in methods
]  # fmt: skip
INTENTS = Intents()
add_models(INTENTS, cast("Any", None), dict)
add_configuration(INTENTS, cast("Any", None), cast("Any", None))

WORDS = [
    *(option.wire for option in OPTIONS),
    *Settings.model_fields,
    "a",
    "b",
    "none",
    "day",
    "now",
    "next",
    "model",
    "server",
    "app",
]
TEXTS = st.one_of(
    st.sampled_from(WORDS), st.text(max_size=20), st.text(st.characters(), max_size=5), st.just("x" * 3000),
    st.sampled_from(["\x00", "\ud800", "../../etc/passwd", "--flag", "é\u202e", "", " ", "a/b", "%00", "'; DROP TABLE models; --"]),
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**70), 2**70), st.floats(), TEXTS,
    st.sampled_from([0, 1, 2, 2**31, 2**63, 1e308, -1]),
)  # fmt: skip
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)
VALUES = st.dictionaries(st.sampled_from(WORDS) | TEXTS, JSON, max_size=5)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "name": st.sampled_from(["a", "b", "day", "none"]) | TEXTS, "version": st.integers(-1, 5) | JSON, "changes": VALUES | JSON,
    "apply": st.sampled_from(["now", "next"]) | JSON, "values": VALUES | JSON, "model": st.sampled_from(["a", "none"]) | JSON,
    "models": st.lists(st.sampled_from(["a", "b", "none"]) | TEXTS, max_size=3) | JSON, "serverConfig": VALUES | JSON,
    "appConfig": VALUES | JSON, "document": VALUES | st.fixed_dictionaries({"model_templates": VALUES, "default_model": JSON}) | JSON,
    "model_templates": VALUES | JSON, "scope": st.sampled_from(["model", "server", "app", "template"]) | JSON,
}  # fmt: skip


@st.composite
def bodies(draw: st.DrawFn, names: list[str]) -> Any:
    """What a client may send where these fields are known: mostly objects with them, sometimes anything."""
    if not draw(st.integers(0, 9)):
        return draw(JSON)
    chosen = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    body = {name: draw(FIELDS.get(name, JSON)) for name in chosen}
    return {**body, **draw(st.dictionaries(TEXTS, JSON, max_size=1))} if not draw(st.integers(0, 9)) else body


def _fields(method: str, path: str) -> list[str]:
    schema = build_api([models_router(LocalAccounts(), cast("Any", None), cast("Any", None)), configuration_router(LocalAccounts(), cast("Any", None))]).openapi()  # fmt: skip
    operation = schema["paths"][path][method.lower()]
    body = json.dumps(operation.get("requestBody", {}))
    return sorted(
        {name for kind, found in schema["components"]["schemas"].items() if f"/{kind}\"" in body for name in found.get("properties", ())}
    )  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=[f"{method} {path}" for method, path in ROUTES])
def test_every_route_answers_or_refuses_with_a_reason(door: Door, method: str, path: str) -> None:
    names = _fields(method, path)

    @settings(max_examples=EXAMPLES)
    @given(
        name=st.sampled_from(["a", "b", "none", "day", "x/y", "\ufffd", "..", "\x00", "🐎"]), body=bodies(names),
        query=st.dictionaries(st.sampled_from(["scope", "name", "before", "limit", "file", "more"]), TEXTS, max_size=3),
    )  # fmt: skip
    def fuzz(name: str, body: Any, query: dict[str, str]) -> None:
        told = None if method in ("GET", "DELETE") else json.dumps(body).encode()
        asked = urllib.parse.urlencode(query, errors="replace")
        status, answer = door.ask(method, path.replace("{name}", name), told, asked)
        assert status < 500, answer
        if status >= 400:
            assert answer["error"]["code"]
            assert answer["error"]["message"]

    fuzz()
    _still_sound(door)


@pytest.mark.parametrize("event", INTENTS.names())
def test_every_intent_answers_or_refuses_with_a_reason(door: Door, event: str) -> None:
    body = INTENTS.get(event).body
    names = [field.alias or name for name, field in body.model_fields.items()]

    @settings(max_examples=EXAMPLES)
    @given(bodies(names))
    def fuzz(data: Any) -> None:
        try:
            answer = door.run(door.intents.run(event, door.connection, data))
        except CorralError as error:
            assert error.status < 500
            answer = {"message": error.message, "details": error.details}
        # What cannot be told is as bad as a crash.
        orjson.dumps(answer)

    fuzz()
    _still_sound(door)


def _still_sound(door: Door) -> None:
    """After all that: the settings file can be read, what is set is valid, and nothing counts that may not."""
    place = door.room.data / "corral.toml"
    if place.exists():
        Settings.model_validate(tomllib.loads(place.read_text()))
    assert door.room.configuration.settings.now.host == "127.0.0.1"
    assert door.room.configuration.settings.now.data == door.room.data
    assert not door.room.configuration.settings.now.engines
    for name in (
        "GET /api/config",
        "GET /api/model-templates",
        "GET /api/profiles",
        "GET /api/config/history",
        "GET /api/models",
    ):
        method, path = name.split()
        assert door.ask(method, path, None)[0] == 200, name


def test_every_intent_and_route_of_the_configuration_asks_for_a_permission_of_its_kind() -> None:
    for event in INTENTS.names():
        intent = INTENTS.get(event)
        writes = event.split(":")[1] not in ("list", "get", "history")
        wanted = {
            "config": (Permission.CONFIG_READ, Permission.CONFIG_MANAGE),
            "profiles": (Permission.CONFIG_READ, Permission.CONFIG_MANAGE),
            "status": (Permission.STATUS, Permission.STATUS),
        }.get(event.split(":")[0], (Permission.MODELS_READ, Permission.MODELS_MANAGE))
        assert intent.permission is wanted[writes], event
