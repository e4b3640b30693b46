"""The scripted hub as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class FakeHub:
    """A running hub; `folder` is where its repositories are."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def act(self, **how: Any) -> None:
        """From now on it behaves so, and forgets what it has seen."""
        data = json.dumps(how).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/act", data), timeout=30) as answer:
            answer.read()

    def seen(self) -> list[dict[str, Any]]:
        """The requests for files since then."""
        with urllib.request.urlopen(f"{self.url}/seen", timeout=30) as answer:
            found: list[dict[str, Any]] = json.loads(answer.read())
            return found

    def put(self, name: str, data: bytes) -> Path:
        """Puts a file into a repository: `owner/name/file`."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path


@contextmanager
def fake_hub(folder: Path) -> Iterator[FakeHub]:
    """Runs a hub."""
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.hub", str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield FakeHub(folder, int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
