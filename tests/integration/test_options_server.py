"""Options from outside: set over HTTP, seen in what a model then answers over HTTP."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import tiny_models
from tests.support.server import Server


@pytest.fixture
def server(tmp_path: Path, scripted_model: Path) -> Iterator[Server]:
    folder = tmp_path / "data" / "models"
    folder.mkdir(parents=True)
    for name in ("large", "vectors", "judge", "small"):
        shutil.copy(scripted_model, folder / f"{name}.gguf")
    tiny_models.adapter(folder.parent / "loud.gguf")
    (tmp_path / "data" / "corral.toml").write_text("context_length = 1024\nslots = 2\n")
    made = Server(tmp_path / "data", scripted=False)
    made.start()
    yield made
    made.stop()


def configure(server: Server, model: str, **changes: Any) -> dict[str, Any]:
    """Sets options of a model, to be taken at once."""
    version = server.ask("GET", f"/api/models/{model}")[1]["configuration"]["version"]
    body = {"version": version, "changes": changes, "apply": "now"}
    status, found = server.ask("PUT", f"/api/models/{model}", body)
    assert status == 200, found
    return dict(found)


def chat(server: Server, model: str = "large", **more: Any) -> dict[str, Any]:
    """A chat's answer, with the engine's own figures."""
    messages = [{"role": "user", "content": more.pop("say", "ping")}]
    body = {"model": model, "messages": messages, "max_tokens": 24, **more}
    status, found = server.ask("POST", "/v1/chat/completions", body)
    assert status == 200, found
    return dict(found)


def said(server: Server, **more: Any) -> str:
    return str(chat(server, **more)["choices"][0]["message"]["content"])


def test_what_is_set_over_http_changes_the_next_answer(server: Server) -> None:
    assert said(server) == "pong"
    loud = str(server.data / "loud.gguf")
    configure(server, "large", lora=[loud], temperature=0)
    assert set(said(server)) == {"Z"}
    configure(server, "large", loraScales=[0])
    assert said(server) == "pong"
    configure(server, "large", lora=None, loraScales=None, grammar='root ::= "no"')
    assert said(server) == "no"
    configure(server, "large", grammar=None, modelDraft="small.gguf", draftMax=8, draftPMin=0)
    assert said(server, say="a long story", max_tokens=60, temperature=0).startswith("A day at the corral")


def test_a_chat_model_becomes_one_for_vectors_and_one_that_ranks(server: Server) -> None:
    configure(server, "vectors", embeddings=True, pooling="mean")
    status, found = server.ask("POST", "/v1/embeddings", {"model": "vectors", "input": ["one", "two three"]})
    assert status == 200, found
    assert [math.hypot(*one["embedding"]) for one in found["data"]] == pytest.approx([1, 1], abs=1e-3)
    body = {"model": "judge", "query": "hello", "documents": ["ping", "a story"], "top_n": 2}
    assert server.ask("POST", "/v1/rerank", body)[0] >= 400
    configure(server, "judge", reranking=True)
    status, found = server.ask("POST", "/v1/rerank", body)
    assert status == 200, found
    assert sorted(one["index"] for one in found["results"]) == [0, 1]
    rows = {row["name"]: row for row in server.ask("GET", "/api/models")[1]["models"]}
    assert [name for name, row in rows.items() if row["embeddings"]] == ["judge", "vectors"]
    assert rows["large"]["default"], "a model that does not chat is not the one of new chats"
    status, found = server.ask("POST", "/v1/rerank", {"model": "judge", "query": "hello", "documents": []})
    assert (status, found["error"]["param"]) == (400, "documents")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ctxSize": 1}, "ctxSize"),
        ({"apiKey": "mine"}, "apiKey"),
        ({"topNSigma": 1.0}, "topNSigma"),
        ({"lora": ["nothing.gguf"]}, "lora"),
        ({"moeCacheMib": 5}, "moeCacheMib"),
    ],
)
def test_a_refusal_stands_beside_its_field_and_the_old_engine_serves_on(
    changes: dict[str, Any], field: str, server: Server
) -> None:
    assert said(server) == "pong"
    status, found = server.ask("PUT", "/api/models/large", {"version": 0, "changes": changes, "apply": "now"})
    assert 400 <= status < 500, found
    assert field in found["error"]["details"]["fields"]
    assert said(server) == "pong"
