"""Stands between Corral and an engine program of somebody else, so that none is ever left behind.

Started as `python -m corral.engines.guardian TOKEN`. The first line of standard input is a JSON list, the command.
The command runs in a process group of its own; when standard input ends, or on SIGTERM, the whole group is ended,
with force after a while. Its exit code becomes ours.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

from corral.engines.child import die_with_parent

GRACE = 3.0


def end_group(process: subprocess.Popen[bytes], grace: float = GRACE) -> None:
    """SIGTERM to the group, SIGKILL after `grace` seconds, and once more for what was forked meanwhile."""
    for number, wait in ((signal.SIGTERM, grace), (signal.SIGKILL, 0.0)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)


def main() -> None:
    """Runs the command and guards it."""
    command = json.loads(sys.stdin.buffer.readline())
    try:
        # Were we ended with force, the command would be left: the system ends it then. No thread runs yet.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509
        )
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
        sys.exit(127)

    def lifeline() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        end_group(process)
        os._exit(0)

    def terminated(*_: object) -> None:
        end_group(process)
        os._exit(0)

    signal.signal(signal.SIGTERM, terminated)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=lifeline, daemon=True).start()
    code = process.wait()
    end_group(process, 0.0)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main()
