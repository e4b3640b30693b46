"""The built web app: files by path, the shell for every page address (History API), long caching for hashed assets."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corral.accounts.types import Permission

PERMISSION = Permission.PUBLIC
_MISSING = (
    b"<!doctype html><html lang=en><title>Corral</title><h1>The web app is not built</h1>"
    b"<p>Run <code>make setup</code> and start again. The API works without it.</p>"
)
_IMMUTABLE = b"public, max-age=31536000, immutable"
_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Asset:
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    etag: bytes


class WebApp:
    """ASGI application over the folder that the web build wrote.

    All files are read at start (a few MB), so no request touches the disk and no path can lead out of the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._assets = {}
        if (folder / "index.html").is_file():
            files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".map"]
            self._assets = {"/" + path.relative_to(folder).as_posix(): _load(path, folder) for path in files}

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serves one request; other methods than GET and HEAD are the caller's to refuse."""
        asset = self._assets.get(scope["path"])
        if asset is None and not _looks_like_file(scope["path"]):
            asset = self._assets.get("/index.html")
        if asset is None:
            missing = not self._assets and not _looks_like_file(scope["path"])
            await _answer(
                send,
                503 if missing else 404,
                [(b"content-type", b"text/html; charset=utf-8")],
                _MISSING if missing else b"",
            )
            return
        known = dict(scope["headers"]).get(b"if-none-match")
        if known == asset.etag:
            await _answer(send, 304, [(b"etag", asset.etag)], b"")
            return
        body = b"" if scope["method"] == "HEAD" else asset.body
        await _answer(send, 200, list(asset.headers), body)


def _looks_like_file(path: str) -> bool:
    return "." in path.rsplit("/", 1)[-1]


def _load(path: Path, folder: Path) -> _Asset:
    body = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if kind.startswith("text/") or kind in ("application/javascript", "application/json"):
        kind += "; charset=utf-8"
    hashed = path.relative_to(folder).parts[0] == "assets"
    etag = f'"{len(body):x}-{int(path.stat().st_mtime):x}"'.encode()
    headers = (
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", _IMMUTABLE if hashed else b"no-cache"),
        (b"etag", etag),
    )
    return _Asset(body, headers, etag)


async def _answer(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for start in range(0, max(1, len(body)), _CHUNK):
        part = body[start : start + _CHUNK]
        await send({"type": "http.response.body", "body": part, "more_body": start + _CHUNK < len(body)})
