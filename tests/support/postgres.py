"""A real PostgreSQL server for the tests: in a folder of its own, without a port, gone afterwards."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

START_SECONDS = 60.0


def binary(name: str) -> str:
    """The path of a PostgreSQL program. Raises RuntimeError."""
    found = shutil.which(name)
    paths = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    if found is None and not paths:
        raise RuntimeError("PostgreSQL is not installed; `bash tools/test_tools.sh` installs it")
    return found or str(paths[0])


class Postgres:
    """One server. It keeps nothing safe: no flushes, for speed."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="corral-pg-"))
        self._names = itertools.count(1)
        # PostgreSQL refuses to run as root.
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = next(one for one in ("postgres", "nobody") if one in {entry.pw_name for entry in pwd.getpwall()})
            entry = pwd.getpwnam(user)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
            self._as = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        quiet: dict[str, Any] = {
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
            "cwd": self.folder,
            **self._as,
        }
        data = str(self.folder / "data")
        subprocess.run(
            [binary("initdb"), "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync"], check=True, **quiet
        )
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": "60",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._command = [binary("postgres"), "-D", data, *options]
        self._quiet = quiet
        self.start()

    def start(self) -> None:
        """Starts it and waits until it answers."""
        self.process = subprocess.Popen(self._command, **self._quiet)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.run("SELECT 1")
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    def run(self, statement: str) -> None:
        """One statement as the owner of everything."""
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def database(self) -> str:
        """The address of a new, empty database."""
        name = f"test_{next(self._names)}"
        self.run(f"CREATE DATABASE {name}")
        return self._address(name)

    def crash(self) -> None:
        """Ends it as a power cut would, for its clients."""
        self.process.kill()
        self.process.wait()
        # Its children notice that it is gone; a new start has to wait for them.
        time.sleep(0.2)

    def stop(self) -> None:
        """Ends it and removes its folder."""
        # The fast shutdown: the usual one waits for every client to leave.
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _address(self, name: str) -> str:
        return f"postgresql://tests@/{name}?host={self.folder}"
