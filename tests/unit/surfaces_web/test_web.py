"""Serving the built web app."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path
from typing import Any

import pytest

from corral.surfaces.web import WebApp, preloads, takes

SCRIPT = b"console.log('corral');" * 200


@pytest.fixture
def app(tmp_path: Path) -> WebApp:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(b"<!doctype html><title>Corral</title>")
    (tmp_path / "assets" / "main-abc.js").write_bytes(SCRIPT)
    (tmp_path / "assets" / "main-abc.js.map").write_bytes(b"{}")
    (tmp_path.parent / "secret.txt").write_bytes(b"secret")
    return WebApp(tmp_path)


async def get(app: WebApp, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await app({"path": path, "method": method, "headers": given}, None, send)
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(message["body"] for message in sent[1:])


@pytest.mark.parametrize("path", ["/", "/index.html", "/c/agt_123", "/models", "/models/qwen2.5-0.5b"])
async def test_every_page_address_gets_the_shell(app: WebApp, path: str) -> None:
    status, headers, body = await get(app, path)
    assert (status, headers[b"cache-control"]) == (200, b"no-cache")
    assert body.startswith(b"<!doctype html>")


@pytest.mark.parametrize(
    "path", ["/none.js", "/assets/none.js", "/../secret.txt", "/assets/../../secret.txt", "/assets/main-abc.js.map"]
)
async def test_other_files_are_not_there(app: WebApp, path: str) -> None:
    assert (await get(app, path))[0] == 404


async def test_assets_are_packed_for_those_who_take_it(app: WebApp) -> None:
    status, headers, body = await get(app, "/assets/main-abc.js", accept_encoding="br, gzip")
    assert (status, headers[b"content-encoding"]) == (200, b"gzip")
    assert gzip.decompress(body) == SCRIPT
    assert int(headers[b"content-length"]) == len(body) < len(SCRIPT)
    assert b"immutable" in headers[b"cache-control"]
    status, headers, body = await get(app, "/assets/main-abc.js")
    assert b"content-encoding" not in headers
    assert body == SCRIPT


async def test_what_the_build_packed_is_given_to_those_who_take_it(app: WebApp, tmp_path: Path) -> None:
    (tmp_path / "assets" / "main-abc.js.br").write_bytes(b"brotli")
    app = WebApp(tmp_path)
    status, headers, body = await get(app, "/assets/main-abc.js", accept_encoding="gzip, br")
    assert (status, headers[b"content-encoding"], headers[b"content-length"], body) == (200, b"br", b"6", b"brotli")
    assert headers[b"content-type"].startswith(b"text/javascript")
    assert (await get(app, "/assets/main-abc.js", accept_encoding="gzip"))[1][b"content-encoding"] == b"gzip"
    assert (await get(app, "/assets/main-abc.js", accept_encoding="br;q=0"))[2] == SCRIPT
    assert (await get(app, "/assets/main-abc.js.br"))[0] == 404


async def test_a_page_names_its_first_parts_in_its_head(tmp_path: Path) -> None:
    page = (
        b'<!doctype html><link rel="icon" href="/icon.svg"><link rel="stylesheet" href="/a.css">'
        b'<link rel="modulepreload" fetchpriority="low" crossorigin href="/assets/app.js">'
        b'<link rel="preload" as="style" crossorigin href="/assets/app.css">'
    )
    (tmp_path / "index.html").write_bytes(page)
    links = (await get(WebApp(tmp_path), "/c/agt_1"))[1][b"link"]
    assert links == (
        b'</assets/app.js>; rel="modulepreload"; fetchpriority="low"; crossorigin, '
        b'</assets/app.css>; rel="preload"; as="style"; crossorigin'
    )
    assert links == preloads(page)
    assert preloads(b"<!doctype html>") == b""


@pytest.mark.parametrize("packed_as", ["", ".xz"])
async def test_large_files_stay_on_the_disk(tmp_path: Path, packed_as: str) -> None:
    body = bytes(range(256)) * 8192 + b"end"
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(b"<!doctype html>")
    engine = tmp_path / "assets" / f"engine-abc.wasm{packed_as}"
    engine.write_bytes(lzma.compress(body) if packed_as else body)
    app = WebApp(tmp_path)
    status, headers, plain = await get(app, "/assets/engine-abc.wasm")
    assert (status, headers[b"content-type"], plain) == (200, b"application/wasm", body)
    status, packed_headers, packed = await get(app, "/assets/engine-abc.wasm", accept_encoding="gzip")
    assert packed_headers[b"content-encoding"] == b"gzip"
    assert gzip.decompress(packed) == body
    assert (await get(app, "/assets/engine-abc.wasm", "HEAD"))[2] == b""
    assert (await get(app, "/assets/engine-abc.wasm", if_none_match=headers[b"etag"].decode()))[0] == 304
    assert (await get(app, f"/assets/engine-abc.wasm{packed_as}x"))[0] == 404
    if packed_as:
        engine.write_bytes(b"not packed at all")
        assert (await get(app, "/assets/engine-abc.wasm"))[0] == 404
    engine.unlink()
    assert (await get(app, "/assets/engine-abc.wasm"))[0] == 404


async def test_what_is_known_is_not_sent_again(app: WebApp) -> None:
    etag = (await get(app, "/"))[1][b"etag"].decode()
    assert (await get(app, "/", if_none_match=etag))[0] == 304
    status, headers, body = await get(app, "/", method="HEAD")
    assert (status, body) == (200, b"")
    assert headers[b"content-length"] == b"36"


async def test_without_a_build_it_says_what_to_do(tmp_path: Path) -> None:
    status, _, body = await get(WebApp(tmp_path / "none"), "/")
    assert status == 503
    assert b"make setup" in body


@pytest.mark.parametrize(
    ("accepted", "gzip_", "brotli"),
    [
        (b"gzip", True, False),
        (b"GZIP;q=0.5", True, False),
        (b"br, *", True, True),
        (b"gzip;q=0", False, False),
        (b"br", False, True),
        (b"", False, False),
        (b"gzip; q=0.0, br", False, True),
        (b"br;q=0, *", True, False),
    ],
)
def test_what_a_client_takes(accepted: bytes, gzip_: bool, brotli: bool) -> None:
    assert (takes(b"gzip", accepted), takes(b"br", accepted)) == (gzip_, brotli)
