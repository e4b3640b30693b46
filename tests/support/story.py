"""The storyteller program for tests, and servers that have it as their model."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

PROGRAM = Path(__file__).resolve().parent.parent / "fakes" / "storyteller.py"
SECONDS = 60.0


class Story:
    """A running storyteller."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def calls(self) -> int:
        """How many answers are under way."""
        with urllib.request.urlopen(self.url + "/calls", timeout=SECONDS) as answer:
            return int(json.loads(answer.read())["calls"])

    def no_calls(self) -> bool:
        """Waits until no answer is under way; whether it came to that."""
        deadline = time.monotonic() + 30
        while self.calls():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def attach_to(self, data: Path) -> None:
        """Makes it the model of the server with this data folder."""
        data.mkdir(exist_ok=True)
        lines = ['default_model = "story"', "stop_grace = 0", "[engines.story]", f'url = "{self.url}"', "slots = 512"]
        (data / "corral.toml").write_text("\n".join(lines) + "\n")


@contextlib.contextmanager
def storyteller() -> Iterator[Story]:
    """Starts one and ends it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen([sys.executable, str(PROGRAM), "--port", str(port)])
    try:
        story, deadline = Story(port), time.monotonic() + SECONDS
        while True:
            try:
                story.calls()
                break
            except OSError:
                assert time.monotonic() < deadline, "the storyteller did not start"
                time.sleep(0.02)
        yield story
    finally:
        process.kill()
        process.wait()
