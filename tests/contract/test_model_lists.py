"""The models as clients of OpenAI's, Anthropic's and Ollama's API list them, by their own SDKs."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import ollama
import openai
import pytest

from tests.support.server import Server

MODEL, INCLUDED = "corral-demo", "cria"
"""In the order of the list: the included model comes last."""


@pytest.fixture(scope="module")
def claude(shared_server: Server) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=shared_server.url, api_key="any", max_retries=0, timeout=60)


@pytest.fixture(scope="module")
def llama(shared_server: Server) -> ollama.Client:
    return ollama.Client(host=shared_server.url + "/ollama", timeout=60)


def test_one_entry_has_what_all_clients_read(shared_server: Server) -> None:
    status, listed = shared_server.ask("GET", "/v1/models")
    assert (status, listed["object"], listed["has_more"]) == (200, "list", False)
    assert (listed["first_id"], listed["last_id"]) == (MODEL, INCLUDED)
    entry, included = listed["data"]
    assert entry == shared_server.ask("GET", f"/v1/models/{MODEL}")[1]
    assert set(entry) >= {
        "id", "object", "type", "created", "created_at", "owned_by", "name", "display_name", "description", "context_length",
        "meta", "architecture", "supported_parameters", "capabilities", "status", "lifecycle", "max_input_tokens",
    }  # fmt: skip
    assert set(included) == set(entry)
    assert set(entry["meta"]) == {"n_ctx", "n_ctx_train", "n_params", "size"}
    assert all(entry["meta"].values())
    assert entry["architecture"] == {"input_modalities": ["text"], "output_modalities": ["text"]}
    assert {"tools", "temperature", "response_format"} <= set(entry["supported_parameters"])
    assert "tools" in entry["capabilities"]
    assert entry["status"]["value"] in {"stopped", "starting", "loading", "ready", "busy"}


def test_anthropics_sdk_lists_and_pages(claude: anthropic.Anthropic) -> None:
    found = list(claude.models.list(limit=1000))
    assert [(model.id, model.type, bool(model.display_name)) for model in found] == [
        (MODEL, "model", True),
        (INCLUDED, "model", True),
    ]
    one = claude.models.retrieve(MODEL)
    assert (one.id, one.capabilities, one.created_at.year > 2000) == (MODEL, None, True)
    with pytest.raises(anthropic.NotFoundError):
        claude.models.retrieve("nothing")
    with pytest.raises(anthropic.BadRequestError):
        claude.models.list(limit=0)


def test_openais_sdk_under_ollamas_address(shared_server: Server) -> None:
    with openai.OpenAI(base_url=shared_server.url + "/ollama/v1", api_key="any", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == [MODEL, INCLUDED]
        answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "ping"}])
        assert answer.choices[0].message.content == "pong"


def test_ollamas_sdk_lists_and_shows(llama: ollama.Client, shared_server: Server) -> None:
    listed, included = llama.list().models
    assert (listed.model, included.model) == (MODEL, INCLUDED)
    assert listed.size and listed.digest and listed.modified_at
    assert listed.details is not None
    assert listed.details.format == "gguf"
    for name in (MODEL, MODEL + ":latest"):
        shown = llama.show(name)
        assert set(shown.capabilities or ()) == {"completion", "tools"}
        assert shown.template
        assert shown.modelinfo is not None
        family = shown.modelinfo["general.architecture"]
        assert shown.modelinfo[f"{family}.context_length"] > 0
    with pytest.raises(ollama.ResponseError) as unknown:
        llama.show("nothing")
    assert unknown.value.status_code == 404
    shared_server.ask(
        "POST", "/v1/chat/completions", {"model": MODEL, "messages": [{"role": "user", "content": "ping"}]}
    )
    (running,) = llama.ps().models
    assert (running.model, bool(running.context_length), bool(running.expires_at)) == (MODEL, True, True)


def test_ollama_is_running(shared_server: Server) -> None:
    import urllib.request

    for path in ("/ollama", "/ollama/"):
        with urllib.request.urlopen(shared_server.url + path, timeout=30) as answer:
            assert answer.read() == b"Ollama is running"
    request = urllib.request.Request(shared_server.url + "/ollama/", method="HEAD")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
    status, told = shared_server.ask("GET", "/ollama/api/version")
    assert status == 200
    assert tuple(int(part) for part in told["version"].split(".")) >= (0, 6, 4)


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [("limit=0", 400, "limit"), ("limit=2000", 400, "limit"), ("limit=x", 400, "limit"), ("after_id=none", 400, "after_id"),
     ("before_id=none", 400, "before_id"), ("limit=1", 200, None), ("unknown=1", 200, None), (f"after_id={MODEL}", 200, None)],
)  # fmt: skip
def test_pages(shared_server: Server, query: str, status: int, param: str | None) -> None:
    got, answer = shared_server.ask("GET", f"/v1/models?{query}")
    assert got == status
    if param:
        assert answer["error"]["param"] == param
    else:
        assert len(answer["data"]) == (2 if "unknown" in query else 1)


def test_upstream_asks_the_engine_itself(shared_server: Server) -> None:
    base = f"/upstream/{MODEL}"
    status, tokens = shared_server.ask("POST", base + "/tokenize", {"content": "ping"})
    assert status == 200
    status, text = shared_server.ask("POST", base + "/detokenize", {"tokens": tokens["tokens"]})
    assert (status, text["content"].strip()) == (200, "ping")
    status, prompt = shared_server.ask(
        "POST", base + "/apply-template", {"messages": [{"role": "user", "content": "ping"}]}
    )
    assert status == 200
    assert "ping" in prompt["prompt"]
    status, answer = shared_server.ask(
        "POST", base + "/completion", {"prompt": prompt["prompt"], "n_predict": 16, "temperature": 0}
    )
    assert (status, answer["content"]) == (200, "pong")
    events = list(
        shared_server.events(base + "/completion", {"prompt": prompt["prompt"], "n_predict": 16, "stream": True})
    )
    assert "".join(event["content"] for event in events) == "pong"
    assert events[-1]["stop"] is True
    assert shared_server.ask("GET", base + "/props")[1]["default_generation_settings"]["n_ctx"] > 0
    assert isinstance(shared_server.ask("GET", base + "/slots")[1], list)


BAD: list[tuple[str, str, Any, int, str | None]] = [
    ("POST", "/tokenize", {}, 400, "content"), ("POST", "/tokenize", {"content": 3}, 400, "content"),
    ("POST", "/detokenize", {"tokens": ["x"]}, 400, "tokens[0]"), ("POST", "/apply-template", {"messages": "x"}, 400, "messages"),
    ("POST", "/completion", {}, 400, "prompt"), ("POST", "/completion", {"prompt": "x", "n_predict": 2**40}, 400, "n_predict"),
    ("POST", "/infill", {"input_prefix": "x"}, 400, "input_suffix"), ("POST", "/completion", b"{", 400, None),
    ("POST", "/slots", {}, 405, None), ("POST", "/slots/0?action=save", {"filename": "x"}, 404, None), ("POST", "/props", {}, 405, None),
    ("POST", "/lora-adapters", [], 404, None), ("GET", "/tokenize", None, 405, None), ("GET", "", None, 404, None),
    ("GET", "/../props", None, 404, "model"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "param"), BAD)
def test_upstream_is_an_allow_list(
    shared_server: Server, method: str, path: str, body: Any, status: int, param: str | None
) -> None:
    got, answer = shared_server.ask(method, f"/upstream/{MODEL}{path}", body)
    assert (got, answer["error"]["param"]) == (status, param), json.dumps(answer)


def test_upstream_of_a_model_that_is_not_there(shared_server: Server) -> None:
    assert shared_server.ask("GET", "/upstream/nothing/props")[0] == 404
    assert shared_server.ask("POST", "/upstream/nothing/tokenize", {"content": "x"})[0] == 404
