"""The lock on the data folder: one server at a time."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from typing import IO

from corral.kit.errors import StartupError

IN_USE_EXIT = 3
_OCTAL = re.compile(r"\\([0-7]{3})")
_NETWORK = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "beegfs", "gpfs", "orangefs", "coda"),
    *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "fuse.juicefs", "fuse.davfs", "davfs"),
}


class FolderLock:
    """Holds `corral.lock` in a folder; the system lets go of it however the process ends."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "corral.lock"
        self._file: IO[str] | None = None

    def take(self, *, local_only: bool = True) -> None:
        """Takes the lock, making the folder when needed, on a network file system unless `local_only`.

        Raises StartupError with what to do.
        """
        folder = self._path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = self._path.open("a+", encoding="utf-8")
        except OSError as error:
            raise StartupError(
                f"The data folder {folder} cannot be written: {error.strerror}. Choose another with --data."
            ) from None
        kind = file_system(folder)
        if local_only and is_network(kind):
            file.close()
            raise StartupError(
                f"The data folder {folder} is on a network file system ({kind}); SQLite is not safe there. "
                "Choose a folder on a local disk with --data, or set database_url."
            )
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read(64).strip()
            file.close()
            who = f" (process {holder})" if holder else ""
            raise StartupError(
                f"The data folder {folder} is in use by another Corral{who}. Stop it, or choose another with --data.",
                IN_USE_EXIT,
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Lets go."""
        if self._file is not None:
            self._file.close()
            self._file = None


def is_network(kind: str) -> bool:
    """Whether a kind of file system lies on another machine."""
    return kind in _NETWORK


def lock_holder(folder: Path) -> str | None:
    """The process that has the lock of `folder`, None when nobody has it."""
    try:
        with (folder / "corral.lock").open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return file.read(64).strip() or "unknown"
    except OSError:
        return None
    return None


def file_system(folder: Path, mounts: Path = Path("/proc/mounts")) -> str:
    """The kind of file system under `folder`, empty where it cannot be told."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    place = str(folder.resolve())
    for line in lines:
        fields = line.split()
        if len(fields) < 3:
            continue
        point = _OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[1]).rstrip("/")
        if (place == point or place.startswith(point + "/")) and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind
