"""A bare server of files, as any host has one: no Corral, no headers of its own, no fallback."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *said: Any) -> None:
        """Says nothing."""


class FileServer:
    """Serves `folder` on loopback for as long as it is entered; `asked` has the path of every request."""

    def __init__(self, folder: Path) -> None:
        asked: list[str] = []

        class Handler(_Quiet):
            def send_head(self) -> Any:
                asked.append(self.path)
                return super().send_head()

        self.asked = asked
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="files", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
