"""Stands between Corral and an engine program of somebody else, so that none is ever left behind.

The first line of standard input is a JSON list, the command. It runs in our process group, so that whoever ends the
group ends all of it; when standard input ends, Corral is gone and we end the group ourselves. The command's exit code
becomes ours. Run by its path, so it uses the standard library alone.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time

GRACE = 1.0
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Were we ended with force, Linux ends the command too."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Runs the command and guards it."""
    command = json.loads(sys.stdin.buffer.readline())
    orphaned = threading.Event()
    passing_on = threading.Lock()

    def terminated(*_: object) -> None:
        # Our own signal comes back to us, once.
        if passing_on.acquire(blocking=False):
            os.killpg(0, signal.SIGTERM)

    def lifeline() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        orphaned.set()
        os.killpg(0, signal.SIGTERM)
        time.sleep(GRACE)
        os.killpg(0, signal.SIGKILL)

    signal.signal(signal.SIGTERM, terminated)
    try:
        # No thread runs yet, so `preexec_fn` is safe.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)  # noqa: PLW1509
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
        sys.exit(127)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=lifeline, daemon=True).start()
    code = process.wait()
    if orphaned.is_set():
        os.killpg(0, signal.SIGKILL)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main()
