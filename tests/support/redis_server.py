"""A real Redis server for the tests: in a folder of its own, on a UNIX socket, gone afterwards."""

from __future__ import annotations

import itertools
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

START_SECONDS = 60.0
_DATABASES = 64


class RedisServer:
    """One server that keeps nothing. `address` gives a database of its own to each test."""

    def __init__(self) -> None:
        if shutil.which("redis-server") is None:
            raise RuntimeError("Redis is not installed; `bash tools/test_tools.sh` installs it")
        self.folder = Path(tempfile.mkdtemp(prefix="corral-redis-"))
        self.socket = self.folder / "redis.sock"
        self._numbers = itertools.count()
        self.start()

    def start(self) -> None:
        """Starts it and waits until it answers."""
        settings = {
            "port": "0", "unixsocket": str(self.socket), "save": "", "appendonly": "no", "dir": str(self.folder),
            "databases": str(_DATABASES), "maxmemory": "64mb",
        }  # fmt: skip
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        self.process = subprocess.Popen(
            ["redis-server", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("Redis did not start")
            time.sleep(0.02)

    def address(self) -> str:
        """The address of an empty database."""
        number = next(self._numbers) % _DATABASES
        self.command("SELECT", str(number), then=("FLUSHDB",))
        return f"unix://{self.socket}?db={number}"

    def command(self, *words: str, then: tuple[str, ...] = ()) -> bytes:
        """What it answers to a command, or to the one after it."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(START_SECONDS)
            connection.connect(str(self.socket))
            answer = b""
            for one in (words, then):
                if one:
                    connection.sendall(" ".join(one).encode() + b"\r\n")
                    answer = connection.recv(65536)
            return answer

    def hang(self) -> None:
        """It takes connections and bytes and says nothing, until `go_on`."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Ends `hang`."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL; what it held is gone."""
        self.process.kill()
        self.process.wait(START_SECONDS)
        self.socket.unlink(missing_ok=True)

    def stop(self) -> None:
        """Ends it and removes its folder."""
        if self.process.poll() is None:
            self.go_on()
            self.process.kill()
            self.process.wait(START_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            return self.command("PING").startswith(b"+PONG")
        except OSError:
            return False
