"""Model files for browsers, from the real server: ranges, versions, what is not given, clients that leave or take nothing."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corral.app.answering import INCLUDED
from tests.support.gguf_files import write
from tests.support.scale import scaled
from tests.support.server import SCRIPTED, START_SECONDS, Server

LARGE = 300_000_000
"""Bytes of a model that does not fit into what a connection buffers."""
WHOLE = INCLUDED.read_bytes()


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def padded(path: Path, size: int) -> None:
    """A usable model whose file is that long; what was added takes no room on the disk."""
    shutil.copy2(SCRIPTED, path)
    os.truncate(path, size)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a large model, one that is too large, and a file that is no model."""
    made = Server(tmp_path_factory.mktemp("device"))
    models = made.data / "models"
    (models / "deep").mkdir(parents=True)
    padded(models / "deep" / "large model.gguf", LARGE)
    padded(models / "huge.gguf", 2**31)
    (models / "broken.gguf").write_bytes(b"GGUF")
    (made.data / "secret.txt").write_text("secret")
    made.start(CORRAL_DEVICE_MAX_BYTES="3GiB")
    yield made
    made.stop()


def get(server: Server, path: str, method: str = "GET", **headers: str) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=START_SECONDS)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def offered(server: Server, name: str) -> dict[str, Any]:
    status, told = server.ask("GET", "/api/device/models")
    assert status == 200
    return next(dict(one) for one in told["models"] if one["id"] == name)


def address(server: Server, name: str, part: int = 0) -> str:
    return f"/api/device/models/{quote(name, safe='')}/files/{part}?v={offered(server, name)['version']}"


def code(answer: Answer) -> str:
    return str(json.loads(answer.body)["error"]["code"])


