"""From the files of a repository to the ways of getting a model. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from corral.kit.errors import InvalidRequest, NotFound
from corral.models.downloads.types import Choice, HubFile, Repository

_QUANT = re.compile(
    r"(?<![A-Za-z0-9])(?:UD-)?(?:I?Q\d(?:_[A-Z0-9]+)*|TQ\d_\d|BF16|F16|FP16|F32|FP32|MXFP4(?:_MOE)?)(?![A-Za-z0-9])",
    re.I,
)
_SPLIT = re.compile(r"-(\d{5})-of-(\d{5})$")
_PROJECTOR = re.compile(r"mmproj", re.I)
_NOT_MODELS = re.compile(r"imatrix", re.I)
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_PLAIN = re.compile(r"[^\x00-\x1f\x7f\\<>:\"|?*]+")
_UNQUANTISED = ("F16", "BF16", "FP16", "F32", "FP32")
_PROJECTORS = ("F16", "FP16", "BF16", "Q8_0", "F32", "FP32")


def repository_name(text: str) -> tuple[str, str | None]:
    """Owner and name, and the quantisation behind a colon. Takes the address of a page too. Raises InvalidRequest."""
    plain = re.sub(r"^(?:https?://[^/]+/|hf\.co/|huggingface\.co/)", "", text.strip()).strip("/")
    plain = re.sub(r"/(?:tree|blob|resolve)/.*$", "", plain)
    repo, _, quant = plain.partition(":")
    if not _REPO.fullmatch(repo) or ".." in repo:
        raise InvalidRequest(
            f"{text[:200]!r} is not a repository such as owner/name or owner/name:Q4_K_M.", param="repo"
        )
    return repo, quant or None


def choices(repository: Repository) -> list[Choice]:
    """The ways of getting a model, smallest first; each with the projector that goes with it."""
    models = [file for file in repository.files if is_model(file.name) and not _PROJECTOR.search(file.name)]
    groups: dict[str, list[HubFile]] = {}
    for file in models:
        path = PurePosixPath(file.name)
        groups.setdefault(str(path.with_name(_SPLIT.sub("", path.stem))), []).append(file)
    projector = _projector(repository.files)
    labels = [_label(stem) for stem in groups]
    found = []
    for (stem, files), label in zip(groups.items(), labels, strict=True):
        if _lacks_parts(files):
            continue
        # Several models in one repository are told apart by their whole names.
        name = label if label and labels.count(label) == 1 else PurePosixPath(stem).name
        found.append(Choice(name, (*sorted(files, key=lambda file: file.name), *projector)))
    return sorted(found, key=lambda choice: (choice.size, choice.quant))


def is_model(name: str) -> bool:
    """Whether a file can be a model or a part of one, under a name that a file may have everywhere."""
    path = PurePosixPath(name)
    return path.suffix.lower() == ".gguf" and not _NOT_MODELS.search(path.name) and _safe(name)


def _safe(name: str) -> bool:
    path = PurePosixPath(name)
    parts = name.split("/")
    return (
        not path.is_absolute() and len(path.name.encode()) <= 200 and _PLAIN.fullmatch(name) is not None
        and all(part not in ("", ".", "..") for part in parts) and not path.name.startswith(".")
    )  # fmt: skip


def _label(stem: str) -> str | None:
    found = _QUANT.findall(stem)
    return found[-1].upper() if found else None


def _projector(files: Sequence[HubFile]) -> tuple[HubFile, ...]:
    """The projector to take, of several the one of half precision."""
    found = [file for file in files if is_model(file.name) and _PROJECTOR.search(file.name)]

    def rank(file: HubFile) -> tuple[int, str]:
        label = _label(file.name)
        return _PROJECTORS.index(label) if label in _PROJECTORS else len(_PROJECTORS), file.name

    return tuple(sorted(found, key=rank)[:1])


def _lacks_parts(files: Sequence[HubFile]) -> bool:
    totals = [int(match[2]) for file in files if (match := _SPLIT.search(PurePosixPath(file.name).stem))]
    return bool(totals) and max(totals) != len(files)


def chosen(found: Sequence[Choice], quant: str | None, files: Sequence[str] | None, best: str | None) -> Choice:
    """The choice of a quantisation or of files; without either the best one. Raises InvalidRequest and NotFound."""
    if not found:
        raise NotFound("The repository has no GGUF model. Look for one whose name ends in GGUF.")
    if files:
        wanted = set(files)
        for choice in found:
            if wanted == {file.name for file in choice.files}:
                return choice
        known = {file.name: file for choice in found for file in choice.files}
        strange = sorted(wanted - set(known))
        if strange:
            raise NotFound(f"The repository has no model file {strange[0][:200]!r}.")
        return Choice(
            _label(files[0]) or PurePosixPath(files[0]).stem, tuple(known[name] for name in dict.fromkeys(files))
        )
    name = quant or best
    if name is None:
        return found[0]
    exact = [choice for choice in found if choice.quant.lower() == name.lower()]
    near = exact or [choice for choice in found if name.lower() in choice.quant.lower()]
    if len(near) == 1:
        return near[0]
    listed = ", ".join(choice.quant for choice in found[:30])
    what = "no" if not near else "more than one"
    raise InvalidRequest(f"The repository has {what} {name[:50]!r}. There are {listed}.", param="quant")


def best_of(found: Sequence[tuple[Choice, str | None]]) -> str | None:
    """Of choices with their verdicts: the largest that fits, quantised ones before the rest; else the smallest tight one."""
    fitting = [choice for choice, verdict in found if verdict == "fits"]
    quantised = [choice for choice in fitting if choice.quant not in _UNQUANTISED]
    for group in (quantised, fitting):
        if group:
            return max(group, key=lambda choice: choice.size).quant
    tight = [choice for choice, verdict in found if verdict == "tight"]
    return min(tight, key=lambda choice: choice.size).quant if tight else None


def folder_name(repo: str) -> str:
    """The folder of a repository's files, below that of the models."""
    return repo.replace("/", "_")
