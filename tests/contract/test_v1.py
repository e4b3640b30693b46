"""`/api/v1` (BR-5) with a real engine and scripted services: whole, streamed, of a schema, cut, left, limited, and refused."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.gateway import TEXT, Gateway, gateway
from tests.support.v1 import GENERATE, Client
from tests.support.waiting import eventually

HORSE: dict[str, Any] = {
    "type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"], "additionalProperties": False,
}  # fmt: skip
GOOD = {"name": "Ada", "age": 7}
SETTINGS = """
max_body_bytes = 100000
[routes.narrow]
candidates = ["openai/scripted"]
[routes.wide]
candidates = ["anthropic/scripted", "openai/scripted"]
[[limits]]
scope = "model"
subject = "narrow"
requests_per_minute = 2
"""


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("v1"), SETTINGS, ("openai", "anthropic", "compatible")) as made:
        yield made


@pytest.fixture(scope="module")
def client(services: Gateway) -> Client:
    return Client(services.server)


MODELS = [(None, "pong"), ("openai/scripted", TEXT), ("anthropic/scripted", TEXT)]


@pytest.mark.parametrize(("model", "text"), MODELS)
def test_whole_and_streamed_answers_say_the_same(
    services: Gateway, client: Client, model: str | None, text: str
) -> None:
    for kind in services.providers:
        services.script(kind)
    named = {} if model is None else {"model": model}
    whole = client.generate(**named)
    assert (whole.status, whole.data["text"], whole.data["finishReason"]) == (200, text, "stop")
    assert whole.data["usage"]["totalTokens"] > 0
    assert whole.data["provider"] == ("local" if model is None else model.partition("/")[0])
    streamed = client.generate(stream=True, **named)
    assert streamed.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "".join(data["text"] for name, data in streamed.body if name == "token") == text
    name, last = streamed.body[-1]
    assert name == "complete"
    own = ("id", "attempts", "usage")
    assert {k: v for k, v in last["data"].items() if k not in own} == {
        k: v for k, v in whole.data.items() if k not in own
    }
    assert last["metadata"]["requestId"] == streamed.headers["x-request-id"]


def test_what_is_asked_reaches_the_provider(services: Gateway, client: Client) -> None:
    services.script("openai")
    more = {"temperature": 0.3, "top_p": 0.9, "max_tokens": 77, "seed": 5, "stop": ["x"], "presence_penalty": 0.5}
    assert client.generate("Hello", system="Be brief.", model="openai/scripted", **more).status == 200
    body = services.providers["openai"].seen()[-1]["body"]
    assert [one["content"] for one in body["messages"]] == ["Be brief.", "Hello"]
    assert (body["temperature"], body["top_p"], body["seed"], body["stop"]) == (0.3, 0.9, 5, ["x"])
    assert 77 in (body.get("max_tokens"), body.get("max_completion_tokens"))


@pytest.mark.parametrize("stream", [False, True])
def test_json_of_a_schema_from_a_real_engine(client: Client, stream: bool) -> None:
    answer = client.generate("ping", schema=HORSE, stream=stream, max_tokens=200)
    data = answer.body[-1][1]["data"] if stream else answer.data
    assert answer.status == 200
    assert data["json"] == json.loads(data["text"])
    assert set(data["json"]) == {"name", "age"}


def test_an_answer_that_does_not_fit_is_asked_for_again_or_an_error(services: Gateway, client: Client) -> None:
    services.script("anthropic", honour_schema=False, schema_text='{"name": "Ada"}')
    services.providers["anthropic"].then(
        {"honour_schema": False, "schema_text": '{"name": "Ada"}'},
        {"honour_schema": False, "schema_text": json.dumps(GOOD)},
    )
    asked = {"schema": HORSE, "model": "anthropic/scripted"}
    answer = client.generate("A horse", **asked)
    assert (answer.data["json"], answer.data["attempts"]) == (GOOD, 2)
    refused = client.generate("A horse", **asked)
    assert (refused.status, refused.error["code"]) == (502, "output_invalid")
    assert refused.error["details"]["problems"]
    passed = client.generate("A horse", stream=True, headers={"X_Corral_Repair": "0"}, **asked)
    told = passed.body[-1] if isinstance(passed.body, list) else ("error", passed.body)
    assert (told[0], told[1]["error"]["code"]) == ("error", "output_invalid")
    assert told[1]["error"]["details"]["problems"]


@pytest.mark.parametrize("then", ["reset", "end", "error"])
def test_a_cut_answer_ends_with_an_error_event(services: Gateway, client: Client, then: str) -> None:
    services.script("compatible", after=2, then=then, pace=0.05)
    answer = client.generate(stream=True, model="compatible/scripted")
    if answer.status == 200:
        name, last = answer.body[-1]
        assert (name, last["success"]) == ("error", False)
        assert last["error"]["code"] in ("upstream_failed", "upstream_overloaded")
        assert "complete" not in [one for one, _ in answer.body]
    else:
        # With nothing left to ask, a failure before the first word is an answer with a status.
        assert answer.status in (502, 503)


def test_another_candidate_goes_on_with_a_cut_answer(services: Gateway, client: Client) -> None:
    services.script("anthropic", after=2, then="reset", pace=0.05)
    services.script("openai")
    answer = client.generate(stream=True, model="wide")
    assert "".join(data["text"] for name, data in answer.body if name == "token") == TEXT
    assert answer.body[-1][1]["data"]["text"] == TEXT


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_ends_the_work(services: Gateway, client: Client, stream: bool) -> None:
    services.script("anthropic", text="word " * 400, **({"pace": 0.1} if stream else {"first_after": 40}))
    provider = services.providers["anthropic"]
    connection = client.connect()
    asked = {"prompt": "ping", "model": "anthropic/scripted", "stream": stream}
    connection.request("POST", GENERATE, json.dumps(asked), {"Content-Type": "application/json"})
    await eventually(provider.seen)
    if stream:
        answer = connection.getresponse()
        assert answer.readline() == b"event: token\n"
        answer.close()
    connection.close()
    await eventually(lambda: provider.seen()[0]["hung_up"], message="the provider was left")


def test_the_same_question_is_answered_from_the_cache_under_its_own_id(services: Gateway, client: Client) -> None:
    services.script("openai")
    asked = {"temperature": 0, "seed": 1, "model": "openai/scripted"}
    first, second = client.generate("Kept?", **asked), client.generate("Kept?", **asked)
    assert (first.data["cache"], second.data["cache"]) == ("miss", "hit")
    assert first.data["text"] == second.data["text"]
    assert first.body["metadata"]["requestId"] != second.body["metadata"]["requestId"]
    assert len(services.providers["openai"].seen()) == 1
    keyed = [client.generate("Once", model="openai/scripted", headers={"Idempotency_Key": "v1-a"}) for _ in range(2)]
    assert keyed[0].data["id"] == keyed[1].data["id"]
    assert len(services.providers["openai"].seen()) == 2


def test_limits_hold_and_say_when_to_come_again(services: Gateway, client: Client) -> None:
    services.script("openai")
    answers = [client.generate("ping", model="narrow") for _ in range(3)]
    assert [one.status for one in answers] == [200, 200, 429]
    assert answers[0].headers["ratelimit-limit"] == "2"
    assert answers[2].error["code"] == "rate_limit_exceeded"
    assert answers[2].error["details"]["retryAfter"] > 0
    assert int(answers[2].headers["retry-after"]) > 0


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["prompt"]),
    ({"prompt": ""}, ["prompt"]),
    ({"prompt": "x" * 10_001}, ["prompt"]),
    ({"prompt": ["x"]}, ["prompt"]),
    ({"prompt": None}, ["prompt"]),
    ({"prompt": "x", "max_tokens": 0}, ["max_tokens"]),
    ({"prompt": "x", "max_tokens": 4097}, ["max_tokens"]),
    ({"prompt": "x", "max_tokens": 1.5}, ["max_tokens"]),
    ({"prompt": "x", "max_tokens": "9"}, ["max_tokens"]),
    ({"prompt": "x", "temperature": -0.1}, ["temperature"]),
    ({"prompt": "x", "temperature": 2.1}, ["temperature"]),
    ({"prompt": "x", "temperature": True}, ["temperature"]),
    ({"prompt": "x", "top_p": 1.1}, ["top_p"]),
    ({"prompt": "x", "top_k": 0}, ["top_k"]),
    ({"prompt": "x", "min_p": 2}, ["min_p"]),
    ({"prompt": "x", "presence_penalty": 3}, ["presence_penalty"]),
    ({"prompt": "x", "frequency_penalty": -3}, ["frequency_penalty"]),
    ({"prompt": "x", "repeat_penalty": 0}, ["repeat_penalty"]),
    ({"prompt": "x", "stream": "yes"}, ["stream"]),
    ({"prompt": "x", "seed": 2**63}, ["seed"]),
    ({"prompt": "x", "model": ""}, ["model"]),
    ({"prompt": "x", "model": "m" * 201}, ["model"]),
    ({"prompt": "x", "system": ""}, ["system"]),
    ({"prompt": "x", "stop": ["a"] * 9}, ["stop"]),
    ({"prompt": "x", "stop": ["a", ""]}, ["stop.1"]),
    ({"prompt": "x", "stop": 7}, ["stop"]),
    ({"prompt": "x", "schema": []}, ["schema"]),
    ({"prompt": "x", "schema": {"properties": {"a": {"type": "horse"}}}}, ["schema.properties.a.type"]),
    ({"prompt": "x", "colour": "red"}, ["colour"]),
    ({"prompt": 3, "max_tokens": -1, "temperature": 5}, ["prompt", "max_tokens", "temperature"]),
]


@pytest.mark.parametrize(("body", "fields"), WRONG, ids=lambda one: ",".join(one) if isinstance(one, list) else "")
def test_every_field_that_is_wrong_is_named(client: Client, body: dict[str, Any], fields: list[str]) -> None:
    answer = client.ask("POST", GENERATE, body)
    assert (answer.status, answer.error["code"], answer.fields) == (422, "fields_invalid", fields)
    assert fields[0] in answer.error["message"]


def test_the_bounds_themselves_are_taken(client: Client) -> None:
    assert client.generate("x" * 9_000, max_tokens=1, temperature=0, stop="zz").status in (200, 400)
    assert client.generate("ping", max_tokens=4096, temperature=2, seed=-(2**63)).status == 200


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, "invalid_request"),
        (b'{"prompt": NaN}', {}, 422, "fields_invalid"),
        (b'{"prompt": "\\ud800"}', {}, 400, "invalid_request"),
        (b'{"prompt": "x", "schema": {"const": "\\udfff"}}', {}, 400, "invalid_request"),
        (b'{"schema": ' + b'{"not":' * 5_000, {}, 400, "invalid_request"),
        (b"", {}, 400, "invalid_request"),
        (b'{"prompt": "x"}', {"Content_Type": "text/plain"}, 415, "unsupported_media_type"),
        (b'{"prompt": "x"}', {"Content_Type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
        (b'{"prompt": "' + b"x" * 100_000 + b'"}', {}, 413, "payload_too_large"),
        (b'{"prompt": "x", "model": "nobody"}', {}, 404, "model_not_found"),
    ],
)
def test_bodies_that_are_none(client: Client, body: bytes, headers: dict[str, str], status: int, code: str) -> None:
    answer = client.ask("POST", GENERATE, body, **headers)
    assert (answer.status, answer.error["code"]) == (status, code)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", GENERATE, 405),
        ("DELETE", "/api/v1/models", 405),
        ("GET", "/api/v1/nothing", 404),
        ("POST", "/api/v1", 404),
        ("GET", "/api/v1/status/", 404),
        ("GET", "/api/v1/models/", 404),
        ("GET", "/api/v1/models/nobody", 404),
        ("GET", "/api/v1/models/nobody/knows/😀", 404),
    ],
)
def test_paths_and_methods(client: Client, method: str, path: str, status: int) -> None:
    assert client.ask(method, path).status == status


def test_a_page_of_another_origin_is_refused_in_the_envelope(client: Client) -> None:
    answer = client.generate(headers={"Origin": "https://evil.example"})
    assert (answer.status, answer.error["code"]) == (403, "forbidden")


def test_models_and_status(client: Client) -> None:
    models = client.ask("GET", "/api/v1/models").data["models"]
    found = {one["id"]: one for one in models}
    assert {"cria", "corral-demo", "narrow", "wide"} <= set(found)
    assert [one["id"] for one in models if one["default"]] == ["corral-demo"]
    for name in ("cria", "wide"):
        assert client.ask("GET", f"/api/v1/models/{name}").data == found[name]
    status = client.ask("GET", "/api/v1/status").data
    assert (status["status"], status["defaultModel"], status["models"]) == ("ok", "corral-demo", len(models))
    assert status["uptimeSeconds"] > 0


def test_errors_are_counted_by_what_they_are(services: Gateway, client: Client) -> None:
    counted = 'corral_errors_total{{type="{}",severity="{}",code="{}",where="{}"}}'
    services.script("compatible", status=500)
    assert client.generate(model="compatible/scripted").status in (502, 503)
    assert client.generate("").status == 422
    with urllib.request.urlopen(services.server.url + "/metrics", timeout=60) as answer:
        told = answer.read().decode()
    assert counted.format("request", "low", "fields_invalid", "http") in told
    assert counted.format("provider", "medium", "upstream_failed", "answer") in told or (
        counted.format("server", "high", "unavailable", "answer") in told
    )
