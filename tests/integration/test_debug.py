"""What happened lately, from outside: one turn's spans from the socket to the engine's slot, a failure, hostile input."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
import socketio

from corral.kit.trace import new_span_id, new_trace_id
from corral.realtime import PATH
from tests.support.server import START_SECONDS, Server
from tests.support.waiting import eventually

DEBUG = "/api/v1/debug"
MODEL = "corral-demo"


def told(server: Server, path: str) -> Any:
    """The data of a good answer."""
    status, body = server.ask("GET", DEBUG + path)
    assert status == 200, body
    assert body["success"], body
    return body["data"]


class Page:
    """A page with a socket: what the web app does for one message."""

    def __init__(self, server: Server, user: str) -> None:
        self.server, self.user = server, user
        self.trace_id, self.click = new_trace_id(), new_span_id()

    async def say(self, message: str, key: str) -> dict[str, Any]:
        """Sends a message under the request id `key` and reads its answer to the end."""
        io = socketio.AsyncClient(reconnection=False)
        answers: asyncio.Queue[Any] = asyncio.Queue()
        ended = asyncio.Event()

        async def heard(event: str, body: dict[str, Any]) -> None:
            if event == "turn:event" and body["data"]["type"] == "end":
                ended.set()
            elif event.endswith(":result"):
                await answers.put(body)

        io.on("*", heard)
        await io.connect(self.server.url, socketio_path=PATH, transports=["websocket"], auth={"userId": self.user})
        try:
            parent = f"00-{self.trace_id}-{self.click}-01"
            asked = {"data": {"message": message, "idempotencyKey": key}, "requestId": key, "traceparent": parent}
            await io.emit("chat:send", asked)
            sent = (await asyncio.wait_for(answers.get(), START_SECONDS))["data"]
            turn = {"agentId": sent["agentId"], "turnId": sent["turnId"]}
            await io.emit("turn:subscribe", {"data": turn, "requestId": f"{key}-s"})
            await asyncio.wait_for(ended.wait(), START_SECONDS)
        finally:
            await io.disconnect()
        return dict(sent)


def below(spans: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The span whose name begins so."""
    found = [one for one in spans if one["name"].startswith(name)]
    assert found, (name, [one["name"] for one in spans])
    return found[0]


async def test_one_turn_is_one_tree_from_the_click_to_the_engines_slot(shared_server: Server) -> None:
    page, key = Page(shared_server, "debug-tree"), f"click-{time.time_ns()}"
    began = time.time() * 1e3
    sent = await page.say("a long story", key)
    mine = {
        "requestId": key, "traceId": page.trace_id, "id": page.click, "name": "message", "start": began, "ms": time.time() * 1e3 - began,
        "attributes": {"characters": 12}, "marks": [{"at": began + 1, "name": "first token shown"}],
    }  # fmt: skip
    status, taken = shared_server.ask("POST", f"{DEBUG}/spans", {"spans": [mine]})
    assert (status, taken["data"]["taken"]) == (200, 1)

    def whole() -> Any:
        found = told(shared_server, f"/traces/{key}")
        names = {one["name"] for one in found["spans"]}
        slot = any(one["layer"] == "engine" and "slot" in one["attributes"] for one in found["spans"])
        return found if {"turn", "send to the page"} <= names and slot else None

    found = await eventually(whole)
    spans = found["spans"]
    by_id = {one["id"]: one for one in spans}
    assert len(by_id) == len(spans)
    assert {one["traceId"] for one in spans} == {page.trace_id}
    # Every span but the click hangs below another one of the same trace.
    assert [one["name"] for one in spans if one["parentId"] not in by_id] == ["message"]

    def parent(name: str) -> str:
        return str(by_id[below(spans, name)["parentId"]]["name"])

    assert parent("intent chat:send") == "message"
    assert parent("commit the message") == "intent chat:send"
    assert parent("turn") == parent("wait for its turn") == "intent chat:send"
    for name in (
        "claim the turn",
        "read the history",
        "route ",
        "commit the tokens",
        "commit the end",
    ):
        assert parent(name) == "turn", name
    assert parent("first attempt").startswith("route ")
    assert parent("wait for a slot").startswith("first attempt")
    assert parent("read the prompt").startswith("engine ")
    assert parent("write the answer").startswith("engine ")
    wrote = below(spans, "write the answer")
    assert wrote["ms"] > 0
    assert wrote["attributes"]["completionTokens"] > 1
    engine = below(spans, "engine ")
    assert isinstance(engine["attributes"]["slot"], int)
    assert any(mark["name"] == "first token on disk" for mark in below(spans, "commit the tokens")["marks"])
    for one in spans:
        above = by_id.get(one["parentId"] or "")
        if above is not None and above["layer"] != "browser":
            # Their times come from several readings of two clocks.
            assert one["start"] >= above["start"] - 50, one["name"]
    assert (found["turnId"], found["agentId"]) == (sent["turnId"], sent["agentId"])
    # An answer finds it by its turn; nothing that was said is in it.
    assert told(shared_server, f"/traces/{sent['turnId']}")["requestId"] == key
    assert "long story" not in str(found)
    listed = told(shared_server, "/traces?kind=turn&limit=500")["traces"]
    row = next(one for one in listed if one["requestId"] == key)
    assert row["firstTokenMs"] > 0


