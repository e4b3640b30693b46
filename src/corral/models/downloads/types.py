"""What is downloaded, and how far it is. Sizes in bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Where a download stands."""

    QUEUED = "queued"
    RUNNING = "running"
    CHECKING = "checking"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE = (State.QUEUED, State.RUNNING, State.CHECKING)


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository; size and checksum as far as the hub lists them."""

    name: str
    size: int | None = None
    sha256: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For keeping."""
        return {"name": self.name, "size": self.size, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class Repository:
    """What a repository has at one commit."""

    name: str
    commit: str
    files: tuple[HubFile, ...]
    licence: str | None = None
    gated: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to get a model: a quantisation with all of its files."""

    quant: str
    files: tuple[HubFile, ...]

    @property
    def size(self) -> int:
        """All files together."""
        return sum(file.size or 0 for file in self.files)


@dataclass(slots=True)
class Download:
    """One download. `done` counts what is there of all files; `rate` is in bytes a second."""

    id: str
    repo: str
    commit: str
    files: tuple[HubFile, ...]
    folder: str
    created: str
    quant: str | None = None
    state: State = State.QUEUED
    done: int = 0
    rate: float | None = None
    problem: str | None = None
    model: str | None = None
    finished: set[str] = field(default_factory=set)

    @property
    def total(self) -> int | None:
        """All files together, None while a size is not known."""
        sizes = [file.size for file in self.files]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def as_dict(self) -> dict[str, Any]:
        """The wire form."""
        left = self.total - self.done if self.total is not None else None
        moving = self.state is State.RUNNING and self.rate
        return {
            "id": self.id,
            "repo": self.repo,
            "revision": self.commit,
            "quant": self.quant,
            "files": [file.name for file in self.files],
            "state": self.state.value,
            "done": self.done,
            "total": self.total,
            "rate": round(self.rate) if moving and self.rate else None,
            "eta": round(left / self.rate, 1) if moving and self.rate and left is not None else None,
            "problem": self.problem,
            "model": self.model,
            "createdAt": self.created,
        }
