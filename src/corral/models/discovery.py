"""Finding models in folders: names, split files, projectors. Always in the same order."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from corral.models.gguf.reader import MAGIC

MAX_FILES = 5000
MAX_DEPTH = 6
_SPLIT = re.compile(r"^(?P<stem>.+)-(?P<part>\d{5})-of-(?P<total>\d{5})$")
_MMPROJ = re.compile(r"mmproj", re.IGNORECASE)


@dataclass(slots=True)
class Found:
    """The files of one model, and the names of those that it lacks."""

    name: str
    files: list[Path] = field(default_factory=list)
    missing: tuple[str, ...] = ()
    mmproj: Path | None = None


def candidates(folder: Path) -> Iterator[Path]:
    """Files below `folder` that may be models, sorted, without following links to folders, at most MAX_FILES."""
    count = 0
    base = len(folder.parts)
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = (
            sorted(name for name in folders if not name.startswith(".")) if len(here.parts) - base < MAX_DEPTH else []
        )
        for name in sorted(files):
            path = here / name
            kind = path.suffix.lower()
            if name.startswith(".") or kind not in (".gguf", ".bin") or not _can_be_told(path):
                continue
            if kind == ".bin" and not _has_magic(path):
                continue
            count += 1
            if count > MAX_FILES:
                return
            yield path


def _can_be_told(path: Path) -> bool:
    """Whether its name is text; one in an unknown encoding has no place in JSON."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _has_magic(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(4) == MAGIC
    except OSError:
        return False


def find(folders: Sequence[Path]) -> list[Found]:
    """The models in `folders`; an earlier folder's name wins, a later one gets its folder's name in front."""
    models: dict[str, Found] = {}
    for folder in folders:
        for found in _in_folder(list(candidates(folder))):
            name = found.name
            if name in models:
                name = f"{found.files[0].parent.name}/{name}"
            count = 2
            while name in models:
                name = f"{found.name}-{count}"
                count += 1
            found.name = name
            models[name] = found
    return sorted(models.values(), key=lambda found: found.name.lower())


def _in_folder(paths: list[Path]) -> list[Found]:
    groups: dict[tuple[Path, str], Found] = {}
    projectors: list[Path] = []
    for path in paths:
        if _MMPROJ.search(path.stem):
            projectors.append(path)
            continue
        split = _SPLIT.match(path.stem)
        stem = split["stem"] if split else path.stem
        found = groups.setdefault((path.parent, stem + (f"|{split['total']}" if split else "")), Found(stem))
        found.files.append(path)
        if split and not found.missing:
            found.missing = _parts(path, stem, int(split["total"]))
    for found in groups.values():
        here = {path.name for path in found.files}
        found.missing = tuple(name for name in found.missing if name not in here)
    for projector in projectors:
        _pair(projector, [found for (parent, _), found in groups.items() if parent == projector.parent])
    return list(groups.values())


def _parts(path: Path, stem: str, total: int) -> tuple[str, ...]:
    """The names of all parts of a split model."""
    return tuple(f"{stem}-{part:05d}-of-{total:05d}{path.suffix}" for part in range(1, min(total, MAX_FILES) + 1))


def files_of(path: Path) -> list[Path]:
    """All files of the model whose first file is `path`."""
    split = _SPLIT.match(path.stem)
    if not split:
        return [path]
    names = _parts(path, split["stem"], int(split["total"]))
    return [path.with_name(name) for name in names if path.with_name(name).is_file()]


def _pair(projector: Path, neighbours: list[Found]) -> None:
    """Gives a projector to the model whose name it shares most of; to an only neighbour in any case."""
    words = set(re.split(r"[-_.]+", projector.stem.lower())) - {"mmproj", "f16", "f32", "bf16", "q8", "0", "model"}
    scored = [(len(words & set(re.split(r"[-_.]+", found.name.lower()))), found) for found in neighbours]
    best = max((score for score, _ in scored), default=0)
    for score, found in scored:
        if found.mmproj is None and (len(neighbours) == 1 or (score == best and best > 0)):
            found.mmproj = projector


def signature(folders: Sequence[Path]) -> tuple[tuple[str, int, int], ...]:
    """Changes whenever a model file comes, goes or is written."""
    seen = []
    for folder in folders:
        for path in candidates(folder):
            try:
                stat = path.stat()
            except OSError:
                continue
            seen.append((str(path), stat.st_size, stat.st_mtime_ns))
    return tuple(seen)
