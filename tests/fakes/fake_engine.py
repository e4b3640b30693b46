"""A scripted engine program: what it does wrong is told by its arguments.

    fake_engine.py --port N --key K [--load SECONDS] [--say LINE] [--exit CODE] [--stall] [--deaf] [--fork FILE]
                   [--loose FILE] [--die-after SECONDS] [--close-after SECONDS] [--count FILE] [--flood MEBIBYTES]
                   [--hold MEBIBYTES] [--taken-once FILE]

It answers /v1/models once it has loaded, to its key alone.
"""

from __future__ import annotations

import argparse
import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", default="")
    parser.add_argument("--load", type=float, default=0.0, help="load for so long, with a line every 50 ms")
    parser.add_argument("--say", default="", help="a line for standard error")
    parser.add_argument("--exit", type=int, help="end with this code instead of serving")
    parser.add_argument("--stall", action="store_true", help="load for ever without a sign")
    parser.add_argument("--deaf", action="store_true", help="ignore SIGTERM")
    parser.add_argument("--fork", default="", help="start a grandchild and write its pid to this file")
    parser.add_argument("--loose", default="", help="the same, and the grandchild takes a session of its own")
    parser.add_argument("--die-after", type=float, help="crash so long after the first answer")
    parser.add_argument("--close-after", type=float, help="close the port so long after the first answer, and stay")
    parser.add_argument("--broken-by", default="", help="end with code 5 when this file is there")
    parser.add_argument("--count", default="", help="append a line to this file at every start")
    parser.add_argument("--flood", type=int, default=0, help="write so many MiB of log before serving")
    parser.add_argument("--hold", type=int, default=0, help="use so many MiB of memory")
    parser.add_argument(
        "--taken-once",
        default="",
        help="the first time, tell the port in this file and wait until somebody has taken it (FILE.done)",
    )
    options = parser.parse_args()
    if options.count:
        with Path(options.count).open("a") as file:
            file.write("started\n")
    if options.deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for file, apart in ((options.fork, False), (options.loose, True)):
        if file:
            child = subprocess.Popen(["sleep", "600"], start_new_session=apart)
            part = Path(file + ".part")
            part.write_text(str(child.pid))
            part.replace(file)
    if options.say:
        print(options.say, file=sys.stderr, flush=True)
    line = "x" * 1023 + "\n"
    for _ in range(options.flood * 1024):
        sys.stderr.write(line)
    held = bytearray(os.urandom(1)) * (options.hold << 20)
    if options.taken_once and not Path(options.taken_once).exists():
        part = Path(options.taken_once + ".part")
        part.write_text(str(options.port))
        part.replace(options.taken_once)
        while not Path(options.taken_once + ".done").exists():
            time.sleep(0.01)
    if options.broken_by and Path(options.broken_by).exists():
        sys.exit(5)
    if options.exit is not None:
        sys.exit(options.exit)
    if options.stall:
        time.sleep(600)
    until = time.monotonic() + options.load
    while time.monotonic() < until:
        print("loading", file=sys.stderr, flush=True)
        time.sleep(0.05)
    serve(options.port, options.key, options.die_after, options.close_after)
    del held


def serve(port: int, key: str, die_after: float | None, close_after: float | None) -> None:
    timers: list[threading.Timer] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            known = self.headers.get("authorization") == f"Bearer {key}"
            body = b'{"data": []}'
            self.send_response(200 if known else 401)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            if timers:
                return
            if die_after is not None:
                timers.append(threading.Timer(die_after, lambda: os._exit(7)))
            if close_after is not None:
                timers.append(threading.Timer(close_after, server.shutdown))
            for timer in timers:
                timer.start()

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.serve_forever()
    server.server_close()
    time.sleep(600)


if __name__ == "__main__":
    main()
