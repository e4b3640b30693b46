"""The peers' programs, fetched on first use into `.bench/`, which git ignores. Nothing of them is part of Corral.

nginx is the one on the PATH, else Debian's package, unpacked and not installed. The others come from PyPI, each into a virtual
environment of its own by a lock with hashes.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.frame import ROOT

FOLDER = ROOT / ".bench"
SECONDS = 900.0
ROOM = 2 << 30
"""Bytes of disk that must be free before the largest of them is installed."""


class NotInstalled(Exception):
    """A peer that cannot be had here; the message says why."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A program and its version."""

    path: Path
    version: str


def nginx() -> Installed:
    """Raises NotInstalled."""
    own = FOLDER / "nginx" / "usr" / "sbin" / "nginx"
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None and not own.exists():
        _unpack("nginx", FOLDER / "nginx")
    path = Path(found) if found else own
    told = _run([str(path), "-v"], 10).stderr
    if not told.startswith("nginx version: nginx/"):
        raise NotInstalled(f"nginx does not start: {told.strip()[:200]}")
    return Installed(path, told.split("/", 1)[1].split()[0])


def from_pypi(lock: str, package: str, program: str) -> Installed:
    """`program` of `package`, in the versions of `requirements/{lock}.txt`. Raises NotInstalled."""
    pins, folder = ROOT / "requirements" / f"{lock}.txt", FOLDER / lock
    stamp = folder / "lock.txt"
    if not stamp.exists() or stamp.read_text() != pins.read_text():
        _install(pins, folder)
        stamp.write_text(pins.read_text())
    version = next(line.split("==")[1].split()[0] for line in pins.read_text().splitlines() if line.startswith(package))
    return Installed(folder / "bin" / program, version)


def _install(pins: Path, folder: Path) -> None:
    FOLDER.mkdir(exist_ok=True)
    if shutil.disk_usage(FOLDER).free < ROOM:
        raise NotInstalled("less than 2 GiB of disk are free")
    print(
        f"Installing {pins.stem.removeprefix('bench-')} for the comparison into {folder.relative_to(ROOT)}", flush=True
    )
    shutil.rmtree(folder, ignore_errors=True)
    _must([sys.executable, "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    _must([*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(pins)])


def _unpack(package: str, folder: Path) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise NotInstalled(f"{package} is not on the PATH; install it with your system's package manager")
    with TemporaryDirectory() as place:
        # The sandbox user may not write into a folder of ours.
        _must(["apt-get", "-qq", "-o", "APT::Sandbox::User=", "download", package], Path(place))
        folder.mkdir(parents=True, exist_ok=True)
        for archive in Path(place).glob("*.deb"):
            _must(["dpkg-deb", "-x", str(archive), str(folder)])


def _must(command: list[str], folder: Path = ROOT) -> None:
    done = _run(command, SECONDS, folder)
    if done.returncode != 0:
        raise NotInstalled(" ".join(done.stderr.split())[-300:] or f"{command[0]} failed")


def _run(command: list[str], seconds: float, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"{Path(command[0]).name}: {error}"[:300]) from None