async def test_a_call_of_the_data_plane_has_its_times_too(shared_server: Server) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "ping"}], "stream": False}
    status, _ = shared_server.ask("POST", "/v1/chat/completions", body, {"x-request-id": "debug-plain"})
    assert status == 200
    spans = told(shared_server, "/traces/debug-plain")["spans"]
    assert [one["layer"] for one in spans if one["parentId"] is None] == ["inference"]
    assert below(spans, "wait for a slot")["ms"] >= 0
    assert any(one["requestId"] == "debug-plain" for one in told(shared_server, "/traces?kind=request")["traces"])
    figures = told(shared_server, "/metrics?name=inference.request&tag=outcome:completed")
    assert 0 < figures["min"] <= figures["p50"] <= figures["p95"] <= figures["max"]
    assert told(shared_server, "/metrics?name=inference.request&until=1")["count"] == 0


async def test_a_failure_is_listed_with_its_class_and_request(shared_server: Server) -> None:
    body = {"message": "hello", "userId": "debug-fails", "model": "no-such-model"}
    status, _ = shared_server.ask("POST", "/api/chat", body, {"x-request-id": "debug-fails"})
    assert status == 404
    errors = told(shared_server, "/errors")["errors"]
    [mine] = [one for one in errors if "debug-fails" in one["requestIds"]]
    assert mine["code"] == "model_not_found"
    assert mine["about"]["turn"].startswith("trn_")
    assert (mine["type"], mine["severity"], mine["recoverable"], mine["strategy"]) == (
        "model",
        "low",
        False,
        ["other_candidate", "change_model"],
    )
    trace = told(shared_server, "/traces/debug-fails")
    assert trace["errors"] == [mine]
    assert below(trace["spans"], "turn")["error"] == "model_not_found"


async def test_a_profile_shows_what_runs_and_only_one_is_taken(shared_server: Server) -> None:
    def taken() -> Any:
        return shared_server.ask("GET", f"{DEBUG}/profile?seconds=1&rate=50")

    results = await asyncio.gather(asyncio.to_thread(taken), asyncio.to_thread(taken))
    assert sorted(status for status, _ in results) == [200, 409]
    [good] = [body["data"] for status, body in results if status == 200]
    assert good["samples"] > 5
    assert good["tree"]["children"]
    assert any(one["name"] == "MainThread" for one in good["threads"])
    foreign = {"sec-fetch-site": "cross-site"}
    assert shared_server.ask("GET", f"{DEBUG}/profile?seconds=0.1", None, foreign)[0] == 403


async def test_what_a_page_tells_of_itself_is_listed(shared_server: Server) -> None:
    now = time.time() * 1e3
    whole = {
        "requestId": "page-alone", "traceId": "c" * 32, "id": "d" * 16, "name": "answer on this device", "start": now - 900, "ms": 800,
        "attributes": {"model": "cria", "backend": "wasm"}, "marks": [{"at": now - 700, "name": "first token received"}],
    }  # fmt: skip
    failed = {"code": "page_failed", "message": "TypeError at chat.js:1:2", "at": now, "requestId": "page-alone"}
    assert shared_server.ask("POST", f"{DEBUG}/spans", {"spans": [whole], "errors": [failed]})[0] == 200
    row = next(
        it for it in told(shared_server, "/traces?kind=turn&limit=500")["traces"] if it["requestId"] == "page-alone"
    )
    assert (row["model"], row["kind"], round(row["firstTokenMs"]), round(row["ms"])) == ("cria", "turn", 200, 800)
    trace = told(shared_server, "/traces/page-alone")
    assert [(it["type"], it["about"]) for it in trace["errors"]] == [("page", {"page": "browser"})]
    assert not any(
        it["requestId"] == "page-alone" for it in told(shared_server, "/traces?kind=control&limit=500")["traces"]
    )