def soon(predicate: Any, what: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not predicate():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def holds(server: Server, path: Path) -> bool:
    """Whether the server has the file open."""
    assert server.process is not None
    return any(file.path == str(path) for file in psutil.Process(server.process.pid).open_files())


def begin(server: Server, path: str) -> socket.socket:
    """Asks for a file and reads only the beginning of the answer."""
    place = urlsplit(server.url)
    client = socket.create_connection((place.hostname, place.port or 80), START_SECONDS)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
    assert client.recv(12).startswith(b"HTTP/1.1 200")
    return client


def test_the_list_tells_what_a_browser_may_have(server: Server) -> None:
    included = offered(server, "cria")
    assert (included["builtIn"], included["reason"], included["bytes"]) == (True, None, len(WHOLE))
    assert [part["name"] for part in included["parts"]] == ["cria.gguf"]
    huge = offered(server, "huge")
    assert "less than 2 GiB" in huge["reason"]
    names = [one["id"] for one in server.ask("GET", "/api/device/models")[1]["models"]]
    assert "large model" in names
    assert "broken" not in names
    assert str(server.data) not in str(server.ask("GET", "/api/device/models"))


def test_a_file_comes_whole_and_by_range(server: Server) -> None:
    path = address(server, "cria")
    whole = get(server, path)
    assert (whole.status, whole.body) == (200, WHOLE)
    assert whole.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert whole.headers["cross-origin-resource-policy"] == "same-origin"
    assert whole.headers["accept-ranges"] == "bytes"
    size = len(WHOLE)
    for asked, first, last in (("0-0", 0, 0), ("1000-300000", 1000, 300_000), (f"{size - 5}-", size - 5, size - 1), ("-7", size - 7, size - 1)):  # fmt: skip
        part = get(server, path, Range=f"bytes={asked}")
        assert (part.status, part.headers["content-range"]) == (206, f"bytes {first}-{last}/{size}")
        assert part.body == WHOLE[first : last + 1]
    for asked in (f"{size}-", "0-1,5-6", "x"):
        refused = get(server, path, Range=f"bytes={asked}")
        assert (refused.status, code(refused)) == (416, "range_not_satisfiable")
        assert refused.headers["content-range"] == f"bytes */{size}"


def test_head_and_conditions(server: Server) -> None:
    path = address(server, "cria")
    head = get(server, path, "HEAD", Range="bytes=0-9")
    assert (head.status, head.headers["content-length"], head.body) == (200, str(len(WHOLE)), b"")
    tag = head.headers["etag"]
    assert get(server, path, If_None_Match=tag).status == 304
    assert get(server, path, Range="bytes=0-9", If_Range=tag).status == 206
    assert get(server, path, Range="bytes=0-9", If_Range='"other"').status == 200
    refused = get(server, path, Range="bytes=0-9", If_Match='"other"')
    assert (refused.status, code(refused)) == (412, "precondition_failed")


def test_a_digest_is_known_before_long(server: Server) -> None:
    get(server, address(server, "corral-demo"), "HEAD")
    for name, path in (("cria", INCLUDED), ("corral-demo", SCRIPTED)):
        soon(lambda name=name: offered(server, name)["parts"][0]["sha256"], "the digest was not told")
        assert offered(server, name)["parts"][0]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert offered(server, "large model")["parts"][0]["sha256"] is None


def test_nothing_but_the_registry_names_a_file(server: Server) -> None:
    version = offered(server, "cria")["version"]
    places = (
        "cria/files/1", "nobody/files/0", "../secret.txt/files/0", "..%2F..%2Fsecret.txt/files/0", "%2e%2e%2fsecret.txt/files/0",
        "/etc/passwd/files/0", "%2Fetc%2Fpasswd/files/0", "cria/files/../files/0", "broken/files/0", "cria%00/files/0", "huge/files/0",
    )  # fmt: skip
    for place in places:
        answer = get(server, f"/api/device/models/{place}?v={version}")
        assert answer.status in (404, 410), (place, answer)
        assert b"secret" not in answer.body.replace(place.encode(), b"").replace(b"secret.txt", b"")
    huge = get(server, address(server, "huge"))
    assert (huge.status, b"not given to browsers" in huge.body) == (404, True)
    for bad in ("cria/files/-1", "cria/files/cria.gguf", "cria/files/99999999999999999999"):
        assert get(server, f"/api/device/models/{bad}?v={version}").status == 400
    for asked in ("", "?v=", "?v=..%2f", "?v=" + "z" * 32):
        answer = get(server, f"/api/device/models/cria/files/0{asked}")
        assert (answer.status, code(answer)) == (400, "invalid_request")
    assert get(server, f"/api/device/models/cria/files/0?v={version}", "POST").status == 405


@settings(max_examples=scaled(40, 2000))
@given(name=st.text(max_size=40), part=st.text("0123456789-./%a", max_size=12), version=st.text(max_size=40))
def test_anything_at_all_is_refused_and_never_a_fault(server: Server, name: str, part: str, version: str) -> None:
    path = f"/api/device/models/{quote(name, safe='')}/files/{quote(part, safe='')}?v={quote(version, safe='')}"
    assert get(server, path).status in (400, 404, 405), path


def test_a_client_that_leaves_or_takes_nothing_holds_nothing(server: Server) -> None:
    assert server.process is not None
    process, file = psutil.Process(server.process.pid), server.data / "models" / "deep" / "large model.gguf"
    path, before = address(server, "large model"), process.memory_info().rss
    clients = [begin(server, path) for _ in range(8)]
    soon(lambda: holds(server, file), "the file was not opened")
    # The others are served meanwhile, and what is sent is not in memory.
    assert get(server, address(server, "cria"), Range="bytes=0-99").body == WHOLE[:100]
    assert process.memory_info().rss - before < 60_000_000
    for client in clients:
        client.close()
    soon(lambda: not holds(server, file), "the file stayed open")


def test_a_file_that_changes_is_broken_off_and_then_gone(server: Server) -> None:
    file = server.data / "models" / "changing.gguf"
    padded(file, LARGE)
    server.ask("POST", "/api/llama-server/rescan")
    path = address(server, "changing")
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=START_SECONDS)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert len(answer.read(1000)) == 1000
    os.utime(file, ns=(1, 1))
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer.read()
    connection.close()
    gone = get(server, path, Range="bytes=1000-1999")
    assert (gone.status, code(gone)) == (410, "model_version_gone")
    assert get(server, address(server, "changing"), Range="bytes=0-3").body == b"GGUF"
    file.unlink()
    server.ask("POST", "/api/llama-server/rescan")
    assert get(server, path).status == 404


def test_split_files_are_parts_in_their_order(server: Server) -> None:
    models = server.data / "models"
    files = [models / f"pair-{number:05d}-of-00002.gguf" for number in (1, 2)]
    for number, file in enumerate(files):
        write(file, split__count=2, general__description="x" * number)
    server.ask("POST", "/api/llama-server/rescan")
    parts = offered(server, "pair")["parts"]
    assert [(part["name"], part["bytes"]) for part in parts] == [(file.name, file.stat().st_size) for file in files]
    for number, file in enumerate(files):
        assert get(server, address(server, "pair", number)).body == file.read_bytes()
    files[1].unlink()
    assert get(server, address(server, "cria").replace("/cria/", "/pair/")).status == 410
    server.ask("POST", "/api/llama-server/rescan")
