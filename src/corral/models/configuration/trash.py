"""Model files that were thrown away: moved aside, back for a week, then deleted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corral.kit.errors import Conflict
from corral.models.discovery import files_of

KEEP_DAYS = 7
KEEP_MILLISECONDS = KEEP_DAYS * 24 * 3600 * 1000
_ASIDE = ".corral-trash"


def plan(path: Path, folder: Path, key: str) -> list[list[str]]:
    """Where the files of a model go, as pairs: into `folder`, or beside it when that is on another file system."""
    same = _device(path.parent) == _device(folder)
    place = (folder if same else path.parent / _ASIDE) / key
    return [[str(file), str(place / file.name)] for file in files_of(path)]


def _device(path: Path) -> int:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path.stat().st_dev


async def move(pairs: list[list[str]]) -> None:
    """Moves each first to its second; all or nothing. Raises Conflict with the reason."""
    await asyncio.to_thread(_move, pairs)


def _move(pairs: list[list[str]]) -> None:
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in ((Path(one), Path(two)) for one, two in pairs):
            if target.exists() or target.is_symlink():
                raise Conflict(f"{target} is there already; move it away first.")
            if not source.exists() and not source.is_symlink():
                raise Conflict(f"{source} is not there any more.")
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
            done.append((source, target))
    except (Conflict, OSError) as error:
        for source, target in reversed(done):
            with contextlib.suppress(OSError):
                target.rename(source)
        if isinstance(error, OSError):
            raise Conflict(f"{error.filename} cannot be moved: {error.strerror}.") from None
        raise


async def empty(removed: Mapping[str, Any]) -> None:
    """Deletes the files of what was thrown away for good."""
    await asyncio.to_thread(_empty, removed)


def _empty(removed: Mapping[str, Any]) -> None:
    for _, target in removed.get("files", ()):
        path = Path(target)
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        # Only folders that were made for this, and only when nothing else is in them.
        with contextlib.suppress(OSError):
            path.parent.rmdir()
        if path.parent.parent.name == _ASIDE:
            with contextlib.suppress(OSError):
                path.parent.parent.rmdir()
