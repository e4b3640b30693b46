"""What it costs to have Corral: from the start of the process to the first answer, idle memory, size of the wheel."""

from __future__ import annotations

import subprocess
import sys
import time
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from bench.frame import ROOT, Result, start, wait_for

IDLE_SECONDS = 10.0


def ready_seconds(data: Path) -> float:
    """From starting the process until `/readyz` answers 200."""
    began = time.perf_counter()
    process, url = start(data)
    wait_for(f"{url}/readyz", process)
    took = time.perf_counter() - began
    process.terminate()
    process.wait(30)
    return took


def idle_mebibytes(data: Path, seconds: float) -> float:
    """Resident memory of a server that nobody has asked anything yet."""
    process, url = start(data)
    wait_for(f"{url}/readyz", process)
    time.sleep(seconds)
    resident = psutil.Process(process.pid).memory_info().rss
    process.terminate()
    process.wait(30)
    return float(resident / 2**20)


def make_run_seconds(data: Path) -> float:
    """From `make run`, with everything set up, until the server listens."""
    began = time.perf_counter()
    process = subprocess.Popen(
        ["make", "--silent", "run", "PORT=0", f"DATA={data}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Corral listens on "):
            break
    took = time.perf_counter() - began
    for child in psutil.Process(process.pid).children():
        child.terminate()
    process.wait(30)
    return took


def wheel_bytes() -> int:
    """The wheel's files as they are packed, without the included model."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            return sum(entry.compress_size for entry in wheel.infolist() if not entry.filename.endswith(".gguf"))


def run(*, quick: bool) -> list[Result]:
    """All figures."""
    with TemporaryDirectory() as folder:
        data = Path(folder)
        ready_seconds(data)
        starts = sorted(ready_seconds(data) for _ in range(3 if quick else 9))
        again = min(make_run_seconds(data) for _ in range(2))
        resident = idle_mebibytes(data, 2.0 if quick else IDLE_SECONDS)
    return [
        Result(
            "process start to /readyz, median",
            starts[len(starts) // 2],
            "s",
            1.5,
            f"best {starts[0]:.2f}, worst {starts[-1]:.2f}",
        ),
        Result("second `make run` until it listens", again, "s", 3.0),
        Result("idle server, resident", resident, "MiB", 100),
        Result("wheel without the model", wheel_bytes() / 1e6, "MB", 10),
    ]
