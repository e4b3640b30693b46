"""Pins the dependencies: hash-locked requirement files for running, building and developing.

The files name no index, so that they install from wherever pip is set up to look.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLAGS = ["-q", "--generate-hashes", "--strip-extras", "--no-header", "--no-emit-index-url", "--no-emit-find-links",
         "--no-emit-trusted-host", "--allow-unsafe"]  # fmt: skip


def compile_lock(output: str, *arguments: str) -> None:
    """Runs pip-compile once."""
    command = [sys.executable, "-m", "piptools", "compile", *FLAGS, "-o", f"requirements/{output}", *arguments]
    subprocess.run([*command, *sys.argv[1:]], cwd=ROOT, check=True)


if __name__ == "__main__":
    compile_lock("run.txt", "pyproject.toml")
    compile_lock("build.txt", "requirements/build.in")
    compile_lock("dev.txt", "--extra", "dev", "-c", "requirements/run.txt", "pyproject.toml")
    # What Corral is compared with is never installed beside it.
    for peer in ("litellm", "router"):
        compile_lock(f"bench-{peer}.txt", f"requirements/bench-{peer}.in")
