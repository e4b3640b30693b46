"""A hub of models that misbehaves on demand: `python -m tests.fakes.hub FOLDER`, prints its port, serves until it is ended.

Files lie in FOLDER/owner/name/. `POST /act` with JSON says how files are served from then on:
cut: bytes after which a connection ends, for the next `cuts` answers; stall: bytes after which nothing more comes;
rate: bytes a second; listed: sizes to lie about; hashes: checksums to lie about; sent: a length to announce instead;
more: bytes to send beyond the file; ignore_range: always the whole file; status: status of the next `statuses` answers;
turn: after so many bytes of the first answer the file's bytes are other ones; redirect: an address to send files from.
`GET /seen` tells the requests for files.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_RESOLVE = re.compile(r"/(?:cdn/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
_API = re.compile(r"/api/models/([^/]+/[^/]+?)(?:/revision/([^/]+))?")


class Hub(ThreadingHTTPServer):
    """Serves a folder."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.act: dict[str, Any] = {}
        self.seen: list[dict[str, Any]] = []
        self.lock = threading.Lock()

    def use(self, name: str) -> bool:
        """Whether a behaviour that is counted still holds; counts it."""
        with self.lock:
            left = self.act.get(name, 0)
            self.act[name] = left - 1
            return bool(left > 0)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Hub

    def do_POST(self) -> None:
        self.server.act = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.seen.clear()
        self._json({})

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path == "/seen":
            self._json(self.server.seen)
        elif found := _RESOLVE.fullmatch(path):
            self._file(found[1], found[3], path)
        elif found := _API.fullmatch(path):
            self._repository(found[1], found[2])
        else:
            self._json({"error": "no such thing"}, 404)

    def _repository(self, repo: str, revision: str | None) -> None:
        folder, act = self.server.folder / repo, self.server.act
        if act.get("broken"):
            self._json(act["broken"])
            return
        if not folder.is_dir():
            self._json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
            return
        if revision not in (None, "main", COMMIT):
            self._json({"error": "Invalid rev"}, 404, {"X-Error-Code": "RevisionNotFound"})
            return
        siblings = []
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name, data = str(path.relative_to(folder)), path.read_bytes()
                size = act.get("listed", {}).get(name, len(data))
                sha256 = act.get("hashes", {}).get(name, hashlib.sha256(data).hexdigest())
                lfs = {"sha256": sha256, "size": size, "pointerSize": 134}
                siblings.append({"rfilename": name, "size": size, "blobId": "0" * 40, "lfs": lfs})
        siblings += act.get("siblings", [])
        self._json(
            {
                "_id": "1",
                "id": repo,
                "sha": COMMIT,
                "siblings": siblings,
                "cardData": {"license": "apache-2.0"},
                "gated": False,
            }
        )

    def _file(self, repo: str, name: str, path: str) -> None:
        act, wanted = self.server.act, self.headers.get("range")
        self.server.seen.append({"path": path, "range": wanted, "authorization": self.headers.get("authorization")})
        if act.get("redirect") and not path.startswith("/cdn/"):
            self._end(302, {"Location": act["redirect"] + "/cdn" + self.path, "Content-Length": "0"})
            return
        if self.server.use("statuses"):
            self._json({"error": "later"}, act["status"])
            return
        if act.get("gated"):
            self._json({"error": "Access is restricted"}, 403, {"X-Error-Code": "GatedRepo"})
            return
        data = (self.server.folder / repo / name).read_bytes()
        if "turn" in act:
            turned = act["turn"] if len(self.server.seen) == 1 else 0
            data = data[:turned] + bytes(byte ^ 255 for byte in data[turned:])
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and not act.get("ignore_range") else 0
        if start >= len(data) and start:
            self._end(416, {"Content-Range": f"bytes */{len(data)}", "Content-Length": "0"})
            return
        announced = act.get("sent", len(data))
        headers = {"Content-Length": str(announced - start), "ETag": '"one"', "Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{announced - 1}/{announced}"
        if act.get("more"):
            data += bytes(act["more"])
            headers = {"Connection": "close"}
        self._end(206 if start else 200, headers)
        self._send(data[start:])

    def _send(self, data: bytes) -> None:
        act, most = self.server.act, len(data)
        if "cut" in act and self.server.use("cuts"):
            most = act["cut"]
        stall, rate, sent = act.get("stall"), act.get("rate"), 0
        try:
            while sent < min(most, len(data)):
                if stall is not None and sent >= stall:
                    time.sleep(3600)
                piece = data[sent : min(sent + 16_384, most)]
                self.wfile.write(piece)
                sent += len(piece)
                if rate:
                    time.sleep(len(piece) / rate)
        except OSError:
            self.close_connection = True
            return
        if most < len(data) or act.get("more"):
            self.close_connection = True

    def _json(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        text = json.dumps(body).encode()
        self._end(status, {"Content-Type": "application/json", "Content-Length": str(len(text)), **(headers or {})})
        self.wfile.write(text)

    def _end(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


if __name__ == "__main__":
    hub = Hub(Path(sys.argv[1]))
    print(hub.server_address[1], flush=True)
    hub.serve_forever()
