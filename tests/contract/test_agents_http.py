"""Conversations over HTTP: the chat's answers, isolation on every route, stops that end the upstream, resume."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.fakes.storyteller import answer_to
from tests.support.server import Server
from tests.support.story import Story, storyteller


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with storyteller() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, story: Story) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("agents")
    story.attach_to(data)
    server = Server(data)
    server.start()
    yield server
    server.stop()


def chat(server: Server, **body: Any) -> tuple[int, Any]:
    return server.ask("POST", "/api/chat", body)


def test_every_route_hides_a_foreign_agent(server: Server) -> None:
    mine = chat(server, message="words=3 mine", userId="owner")[1]
    agent, turn = mine["agentId"], mine["turnId"]
    routes = server.ask("GET", "/api/openapi.json")[1]["paths"]
    asked = 0
    for path, methods in routes.items():
        if "{agent_id}" not in path:
            continue
        place = path.replace("{agent_id}", agent).replace("{turn_id}", turn)
        for method in methods:
            body = {"title": "stolen"} if method == "patch" else None
            status, answer = server.ask(method.upper(), f"{place}?userId=thief", body)
            assert (status, answer["error"]["code"]) == (404, "not_found"), path
            assert agent not in str(answer)
            assert turn not in str(answer)
            asked += 1
    assert asked >= 8
    assert chat(server, message="hi", userId="thief", agentId=agent)[0] == 404
    assert server.ask("GET", f"/api/agents?userId=thief&before={agent}")[0] == 404
    assert server.ask("GET", "/api/agents?userId=thief")[1] == {"agents": []}
    # The owner has it as it was.
    assert server.ask("GET", f"/api/agents/{agent}?userId=owner")[1]["messageCount"] == 3


def test_a_message_can_be_left_without_waiting(server: Server) -> None:
    status, answer = chat(server, message="words=5 later", userId="later", wait=False)
    assert (status, set(answer)) == (202, {"agentId", "turnId"})
    path = f"/api/agents/{answer['agentId']}/turns/{answer['turnId']}/events?userId=later"
    events = list(server.events(path))
    assert "".join(event["text"] for event in events if event["type"] == "token") == answer_to("words=5 later")


def test_an_unknown_model_is_told_with_its_own_status(server: Server) -> None:
    status, answer = chat(server, message="hi", userId="unknown", model="none")
    assert (status, answer["error"]["code"]) == (404, "model_not_found")
    events = list(server.events("/api/chat", {"message": "hi", "userId": "unknown", "model": "none", "stream": True}))
    assert [event["type"] for event in events][-2:] == ["error", "end"]
    assert (events[-2]["code"], events[-2]["recoverable"], events[-1]["state"]) == ("model_not_found", False, "failed")


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain"])
def test_a_body_that_says_it_is_no_json_is_told_what_to_say(server: Server, kind: str) -> None:
    asked = httpx2.post(f"{server.url}/api/chat", content=b'{"message": "hello"}', headers={"content-type": kind})
    assert asked.status_code == 415
    assert "Content-Type: application/json" in asked.json()["error"]["message"]


def test_a_stop_over_http_names_the_last_offset_and_frees_the_upstream(server: Server, story: Story) -> None:
    sent = chat(server, message="words=100000 long", userId="stop", wait=False)[1]
    path = f"/api/agents/{sent['agentId']}/turns/{sent['turnId']}"
    seen: list[Any] = []
    watching = threading.Thread(target=lambda: seen.extend(server.events(f"{path}/events?userId=stop")))
    watching.start()
    deadline = time.monotonic() + 30
    while not story.calls():
        assert time.monotonic() < deadline
    status, stopped = server.ask("POST", f"{path}/cancel?userId=stop")
    assert (status, stopped["state"]) == (200, "cancelled")
    assert story.no_calls()
    watching.join()
    assert [event["offset"] for event in seen] == list(range(stopped["finalOffset"]))


def test_a_client_that_leaves_a_plain_chat_leaves_its_answer(server: Server) -> None:
    body = json.dumps({"message": "words=200 interval=5 gone", "userId": "gone"}).encode()
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as raw:
        raw.sendall(
            b"POST /api/chat HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n" % len(body) + body
        )
        deadline = time.monotonic() + 30
        while not server.ask("GET", "/api/agents?userId=gone")[1]["agents"]:
            assert time.monotonic() < deadline
    agent = server.ask("GET", "/api/agents?userId=gone")[1]["agents"][0]["id"]
    while server.ask("GET", f"/api/agents/{agent}?userId=gone")[1]["state"] != "idle":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    page = server.ask("GET", f"/api/agents/{agent}/messages?userId=gone")[1]["messages"]
    assert page[-1]["content"] == answer_to("words=200")


def test_many_clients_on_one_agent_are_answered_in_turn(server: Server) -> None:
    agent = server.ask("POST", "/api/agents?userId=many", {})[1]["id"]

    def say(number: int) -> tuple[int, Any]:
        return chat(server, message=f"words=2 n{number}", userId="many", agentId=agent)

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(say, range(32)))
    assert {status for status, _ in answers} == {200}
    page = server.ask("GET", f"/api/agents/{agent}/messages?userId=many&limit=500")[1]["messages"]
    assert [one["seq"] for one in page] == list(range(1, 66))
    assert [one["role"] for one in page] == ["system"] + ["user", "assistant"] * 32


def test_a_slow_reader_holds_up_nobody(server: Server) -> None:
    body = json.dumps({"message": "words=20000 slow", "userId": "slow", "stream": True}).encode()
    host, port = server.url.removeprefix("http://").split(":")
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        raw.connect((host, int(port)))
        raw.sendall(
            b"POST /api/chat HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n" % len(body) + body
        )
        assert raw.recv(1)
        for number in range(5):
            assert chat(server, message=f"words=3 quick{number}", userId="quick")[0] == 200
        agent = server.ask("GET", "/api/agents?userId=slow")[1]["agents"][0]["id"]
        turn = server.ask("GET", f"/api/agents/{agent}/messages?userId=slow")[1]["messages"][-1]["turnId"]
        assert server.ask("POST", f"/api/agents/{agent}/turns/{turn}/cancel?userId=slow")[0] == 200


@pytest.mark.parametrize("last", ["x", "-1", "1e3", "9" * 12, "\u0663"])
def test_a_last_event_id_that_is_no_offset_is_refused(server: Server, last: str) -> None:
    sent = chat(server, message="words=3 id", userId="ids")[1]
    path = f"/api/agents/{sent['agentId']}/turns/{sent['turnId']}/events?userId=ids"
    status, answer = server.ask("GET", path, headers={"Last-Event-ID": last.encode().decode("latin-1")})
    assert (status, answer["error"]["details"]["field"]) == (400, "Last-Event-ID")
    assert server.ask("GET", path, headers={"Last-Event-ID": "99"})[0] == 416


def test_a_device_brings_its_turns_over_http(server: Server) -> None:
    turn = {"key": "d1", "message": "hello", "answer": "Hi from here.", "state": "completed", "model": "Cria"}
    body = {"userId": "device", "turns": [{**turn, "stats": {"tokens": 4, "promptTokens": 9, "backend": "wasm"}}]}
    status, told = server.ask("POST", "/api/device/turns", body)
    assert status == 200, told
    assert (told["lastSeq"], told["forkedFrom"], told["turns"][0]["state"]) == (3, None, "completed")
    assert server.ask("POST", "/api/device/turns", body)[1]["turns"][0]["repeated"] is True
    events = list(
        server.events(f"/api/agents/{told['agentId']}/turns/{told['turns'][0]['turnId']}/events?userId=device")
    )
    assert [event["type"] for event in events] == ["accepted", "status", "token", "usage", "end"]
    answer = server.ask("GET", f"/api/agents/{told['agentId']}/messages?userId=device")[1]["messages"][-1]
    assert (answer["place"], answer["model"], answer["stats"]["tokens"]) == ("device", "Cria", 4)
    theft = {**body, "userId": "thief", "agentId": told["agentId"], "after": 3}
    assert server.ask("POST", "/api/device/turns", theft)[0] == 404
    for field, wrong in (
        ("turns", {"turns": []}),
        ("turns", {"turns": [{**turn, "key": f"k{number}"} for number in range(51)]}),
        ("turns.0.answer", {"turns": [{**turn, "answer": "x" * 200_001}]}),
        ("turns.0.message", {"turns": [{**turn, "message": ""}]}),
        ("turns.0.state", {"turns": [{**turn, "state": "queued"}]}),
        ("turns.0.stats.tokens", {"turns": [{**turn, "stats": {"tokens": -1}}]}),
        ("after", {"turns": [turn], "agentId": told["agentId"]}),
        ("page", {"turns": [turn], "page": 1}),
    ):
        status, refused = server.ask("POST", "/api/device/turns", {"userId": "device", **wrong})
        assert (status, refused["error"]["details"]["field"]) == (400, field), refused


def test_answers_are_sampled_as_their_conversation_says(server: Server) -> None:
    status, agent = server.ask("POST", "/api/agents?userId=sam", {"sampling": {"maxTokens": 4, "temperature": 0}})
    assert (status, agent["sampling"]) == (201, {"temperature": 0.0, "maxTokens": 4})
    place = f"/api/agents/{agent['id']}?userId=sam"
    for field, value in (
        ("temperature", 2.1), ("temperature", "NaN"), ("topP", -0.1), ("topK", 1.5), ("seed", -1), ("maxTokens", 0),
        ("stop", ["1", "2", "3", "4", "5"]), ("stop", [""]), ("presencePenalty", -3), ("who", 1),
    ):  # fmt: skip
        status, answer = server.ask("PATCH", place, {"sampling": {field: value}})
        assert status == 400, (field, value)
        assert answer["error"]["details"]["field"].startswith(f"sampling.{field}"), answer
    assert server.ask("GET", place)[1]["sampling"] == {"temperature": 0.0, "maxTokens": 4}
    assert server.ask("PATCH", place, {"title": "Named"})[1]["sampling"] == {"temperature": 0.0, "maxTokens": 4}
    assert server.ask("PATCH", place, {"sampling": {}})[1]["sampling"] == {}