SPAN = {"requestId": "r", "traceId": "a" * 32, "id": "b" * 16, "name": "x", "start": 1.0, "ms": 1.0}
REFUSED: list[Any] = [
    [], "x", 7, {"spans": {}}, {"more": 1}, {"spans": [SPAN] * 65}, {"spans": [{**SPAN, "id": "0" * 16}]},
    {"spans": [{**SPAN, "traceId": "A" * 32}]}, {"spans": [{**SPAN, "ms": -1}]}, {"spans": [{**SPAN, "ms": "1"}]}, {"spans": [{**SPAN, "ms": True}]},
    {"spans": [{**SPAN, "start": 1e300}]}, {"spans": [{**SPAN, "requestId": "x" * 81}]}, {"spans": [{**SPAN, "requestId": "a\nb"}]},
    {"spans": [{**SPAN, "name": ""}]}, {"spans": [{**SPAN, "attributes": {"a": {}}}]}, {"spans": [{**SPAN, "attributes": {"a": "x" * 301}}]},
    {"spans": [{**SPAN, "attributes": {str(n): 1 for n in range(17)}}]}, {"spans": [{**SPAN, "marks": [{"at": 1.0}]}]}, {"spans": [{**SPAN, "more": 1}]},
    {"errors": [{"code": "Not one", "at": 1.0}]}, {"errors": [{"code": "x", "at": None}]},
]  # fmt: skip


@pytest.mark.parametrize("body", REFUSED, ids=range(len(REFUSED)))
async def test_what_is_no_span_is_refused_by_name(shared_server: Server, body: Any) -> None:
    status, answer = shared_server.ask("POST", f"{DEBUG}/spans", body)
    assert status == 422, answer
    assert answer["success"] is False
    assert answer["error"]["code"] == "fields_invalid"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/traces?limit=0", 422), ("GET", "/traces?limit=x", 422), ("GET", "/traces?kind=nothing", 400), ("GET", "/traces/none-such", 404),
        ("GET", "/traces/%00", 404), ("GET", "/traces/%ff%fe", 404), ("GET", "/traces/" + "x" * 3000, 404), ("GET", "/errors?limit=501", 422),
        ("GET", "/metrics?name=x&tag=none", 422), ("GET", "/metrics?since=nan", 422), ("GET", "/metrics?points=1001", 422), ("GET", "/metrics?other=1", 422),
        ("GET", "/logs?level=loud", 422), ("GET", "/profile?seconds=31", 422), ("GET", "/profile?seconds=inf", 422), ("GET", "/profile?rate=0", 422),
        ("POST", "/traces", 405), ("GET", "/spans", 405), ("GET", "/none", 404),
    ],
)  # fmt: skip
async def test_nonsense_is_refused(shared_server: Server, method: str, path: str, status: int) -> None:
    found, answer = shared_server.ask(method, DEBUG + path, {} if method == "POST" else None)
    assert found == status, answer
    assert answer["success"] is False


async def test_old_spans_and_long_bodies_are_not_taken(shared_server: Server) -> None:
    status, answer = shared_server.ask("POST", f"{DEBUG}/spans", {"spans": [SPAN]})
    assert (status, answer["data"]["taken"]) == (200, 0)
    status, answer = shared_server.ask("POST", f"{DEBUG}/spans", {"spans": [], "x": "y" * 140_000})
    assert status == 413
    foreign = {"origin": "http://evil.example"}
    assert shared_server.ask("POST", f"{DEBUG}/spans", {"spans": []}, foreign)[0] == 403
    assert shared_server.ask("GET", f"{DEBUG}/traces", None, {"host": "evil.example"})[0] == 421
