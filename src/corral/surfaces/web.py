"""The built web app: files by path, the shell for every page address (History API), long caching for hashed assets,
brotli (packed by the build) or gzip for those who take it."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import lzma
import mimetypes
import re
import zlib
from collections.abc import Generator
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
_SMALL = 1024
_XZ = ".xz"
_BR = ".br"
_FIRST = re.compile(rb'<link rel="(?:modulepreload|preload)"[^>]*>')
_ATTRIBUTE = re.compile(rb'([a-z]+)(?:="([^"]*)")?')
_LARGE = 1024 * 1024
"""From this size on a file stays on the disk and is read, and packed, piece by piece for whoever asks: the engines for browsers."""


@dataclass(slots=True)
class _Large:
    path: Path
    headers: tuple[tuple[bytes, bytes], ...]
    etag: bytes

    def pieces(self, *, packed: bool) -> Generator[bytes, None, None]:
        """The file, or its gzip form, in pieces. Raises OSError, and LZMAError or EOFError for one that is broken."""
        packer = zlib.compressobj(6, zlib.DEFLATED, 31) if packed else None
        with lzma.open(self.path) if self.path.suffix == _XZ else self.path.open("rb", buffering=0) as file:
            while piece := file.read(_CHUNK):
                yield packer.compress(piece) if packer is not None else piece
        if packer is not None:
            yield packer.flush()


@dataclass(slots=True)
class _Asset:
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    etag: bytes
    brotli: bytes | None
    """Its brotli form, where the build made one."""
    packed: bytes | None = None
    """Its gzip form, made when first asked for; empty when it would not be smaller."""

    def packed_for(self, accepted: bytes) -> tuple[bytes, bytes | None]:
        """The body for an Accept-Encoding header, and the encoding that it is in."""
        if self.brotli and takes(b"br", accepted):
            return self.brotli, b"br"
        if takes(b"gzip", accepted) and self.gzipped():
            return self.gzipped(), b"gzip"
        return self.body, None

    def gzipped(self) -> bytes:
        if self.packed is None:
            packed = gzip.compress(self.body, 6, mtime=0) if len(self.body) > _SMALL else b""
            self.packed = packed if len(packed) < len(self.body) * 0.9 else b""
        return self.packed


class WebApp:
    """ASGI application over the folder that the web build wrote.

    All files are found at start and the usual ones (a few MB) read, so no path can lead out of the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._assets: dict[str, _Asset | _Large] = {}
        if (folder / "index.html").is_file():
            files = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".map", _BR)]
            self._assets = {f"/{_name(path.relative_to(folder)).as_posix()}": _load(path, folder) for path in files}

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serves one request; other methods than GET and HEAD are the caller's to refuse."""
        asset = self._assets.get(scope["path"])
        if asset is None and not _looks_like_file(scope["path"]):
            asset = self._assets.get("/index.html")
        if asset is None:
            missing = not self._assets and not _looks_like_file(scope["path"])
            kind = [(b"content-type", b"text/html; charset=utf-8")]
            await _answer(send, 503 if missing else 404, kind, _MISSING if missing else b"")
            return
        given = dict(scope["headers"])
        if given.get(b"if-none-match") == asset.etag:
            await _answer(send, 304, [(b"etag", asset.etag)], b"")
            return
        accepted = given.get(b"accept-encoding", b"")
        if isinstance(asset, _Large):
            await _answer_large(send, asset, packed=takes(b"gzip", accepted), head=scope["method"] == "HEAD")
            return
        body, encoding = asset.packed_for(accepted)
        headers = [*asset.headers, *([(b"content-encoding", encoding)] if encoding else [])]
        headers.append((b"content-length", str(len(body)).encode()))
        await _answer(send, 200, headers, b"" if scope["method"] == "HEAD" else body)


def takes(encoding: bytes, accepted: bytes) -> bool:
    """Whether an Accept-Encoding header allows an encoding by its name or by `*` (RFC 9110, section 12.5.3)."""
    qualities = {}
    for part in accepted.lower().split(b","):
        name, _, quality = part.partition(b";")
        qualities[name.strip()] = quality.replace(b" ", b"")
    told = qualities.get(encoding, qualities.get(b"*"))
    return told is not None and told not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")


def preloads(page: bytes) -> bytes:
    """The parts that a page names for its first picture, as the value of a Link header (RFC 8288): they are known before the page is read."""
    links = []
    for tag in _FIRST.findall(page):
        named = dict(_ATTRIBUTE.findall(tag[len(b"<link ") : -1]))
        href = named.pop(b"href", b"")
        links.append(
            b"; ".join([b"<%s>" % href, *(b'%s="%s"' % pair if pair[1] else pair[0] for pair in named.items())])
        )
    return b", ".join(links)


def _looks_like_file(path: str) -> bool:
    """Files lie at the top or in the folder of the build; the address of a page may hold a model's name, with dots."""
    return path.startswith("/assets/") or "/../" in path or ("." in path and path.count("/") == 1)


def _name(path: Path) -> Path:
    """What a file is asked for by: an installed wheel holds the largest ones as .xz (tools/wheel_hook.py)."""
    return path.with_suffix("") if path.suffix == _XZ else path


def _load(path: Path, folder: Path) -> _Asset | _Large:
    told = path.stat()
    large = told.st_size >= _LARGE or path.suffix == _XZ
    body = b"" if large else path.read_bytes()
    kind = mimetypes.guess_type(_name(path).name)[0] or "application/octet-stream"
    if kind.startswith("text/") or kind in ("application/javascript", "application/json"):
        kind += "; charset=utf-8"
    hashed = path.relative_to(folder).parts[0] == "assets"
    digest = f"{told.st_size:x}-{told.st_mtime_ns:x}" if large else hashlib.blake2b(body, digest_size=12).hexdigest()
    etag = f'"{digest}"'.encode()
    headers: tuple[tuple[bytes, bytes], ...] = (
        (b"content-type", kind.encode()),
        (b"vary", b"accept-encoding"),
        (b"cache-control", _IMMUTABLE if hashed else b"no-cache"),
        (b"etag", etag),
    )
    if large:
        return _Large(path, headers, etag)
    if path.name == "index.html" and (link := preloads(body)):
        headers = (*headers, (b"link", link))
    brotli = path.with_name(path.name + _BR)
    return _Asset(body, headers, etag, brotli.read_bytes() if brotli.is_file() else None)


async def _answer(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for start in range(0, max(1, len(body)), _CHUNK):
        part = body[start : start + _CHUNK]
        await send({"type": "http.response.body", "body": part, "more_body": start + _CHUNK < len(body)})


async def _answer_large(send: Any, asset: _Large, *, packed: bool, head: bool) -> None:
    pieces = asset.pieces(packed=packed)
    headers = [*asset.headers, *([(b"content-encoding", b"gzip")] if packed else [])]
    try:
        piece = await asyncio.to_thread(_next, pieces)
    except (OSError, lzma.LZMAError, EOFError):
        # The app was built anew meanwhile; the page asks for what it needs by other names.
        await _answer(send, 404, [(b"content-type", b"text/plain; charset=utf-8")], b"")
        return
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while not head and piece is not None:
        if piece:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        piece = await asyncio.to_thread(_next, pieces)
    pieces.close()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _next(pieces: Generator[bytes, None, None]) -> bytes | None:
    return next(pieces, None)
