"""`/api/v1` given anything that its OpenAPI description allows, and much that it does not: no fault of ours, and every answer as described."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.gateway import Gateway
from tests.support.scale import scaled
from tests.support.v1 import GENERATE, Client

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, width=32) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip
SCHEMAS = st.recursive(
    st.sampled_from([{"type": "integer"}, {"type": "string", "maxLength": 5}, {"enum": ["a", 1, None]}, {"type": "boolean"}, {}, {"type": "horse"}]),
    lambda inner: st.fixed_dictionaries(
        {}, optional={"type": st.sampled_from(["object", "array"]), "properties": st.dictionaries(st.text(max_size=3), inner, max_size=2),
                      "items": inner, "anyOf": st.lists(inner, min_size=1, max_size=2), "required": st.lists(st.text(max_size=3), max_size=1),
                      "maxItems": st.integers(0, 2), "$ref": st.sampled_from(["#", "#/properties/a", "x"]), "pattern": st.text(max_size=4)}),
    max_leaves=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def client(calm_providers: Gateway) -> Client:
    return Client(calm_providers.server)


def value_of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a property's description allows."""
    if "anyOf" in schema:
        return st.one_of([value_of(one) for one in schema["anyOf"]])
    kind = schema.get("type")
    if kind == "string":
        return st.text(min_size=schema.get("minLength", 0), max_size=min(40, schema.get("maxLength", 40)))
    if kind == "integer":
        most = min(schema.get("maximum", schema.get("exclusiveMaximum", 2**40) - 1), 9)
        return st.integers(schema.get("minimum", 0), most)
    if kind == "number":
        return st.floats(schema["minimum"], schema["maximum"])
    if kind == "array":
        return st.lists(value_of(schema["items"]), max_size=schema["maxItems"])
    return {"boolean": st.booleans(), "null": st.none(), "object": SCHEMAS}[str(kind)]


@settings(max_examples=scaled(30, 3000))
@given(data=st.data())
def test_what_the_description_allows_is_answered(client: Client, data: st.DataObject) -> None:
    body_of = client.described["paths"][GENERATE]["post"]["requestBody"]
    schema = body_of["content"]["application/json"]["schema"]
    given_ = {name: value_of(one) for name, one in schema["properties"].items() if name not in ("model", "prompt")}
    models = st.sampled_from(["openai/scripted", "ollama/scripted", "corral-demo", "nobody"])
    fixed = {"prompt": value_of(schema["properties"]["prompt"]), "model": models}
    body = data.draw(st.fixed_dictionaries(fixed, optional=given_))
    answer = client.ask("POST", GENERATE, body)
    # A scripted service may rest after failures that another test had it have.
    assert answer.status != 500, answer.body
    assert answer.status in (200, 400, 404, 422, 429, 502, 503), answer.body


@settings(max_examples=scaled(60, 3000))
@given(
    body=st.fixed_dictionaries({}, optional=dict.fromkeys(("prompt", "model", "stream", "max_tokens", "temperature", "top_p", "stop", "seed", "schema", "system"), JSON))
    | JSON,
    known=st.booleans(),
)  # fmt: skip
def test_anything_is_answered_or_refused(client: Client, body: Any, known: bool) -> None:
    if isinstance(body, dict) and known:
        body = {**body, "model": "openai/scripted"}
    answer = client.ask("POST", GENERATE, body)
    assert answer.status < 500 or answer.error["code"] in ("upstream_failed", "unavailable", "output_invalid"), (
        answer.body
    )
    if answer.status == 422:
        assert answer.fields


@settings(max_examples=scaled(40, 2000))
@given(body=st.binary(max_size=200))
def test_what_is_no_json_is_refused(client: Client, body: bytes) -> None:
    assert 400 <= client.ask("POST", GENERATE, body).status < 500


@settings(max_examples=scaled(60, 3000))
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    path=st.text(max_size=20),
    under=st.sampled_from(["", "models/", "status", "generate", "models"]),
)
def test_any_path_is_answered_in_the_envelope(client: Client, method: str, path: str, under: str) -> None:
    answer = client.ask(method, f"/api/v1/{under}{json.dumps(path)[1:-1]}".split("?")[0].split("#")[0])
    assert answer.status < 500
