"""The list of downloads on disk, so that they go on after a restart."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from corral.models.downloads.choices import is_model
from corral.models.downloads.types import ACTIVE, Download, HubFile, State
from corral.telemetry import get_logger

_VERSION = 1
_log = get_logger("corral.downloads")


def load(path: Path) -> list[Download]:
    """The kept downloads. A list that cannot be read is put aside."""
    try:
        kept = json.loads(path.read_bytes())
        return [_download(one) for one in kept["downloads"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        aside = path.with_suffix(".broken")
        _log.warning("downloads_unreadable", path=str(path), aside=str(aside), reason=str(error))
        try:
            path.replace(aside)
        except OSError:
            return []
        return []


def keep(path: Path, downloads: Iterable[Download]) -> None:
    """Writes the list, whole or not at all. Raises OSError."""
    rows = [
        {
            "id": one.id, "repo": one.repo, "commit": one.commit, "quant": one.quant, "folder": one.folder,
            "files": [file.as_dict() for file in one.files], "state": one.state.value, "problem": one.problem,
            "model": one.model, "created": one.created, "finished": sorted(one.finished),
        }
        for one in downloads
    ]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump({"version": _VERSION, "downloads": rows}, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _download(row: dict[str, Any]) -> Download:
    files = tuple(HubFile(str(one["name"]), one["size"], one["sha256"]) for one in row["files"])
    folder = str(row["folder"])
    if not files or not all(is_model(file.name) for file in files) or "/" in folder or folder in ("", ".", ".."):
        raise ValueError("a kept download names files that are no models")
    state = State(row["state"])
    return Download(
        str(row["id"]), str(row["repo"]), str(row["commit"]), files, folder, str(row["created"]), row["quant"],
        State.QUEUED if state in ACTIVE else state, problem=row["problem"], model=row["model"],
        finished=set(row["finished"]),
    )  # fmt: skip
