"""A server that is killed while things are set: what was acknowledged is there, and nothing is half there."""

from __future__ import annotations

import contextlib
import http.client
import random
import threading
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.support.gguf_files import write
from tests.support.scale import scaled
from tests.support.server import Server

pytestmark = pytest.mark.alone
ROUNDS = scaled(2, 40)


class Setter(threading.Thread):
    """Saves one option after the other and remembers what was acknowledged."""

    def __init__(self, server: Server, version: int) -> None:
        super().__init__(daemon=True)
        self._server = server
        self.version = version
        self.acknowledged: dict[str, Any] = {}
        self.slots: int | None = None

    def run(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            while True:
                changes = {
                    "seed": self.version,
                    "ctxSize": 128 + self.version,
                    "lora": [f"s{self.version}"],
                }
                body = {"version": self.version, "changes": changes}
                status, answer = self._server.ask("PUT", "/api/models/a", body)
                assert status == 200, answer
                self.version, self.acknowledged = answer["version"], changes
                slots = 1 + self.version % 60
                status, answer = self._server.ask("POST", "/api/config", {"appConfig": {"slots": slots}})
                assert status == 200, answer
                self.slots = slots


def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    write(tmp_path / "models" / "a.gguf")
    server = Server(tmp_path)
    dice = random.Random(7)
    try:
        for number in range(ROUNDS):
            server.start()
            before = server.ask("GET", "/api/models/a")[1]
            setter = Setter(server, before["version"])
            setter.start()
            time.sleep(dice.uniform(0.05, 0.4))
            server.kill()
            setter.join(60)
            server.start()
            after = server.ask("GET", "/api/models/a")[1]
            own, version = after["configuration"]["own"], after["version"]
            # The one save that was under way may be there, whole, or not.
            assert version in (setter.version, setter.version + 1), number
            if version == setter.version:
                assert own == (setter.acknowledged or before["configuration"]["own"])
            assert own.get("seed", 0) + 128 == own.get("ctxSize", 128)
            assert own.get("lora", ["s0"]) == [f"s{own.get('seed', 0)}"]
            [newest, *_] = server.ask("GET", "/api/config/history?scope=model&name=a")[1]["entries"] or [{"version": 0}]
            assert newest["version"] == version
            kept = tomllib.loads((tmp_path / "corral.toml").read_text()) if (tmp_path / "corral.toml").exists() else {}
            assert server.ask("GET", "/api/config")[1]["appConfig"]["slots"] == kept.get("slots", 4)
            if setter.slots is not None:
                # The file is written before the answer; the next save may have replaced it by now.
                assert kept["slots"] in (setter.slots, 1 + version % 60)
            server.kill()
    finally:
        server.stop()
