"""The spine from outside: a real server, a real engine, a real database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest

from tests.support.server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("data"))
    server.start()
    yield server
    server.stop()


def say(server: Server, message: str, **more: Any) -> dict[str, Any]:
    status, answer = server.ask("POST", "/api/chat", {"message": message, **more})
    assert status == 200, answer
    return dict(answer)


def test_the_server_is_ready_and_has_its_headers(server: Server) -> None:
    assert server.ask("GET", "/readyz")[0] == 200
    assert server.ask("GET", "/livez")[0] == 200


def test_a_chat_is_answered_and_kept(server: Server) -> None:
    answer = say(server, "ping", userId="kept")
    assert answer["message"] == answer["response"] == "pong"
    assert answer["messageCount"] == 3
    again = say(server, "ping once more", userId="kept")
    assert again["agentId"] == answer["agentId"]
    status, page = server.ask("GET", f"/api/agents/{answer['agentId']}/messages?userId=kept")
    assert status == 200
    assert [(one["seq"], one["role"]) for one in page["messages"]] == [
        (1, "system"), (2, "user"), (3, "assistant"), (4, "user"), (5, "assistant"),
    ]  # fmt: skip


def test_a_stream_has_contiguous_offsets_and_the_stored_answer(server: Server) -> None:
    events = list(server.events("/api/chat", {"message": "a long story", "stream": True, "userId": "stream"}))
    assert [event["offset"] for event in events] == list(range(len(events)))
    assert events[0]["type"] == "accepted"
    assert (events[-1]["type"], events[-1]["state"]) == ("end", "completed")
    text = "".join(event["text"] for event in events if event["type"] == "token")
    agent, turn = events[0]["agentId"], events[0]["turnId"]
    page = server.ask("GET", f"/api/agents/{agent}/messages?userId=stream")[1]
    assert page["messages"][-1]["content"] == text
    path = f"/api/agents/{agent}/turns/{turn}/events?userId=stream"
    for start in range(len(events)):
        assert list(server.events(f"{path}&from={start}")) == events[start:]
    assert server.ask("GET", f"{path}&from={len(events)}")[0] == 416


def test_a_key_makes_one_turn(server: Server) -> None:
    first = say(server, "ping", userId="key", idempotencyKey="k1")
    assert say(server, "ping", userId="key", idempotencyKey="k1") == first
    status, error = server.ask("POST", "/api/chat", {"message": "other", "userId": "key", "idempotencyKey": "k1"})
    assert (status, error["error"]["code"]) == (409, "idempotency_conflict")


def test_another_users_ids_are_not_found(server: Server) -> None:
    mine = say(server, "ping", userId="alice")
    agent, turn = mine["agentId"], mine["turnId"]
    for method, path in (
        ("GET", f"/api/agents/{agent}"), ("GET", f"/api/agents/{agent}/messages"), ("DELETE", f"/api/agents/{agent}"),
        ("GET", f"/api/agents/{agent}/turns/{turn}"), ("GET", f"/api/agents/{agent}/turns/{turn}/events"),
        ("POST", f"/api/agents/{agent}/turns/{turn}/cancel"), ("POST", f"/api/agents/{agent}/restore"),
    ):  # fmt: skip
        status, answer = server.ask(method, f"{path}?userId=bob")
        assert (status, answer["error"]["code"]) == (404, "not_found"), path
        assert agent not in str(answer)


def test_delete_can_be_undone(server: Server) -> None:
    agent = say(server, "ping", userId="undo")["agentId"]
    assert server.ask("PATCH", f"/api/agents/{agent}?userId=undo", {"title": "Named"})[1]["title"] == "Named"
    assert server.ask("DELETE", f"/api/agents/{agent}?userId=undo")[0] == 200
    assert server.ask("GET", f"/api/agents/{agent}?userId=undo")[0] == 404
    assert server.ask("POST", f"/api/agents/{agent}/restore?userId=undo")[1]["title"] == "Named"


@pytest.mark.parametrize(
    ("body", "field"),
    [({"message": ""}, "message"), ({"message": 3}, "message"), ({}, "message"), ({"message": "x", "userId": "a b"}, "userId"),
     ({"message": "x", "what": 1}, "what"), (b"{", "body")],
)  # fmt: skip
def test_bad_input_names_the_field(server: Server, body: Any, field: str) -> None:
    status, answer = server.ask("POST", "/api/chat", body)
    assert status == 400
    assert answer["error"]["details"]["field"] == field


def test_a_foreign_host_or_origin_is_refused(server: Server) -> None:
    assert server.ask("GET", "/api/agents", headers={"Host": "evil.example"})[0] == 421
    headers = {"Origin": "http://evil.example"}
    assert server.ask("POST", "/api/chat", {"message": "ping"}, headers)[0] == 403


def test_the_openai_sdk_works_unmodified(server: Server) -> None:
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="any")
    assert [model.id for model in client.models.list()] == ["corral-demo", "cria"]
    ask: Any = {"model": "corral-demo", "messages": [{"role": "user", "content": "ping"}]}
    whole = client.chat.completions.create(**ask)
    assert whole.choices[0].message.content == "pong"
    assert whole.usage is not None
    chunks = list(client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "pong"
    assert chunks[-1].usage is not None
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(**{**ask, "model": "none"})
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{**ask, "messages": [{"role": "user", "content": "x " * 9000}]})
    assert caught.value.code == "context_length_exceeded"


def test_models_start_and_stop(server: Server) -> None:
    started = server.ask("POST", "/api/models/corral-demo/start")[1]
    assert started["state"] == "ready"
    pid = started["engine"]["pid"]
    assert psutil.pid_exists(pid)
    assert server.ask("POST", "/api/models/corral-demo/stop")[1]["state"] == "stopped"
    assert not psutil.pid_exists(pid)
    assert server.ask("POST", "/api/models/none/start")[0] == 404


def test_a_second_server_on_the_data_is_refused(server: Server, tmp_path: Path) -> None:
    second = Server(server.data)
    with pytest.raises(AssertionError):
        second.start()
    assert second.wait() == 3
