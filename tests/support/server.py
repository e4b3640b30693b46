"""A real Corral server in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

START_SECONDS = 60.0
ROOT = Path(__file__).resolve().parents[2]
SCRIPTED = ROOT / "build" / "corral-demo.gguf"
"""The model of most tests: its answers are scripts. `make test` writes it."""


class Server:
    """Starts, kills and asks a server; `data` survives restarts.

    Its models folder has the scripted model, which is the default unless the test put another there; without
    `scripted` the server is as a newcomer finds it.
    """

    def __init__(self, data: Path, *, scripted: bool = True) -> None:
        self.data = data
        self.scripted = scripted
        self.url = ""
        self.program = ["-c", "from corral.cli.main import run; run()"]
        self.process: subprocess.Popen[str] | None = None

    def start(self, port: str = "0", **environ: str) -> None:
        """Starts it and waits until it says where it listens."""
        if self.scripted:
            environ = {**self._add_scripted(), **environ}
        with tempfile.TemporaryFile() as said:
            self.process = subprocess.Popen(
                [sys.executable, *self.program, "serve", "--port", port, "--data", str(self.data)],
                stdout=subprocess.PIPE, stderr=said, text=True, env={**os.environ, **environ},
            )  # fmt: skip
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            if not line.startswith("Corral listens on "):
                said.seek(0)
                raise AssertionError(f"the server said {line!r}; {said.read()[-4000:].decode(errors='replace')}")
        self.url = line.split()[-1]

    def _add_scripted(self) -> dict[str, str]:
        """Puts the scripted model among the others; the environment that keeps it from becoming the default."""
        models = self.data / "models"
        models.mkdir(parents=True, exist_ok=True)
        mine = models / SCRIPTED.name
        others = sorted(path.stem for path in models.glob("*.gguf") if path != mine)
        if not mine.exists():
            shutil.copy2(SCRIPTED, mine)
        return {"CORRAL_DEFAULT_MODEL": others[0]} if others and not (self.data / "corral.toml").exists() else {}

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(START_SECONDS)

    def wait(self) -> int:
        """Waits for its end."""
        assert self.process is not None
        return self.process.wait(START_SECONDS)

    def stop(self) -> None:
        """SIGTERM, and the end."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(START_SECONDS)

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Status and JSON of an answer. Raises OSError when the server ends meanwhile."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data, {"Content-Type": "application/json", **(headers or {})}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=START_SECONDS) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def events(self, path: str, body: Any = None) -> Iterator[dict[str, Any]]:
        """The events of a stream until its end."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=START_SECONDS) as answer:
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

    def finished(self, agent: str, turn: str) -> dict[str, Any]:
        """A turn after its end. Raises AssertionError when it does not end in time."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            status, found = self.ask("GET", f"/api/agents/{agent}/turns/{turn}")
            if status == 200 and found["state"] in ("completed", "failed", "cancelled"):
                return dict(found)
            time.sleep(0.05)
        raise AssertionError("the turn did not end")
