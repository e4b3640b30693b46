"""What every benchmark shares: results with their limits, servers and upstreams as processes, and percentiles."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

ROOT = Path(__file__).resolve().parent.parent
SLOTS = 2048


@dataclass(frozen=True, slots=True)
class Result:
    """One figure. `limit` is what it must not exceed, `least` what it must reach; None for a figure that is only told."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    note: str = ""
    least: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the figure is within its limits."""
        return (self.limit is None or self.value <= self.limit) and (self.least is None or self.value >= self.least)


@dataclass(frozen=True, slots=True)
class Running:
    """A server under measurement."""

    url: str
    pid: int
    data: Path

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.url.rsplit(":", 1)[1])

    def cpu_seconds(self) -> float:
        """Processor time of the server itself so far, without its engines."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of `values` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@contextlib.contextmanager
def upstream() -> Iterator[int]:
    """The synthetic upstream in a process of its own; yields its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen([sys.executable, "-m", "bench.upstream", str(port)], cwd=ROOT)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        yield port
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def corral(upstream_port: int | None = None, more: str = "", **environ: str) -> Iterator[Running]:
    """A server with a data folder of its own, the synthetic upstream attached as the model `bench`, and `more` in its corral.toml."""
    with TemporaryDirectory(prefix="corral-bench-") as folder:
        data = Path(folder)
        if upstream_port is not None:
            lines = [
                'default_model = "bench"',
                "[engines.bench]",
                f'url = "http://127.0.0.1:{upstream_port}"',
                f"slots = {SLOTS}",
            ]
            (data / "corral.toml").write_text("\n".join(lines) + "\n" + more)
        process, url = start(data, **environ)
        try:
            yield Running(url, process.pid, data)
        finally:
            process.terminate()
            process.wait(30)


def start(data: Path, **more: str) -> tuple[subprocess.Popen[str], str]:
    """Starts a server; returns it and its address as soon as it listens."""
    command = [str(ROOT / ".venv" / "bin" / "corral"), "serve", "--port", "0", "--data", str(data)]
    environ = {**os.environ, "CORRAL_LOG_LEVEL": "warning", **more}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("Corral listens on "):
        raise RuntimeError(f"the server did not start: {line!r}")
    return process, line.split()[-1]


def wait_for(url: str, process: subprocess.Popen[str] | subprocess.Popen[bytes], seconds: float = 30.0) -> None:
    """Waits until `url` answers 200. Raises RuntimeError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1) as answer:
            if answer.status == 200:
                return
        time.sleep(0.005)
    raise RuntimeError(f"{url} did not answer")
