"""The scripted collector as a process of its own; see `tests.fakes.collector`."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent


class FakeCollector:
    """A running one."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def script(self, **script: Any) -> None:
        """From now on it behaves so, and forgets what it got."""
        request = urllib.request.Request(self.url + "/_script", json.dumps(script).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()

    def seen(self) -> dict[str, list[Any]]:
        """`spans`, `metrics` and `requests` since then."""
        with urllib.request.urlopen(self.url + "/_seen", timeout=30) as answer:
            found: dict[str, list[Any]] = json.loads(answer.read())
        return found

    def spans(self, trace_id: str) -> list[dict[str, Any]]:
        """Those of a trace, in the order of their beginnings."""
        found = [span for span in self.seen()["spans"] if span["traceId"] == trace_id]
        return sorted(found, key=lambda span: int(span["startTimeUnixNano"]))


@contextmanager
def fake_collector() -> Iterator[FakeCollector]:
    """A collector on a free port of loopback."""
    command = [sys.executable, "-m", "tests.fakes.collector"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        yield FakeCollector(int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
