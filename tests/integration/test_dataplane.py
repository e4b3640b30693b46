"""The data plane from outside: an upstream that misbehaves, clients that leave, requests that are wrong."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import ROOT
from tests.support.server import START_SECONDS, Server

PATH = "/v1/chat/completions"
FREE_SECONDS = 3.0
"""The product promises 1 s; a loaded machine gets three times that."""


class Upstream:
    """The misbehaving upstream as a process."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.process = subprocess.Popen([sys.executable, str(ROOT / "tests" / "fakes" / "upstream.py"), str(self.port)])
        until(lambda: self.seen() is not None)

    def seen(self) -> dict[str, int] | None:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/seen", timeout=10) as answer,
        ):
            return dict(json.load(answer))
        return None


def until(true: Any, seconds: float = START_SECONDS) -> float:
    """Waits until `true()`; how long that took. Raises AssertionError."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, "it did not happen in time"
        time.sleep(0.01)
    return time.monotonic() - began


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.process.kill()
    made.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream, slow_model: Path) -> Iterator[Server]:
    data: Path = tmp_path_factory.mktemp("data")
    (data / "models").mkdir()
    (data / "models" / "slow.gguf").symlink_to(slow_model)
    lines = [
        f'[engines.odd]\nurl = "http://127.0.0.1:{upstream.port}"\nslots = 64',
        "[engines.narrow]",
        f'url = "http://127.0.0.1:{upstream.port}"\nslots = 1',
    ]
    (data / "corral.toml").write_text("queue = 2\nslots = 2\nmax_body_bytes = 200000\n" + "\n".join(lines) + "\n")
    server = Server(data)
    server.start()
    yield server
    server.stop()


def body(act: str, *, model: str = "odd", stream: bool = True) -> dict[str, Any]:
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": act}]}


def raw(port: int, given: bytes, path: str = PATH) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
    connection.request("POST", path, given, {"content-type": "application/json"})
    answer = connection.getresponse()
    result = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return result


def port_of(server: Server) -> int:
    return int(server.url.rsplit(":", 1)[1])


def send(server: Server, given: dict[str, Any]) -> socket.socket:
    """A request whose answer nobody reads."""
    data = json.dumps(given).encode()
    client = socket.create_connection(("127.0.0.1", port_of(server)), timeout=START_SECONDS)
    client.sendall(
        b"POST %s HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%s" % (PATH.encode(), len(data), data)
    )
    return client


def engine(server: Server, model: str) -> dict[str, Any]:
    return dict(server.ask("GET", f"/api/models/{model}")[1]["engine"])


@pytest.mark.parametrize("act", ["good", "plain"])
def test_bytes_are_relayed_untouched(server: Server, upstream: Upstream, act: str) -> None:
    given = json.dumps(body(act, stream=act == "good")).encode()
    ours, direct = raw(port_of(server), given), raw(upstream.port, given)
    assert ours[2] == direct[2]
    assert ours[0] == 200
    assert "x-request-id" in ours[1]


def test_usage_is_counted_for_both_forms(server: Server) -> None:
    def counted() -> tuple[int, int]:
        usage = server.ask("GET", "/api/health")[1]["usage"].get("odd", {})
        return usage.get("promptTokens", 0), usage.get("completionTokens", 0)

    before = counted()
    for act in ("good", "plain"):
        raw(port_of(server), json.dumps(body(act, stream=act == "good")).encode())
    assert counted() == (before[0] + 6, before[1] + 4)


@pytest.mark.parametrize(
    ("act", "status", "code"),
    [
        ("dies_early", 502, "upstream_failed"), ("garbage", 502, "upstream_failed"), ("broken", 502, "upstream_failed"),
        ("overloaded", 429, "overloaded"), ("refuses", 400, "invalid_request"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [True, False])
def test_a_failure_before_the_answer_is_an_error_with_its_status(
    server: Server, act: str, status: int, code: str, stream: bool
) -> None:
    found, headers, answer = raw(port_of(server), json.dumps(body(act, stream=stream)).encode())
    assert (found, json.loads(answer)["error"]["code"]) == (status, code)
    assert ("retry-after" in headers) == (status == 429)


@pytest.mark.parametrize("act", ["dies_in_the_middle", "ends_unfinished", "half_an_event"])
def test_an_answer_that_breaks_off_never_looks_complete(server: Server, act: str) -> None:
    status, _, answer = raw(port_of(server), json.dumps(body(act)).encode())
    assert status == 200
    assert b"one " in answer
    assert b"[DONE]" not in answer
    last = [line for line in answer.split(b"\n") if line.startswith(b"data: ")][-1]
    assert json.loads(last[6:])["error"]["code"] == "upstream_failed"


def test_a_slow_reader_costs_little_memory(server: Server) -> None:
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    raw(port_of(server), json.dumps(body("good")).encode())
    before = process.memory_info().rss
    client = send(server, body("flood"))
    client.recv(100)
    time.sleep(2.0)
    assert process.memory_info().rss - before < 40 * 2**20
    client.close()


@pytest.mark.parametrize("act", ["endless", "silent"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_ends_the_work_upstream(
    server: Server, upstream: Upstream, act: str, stream: bool
) -> None:
    before = upstream.seen() or {}
    client = send(server, body(act, stream=stream))
    until(lambda: (upstream.seen() or {})["requests"] == before["requests"] + 1)
    client.close()
    assert until(lambda: (upstream.seen() or {})["left"] == before["left"] + 1) < FREE_SECONDS
    until(lambda: engine(server, "odd")["busy"] == 0, FREE_SECONDS)


def test_the_queue_is_bounded_and_those_who_leave_it_make_room(server: Server, upstream: Upstream) -> None:
    before = (upstream.seen() or {})["requests"]
    running = send(server, body("silent", model="narrow"))
    until(lambda: engine(server, "narrow")["busy"] == 1)
    waiting = [send(server, body("silent", model="narrow", stream=False)) for _ in range(2)]
    full = body("good", model="narrow")
    until(lambda: raw(port_of(server), json.dumps(full).encode())[0] == 429)
    status, headers, answer = raw(port_of(server), json.dumps(full).encode())
    assert (status, json.loads(answer)["error"]["code"]) == (429, "overloaded")
    assert int(headers["retry-after"]) >= 1
    for client in waiting:
        client.close()
    time.sleep(0.2)
    last = send(server, full)
    running.close()
    until(lambda: b"[DONE]" in last.recv(65_536))
    last.close()
    # Those who left the queue were never asked for.
    assert (upstream.seen() or {})["requests"] == before + 2


@pytest.mark.alone
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("when", ["before the first token", "after the first token"])
def test_a_client_that_leaves_frees_the_engines_slot(server: Server, stream: bool, when: str) -> None:
    server.ask("POST", "/api/models/slow/start", {})
    pid = engine(server, "slow")["pid"]
    words = "word " * 1500 if when.startswith("before") else ""
    client = send(server, body(f"{words} a long story", model="slow", stream=stream))
    until(lambda: engine(server, "slow")["busy"] == 1)
    if stream and not words:
        client.recv(64)
    else:
        time.sleep(0.5)
    client.close()
    assert until(lambda: engine(server, "slow")["busy"] == 0) < FREE_SECONDS

    def idle() -> bool:
        times = psutil.Process(pid).cpu_times()
        time.sleep(0.3)
        later = psutil.Process(pid).cpu_times()
        return (later.user + later.system) - (times.user + times.system) < 0.1

    assert until(idle) < FREE_SECONDS + 1.0, "the engine went on computing"


@pytest.mark.parametrize(
    ("given", "status", "names"),
    [
        (b"{", 400, "JSON"), (b"[]", 400, "object"), (b'{"model": 3}', 400, "model"), (b'{"model": "odd", "stream": 1}', 400, "stream"),
        (b'{"model": "none"}', 404, "none"), (b"\xff\xfe", 400, "JSON"), (b"[" * 100_000, 400, ""), (b" " * 300_000, 413, "200000"),
    ],
)  # fmt: skip
def test_bad_requests_are_told_in_openais_form(server: Server, given: bytes, status: int, names: str) -> None:
    found, _, answer = raw(port_of(server), given)
    error = json.loads(answer)["error"]
    assert found == status
    assert names in error["message"]
    assert {"message", "type", "code", "param"} <= set(error)


def test_a_body_without_a_length_is_bounded_too(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", port_of(server)), timeout=START_SECONDS) as client:
        client.sendall(b"POST %s HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n" % PATH.encode())
        with contextlib.suppress(ConnectionError):
            for _ in range(40):
                client.sendall(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
        assert b" 413 " in client.recv(65_536)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", PATH, 405), ("POST", "/v1/models", 405), ("GET", "/v1/nothing", 404), ("GET", "/v1/models/none", 404)],
)
def test_other_methods_and_paths(server: Server, method: str, path: str, status: int) -> None:
    found, answer = server.ask(method, path, b"{}" if method == "POST" else None)
    assert found == status
    assert answer["error"]["message"]


@pytest.mark.parametrize(
    "path", ["/", "/c/agt_x", "/api/health", "/v1/models", "/v1/none", "/api/none", "/assets/none.js"]
)
def test_every_answer_has_the_security_headers(server: Server, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=START_SECONDS)
    connection.request("GET", path, headers={"X-Request-Id": "mine-1"})
    answer = connection.getresponse()
    answer.read()
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'" in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"] == "mine-1"
    connection.request("GET", path, headers={"X-Request-Id": "bad id\t"})
    other = connection.getresponse()
    other.read()
    assert other.headers["x-request-id"] not in ("", "bad id", "bad id\t")
    connection.close()
