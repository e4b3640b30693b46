"""The data plane between a client and a scripted upstream, both real processes."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.fakes.upstream import ANSWER, STREAM
from tests.support.server import Server
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
CHAT = "/v1/chat/completions"


@dataclass
class Pair:
    """Corral and the upstream behind it."""

    server: Server
    upstream: int

    def connect(self, direct: bool = False) -> http.client.HTTPConnection:
        host, port = self.server.url.removeprefix("http://").split(":")
        return http.client.HTTPConnection(host, self.upstream if direct else int(port), timeout=60)

    def ask(
        self, body: Any, path: str = CHAT, direct: bool = False, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = self.connect(direct)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", path, data, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        connection.close()
        return found

    def seen(self) -> dict[str, Any]:
        connection = self.connect(direct=True)
        connection.request("GET", "/seen")
        return dict(json.loads(connection.getresponse().read()))

    def busy(self, model: str = "up") -> int:
        return int(self.server.ask("GET", f"/api/models/{model}")[1]["engine"]["busy"])


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    data = tmp_path_factory.mktemp("dataplane")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.upstream"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    port = int(process.stdout.readline())
    other = '[engines.other]\nurl = "http://127.0.0.1:{0}"\nupstream_model = "their-name"\napi_key = "their-key"\n'
    one = '[engines.one]\nurl = "http://127.0.0.1:{0}"\nslots = 1\n[engines.gone]\nurl = "http://127.0.0.1:9"\n'
    text = (
        'default_model = "up"\nqueue = 2\nmax_body_bytes = 200000\n[engines.up]\nurl = "http://127.0.0.1:{0}"\n'
        + other
        + one
    )
    (data / "corral.toml").write_text(text.replace("{0}", str(port)))
    server = Server(data)
    server.start(CORRAL_START_STALL="1")
    yield Pair(server, port)
    server.stop()
    process.terminate()
    process.wait(30)


def chat(stream: bool = False, model: str | None = "up", **more: Any) -> dict[str, Any]:
    body = {"messages": [{"role": "user", "content": "hallo"}], "stream": stream, **more}
    return body if model is None else {"model": model, **body}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cut", [None, 1, 7])
def test_bytes_pass_untouched(pair: Pair, stream: bool, cut: int | None) -> None:
    body = chat(stream, act={"do": "well", "cut": cut})
    status, headers, ours = pair.ask(body)
    assert (status, ours) == (200, pair.ask(body, direct=True)[2])
    assert ours == (b"".join(STREAM) if stream else json.dumps(ANSWER).encode())
    assert headers["content-type"].startswith("text/event-stream" if stream else "application/json")
    assert headers.get("x-accel-buffering") == ("no" if stream else None)
    assert "x-secret" not in headers


def test_the_upstream_gets_the_body_as_it_was_sent_and_no_header_of_the_client(pair: Pair) -> None:
    body = chat(temperature=0.5, top_k=7, unknown={"a": None})
    assert pair.ask(body, Authorization="Bearer mine", Cookie="a=b", Connection="close")[0] == 200
    seen = pair.seen()["requests"][-1]
    assert seen["body"] == body
    assert seen["path"] == CHAT
    assert set(seen["headers"]) == {"host", "content-length", "content-type"}


def test_another_name_and_key_for_the_upstream(pair: Pair) -> None:
    assert pair.ask(chat(model="other"))[0] == 200
    seen = pair.seen()["requests"][-1]
    assert (seen["body"]["model"], seen["headers"]["authorization"]) == ("their-name", "Bearer their-key")
    assert pair.ask(chat(model=None))[0] == 200
    assert pair.seen()["requests"][-1]["body"]["model"] == "up"


def test_usage_is_counted_however_the_stream_is_cut(pair: Pair) -> None:
    def usage() -> dict[str, int]:
        return dict(pair.server.ask("GET", "/api/health")[1]["usage"].get("up", {}))

    pair.ask(chat())
    before = usage()
    for stream in (False, True):
        pair.ask(chat(stream, act={"do": "well", "cut": 5}))
    after = usage()
    told = {name: after[name] - before[name] for name in after}
    assert told == {"requests": 2, "failures": 0, "promptTokens": 10, "completionTokens": 6}
    pair.ask(chat(True, act={"do": "half", "after": "end"}))
    assert usage()["failures"] == after["failures"] + 1


GARBAGE = "garbage garbage garbage\r\n\r\n"
FAILURES: list[tuple[dict[str, Any], int, str, str]] = [
    ({"do": "raw", "bytes": ""}, 502, "upstream_failed", "closed the connection"),
    ({"do": "raw", "bytes": GARBAGE}, 502, "upstream_failed", "not valid HTTP"),
    ({"do": "raw", "bytes": "HTTP/1.1 200 OK\r\n" + "x: y\r\n" * 400 + "\r\n"}, 502, "upstream_failed", "not valid HTTP"),
    ({"do": "status", "status": 500, "body": {"error": {"message": "on fire"}}}, 502, "upstream_failed", "on fire"),
    ({"do": "status", "status": 401, "body": {"error": {"message": "who"}}}, 502, "upstream_failed", "who"),
    ({"do": "status", "status": 400, "body": {"error": {"message": "bad top_k"}}}, 400, "invalid_request", "bad top_k"),
    ({"do": "status", "status": 501, "body": {"error": {"message": "no embeddings"}}}, 400, "invalid_request", "no embeddings"),
    ({"do": "status", "status": 429, "body": "slow down", "headers": {"retry_after": "7"}}, 429, "overloaded", "slow down"),
    ({"do": "status", "status": 503, "body": {"error": "loading"}, "headers": {"retry_after": "7"}}, 503, "unavailable", "loading"),
    ({"do": "kind", "kind": "text/html"}, 502, "upstream_failed", "text/html"),
]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("act", "status", "code", "says"), FAILURES)
def test_a_failure_before_the_answer_is_an_error(
    pair: Pair, act: dict[str, Any], status: int, code: str, says: str, stream: bool
) -> None:
    got, headers, body = pair.ask(chat(stream, act=act))
    error = json.loads(body)["error"]
    assert (got, error["code"]) == (status, code), body
    assert says in error["message"]
    assert set(error) >= {"message", "type", "param", "code"}
    assert headers["x-request-id"]
    assert headers.get("retry-after") == ("7" if status in (429, 503) else None)


def test_an_upstream_that_is_not_there(pair: Pair) -> None:
    status, _, body = pair.ask(chat(model="gone"))
    assert status == 502
    assert json.loads(body)["error"]["code"] == "engine_failed"


@pytest.mark.parametrize("act", [{"after": "reset"}, {"after": "end"}, {"after": "end", "text": "data: {}\n\n"}])
def test_a_stream_that_breaks_ends_in_an_error_and_never_looks_whole(pair: Pair, act: dict[str, Any]) -> None:
    status, _, body = pair.ask(chat(True, act={"do": "half", **act}))
    assert status == 200
    assert b"[DONE]" not in body
    events = [part for part in body.split(b"\n\n") if part]
    assert json.loads(events[0].removeprefix(b"data: "))["choices"][0]["delta"]["content"] == "half"
    assert json.loads(events[-1].removeprefix(b"data: "))["error"]["code"] == "upstream_failed"


def test_half_an_answer_without_streaming_is_an_error(pair: Pair) -> None:
    status, _, body = pair.ask(chat(act={"do": "half", "after": "reset"}))
    assert (status, json.loads(body)["error"]["code"]) == (502, "upstream_failed")


def test_a_connection_that_the_upstream_closed_meanwhile_is_replaced(pair: Pair) -> None:
    # The upstream ends the connection behind a good answer without saying so; the next request goes there first.
    answer = json.dumps(ANSWER)
    text = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(answer)}\r\n\r\n{answer}"
    for _ in range(20):
        assert pair.ask(chat(act={"do": "raw", "bytes": text}))[0] == 200
        assert pair.ask(chat())[0] == 200


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_is_noticed_by_the_upstream(pair: Pair, stream: bool, first: bool) -> None:
    connection = pair.connect()
    connection.request("POST", CHAT, json.dumps(chat(stream, act={"do": "stall", "first": first and stream})))
    await eventually(lambda: pair.seen()["open"] == 1)
    assert pair.busy() == 1
    assert connection.sock is not None
    connection.sock.close()
    connection.close()
    await eventually(lambda: pair.seen()["open"] == 0 and pair.busy() == 0)


async def test_the_queue_is_bounded_in_order_and_left_by_those_who_leave(pair: Pair) -> None:
    def open_one(act: dict[str, Any] | None = None) -> http.client.HTTPConnection:
        connection = pair.connect()
        connection.request("POST", CHAT, json.dumps(chat(model="one", act=act)))
        return connection

    count = len(pair.seen()["requests"])
    running = open_one({"do": "stall"})
    await eventually(lambda: pair.seen()["open"] == 1)
    waiting = [open_one() for _ in range(2)]

    # Both have to have arrived before a third is refused.
    await eventually(lambda: _queued(pair) == 2)
    status, headers, body = pair.ask(chat(model="one"))
    assert (status, json.loads(body)["error"]["code"]) == (429, "overloaded")
    assert int(headers["retry-after"]) >= 1
    waiting[0].close()
    await eventually(lambda: _queued(pair) == 1)
    assert len(pair.seen()["requests"]) == count + 1
    running.close()
    assert waiting[1].getresponse().status == 200
    await eventually(lambda: pair.busy("one") == 0)


def _queued(pair: Pair) -> int:
    engines = pair.server.ask("GET", "/api/health")[1]["engines"]
    return int(next(engine["waiting"] for engine in engines if engine["name"] == "one"))


async def test_a_slow_client_holds_up_the_upstream_and_not_the_memory(pair: Pair) -> None:
    process = psutil.Process(pair.server.process.pid)  # type: ignore[union-attr]
    pair.ask(chat())
    before, sent = process.memory_info().rss, pair.seen()["sent"]
    connection = pair.connect()
    connection.request("POST", CHAT, json.dumps(chat(True, act={"do": "flood", "mib": 200})))
    answer = connection.getresponse()
    assert answer.read(10)
    last = -1

    def steady() -> bool:
        nonlocal last
        now = pair.seen()["sent"]
        was, last = last, now
        return bool(now == was)

    await eventually(steady, interval=0.5)
    assert pair.seen()["sent"] - sent < 40 * 2**20
    assert process.memory_info().rss - before < 30 * 2**20
    # Others are served meanwhile, and the slow one gets the rest as soon as it reads.
    assert pair.ask(chat())[0] == 200
    connection.close()
    answer.close()
    await eventually(lambda: pair.busy() == 0)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [300_000, 30_000_000])
def test_a_body_over_the_limit_is_refused_on_the_wire(pair: Pair, chunked: bool, size: int) -> None:
    """All of it is sent before the answer is read, as most clients do."""
    connection = pair.connect()
    data = b'{"messages": "' + b"x" * size + b'"}'
    headers = {"Content-Type": "application/json"}
    connection.request("POST", CHAT, iter([data]) if chunked else data, headers, encode_chunked=chunked)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["error"]["code"]) == (413, "payload_too_large")
    connection.close()
    assert pair.ask(chat())[0] == 200
