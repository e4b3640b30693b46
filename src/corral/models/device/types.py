"""What is offered to browsers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

MAX_PART_BYTES = 2**31 - 1
"""The largest single file that a browser's engine takes: it goes into one buffer (wllama's limit is 2 GB)."""


class Mark(NamedTuple):
    """What tells one state of a file from another: its path, size in bytes and time of writing in nanoseconds."""

    path: str
    size: int
    written: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A model as a browser may have it; `reason` says why it cannot, None when it can."""

    name: str
    marks: tuple[Mark, ...]
    context: int | None
    built_in: bool
    reason: str | None

    @property
    def version(self) -> str:
        """Changes whenever one of the files does."""
        return version_of(self.marks)

    def as_dict(self, digests: Sequence[str | None]) -> dict[str, Any]:
        """The wire form, with the SHA-256 of each file where it is known."""
        parts = [
            {"name": Path(mark.path).name, "bytes": mark.size, "sha256": digest}
            for mark, digest in zip(self.marks, digests, strict=True)
        ]
        return {
            "id": self.name, "name": self.name, "version": self.version, "parts": parts,
            "bytes": sum(mark.size for mark in self.marks), "context": self.context, "builtIn": self.built_in,
            "reason": self.reason,
        }  # fmt: skip


def version_of(marks: Sequence[Mark]) -> str:
    """The version of a set of files: 32 hexadecimal digits over names, sizes and times, in which no path can be read."""
    seen = [(Path(mark.path).name, mark.size, mark.written) for mark in marks]
    return hashlib.sha256(repr(seen).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def too_large(sizes: Sequence[int], limit: int) -> str | None:
    """Why files of these sizes in bytes are too large for a browser, None when they are not; `limit` is for all of them."""
    largest, total = max(sizes, default=0), sum(sizes)
    if largest > MAX_PART_BYTES:
        return (
            f"One of its files has {gigabytes(largest)}, and browsers take files of less than 2 GiB. "
            "Split it with llama-gguf-split to use it here."
        )
    if total > limit:
        return f"It has {gigabytes(total)}, more than the {gigabytes(limit)} that this server gives to browsers (device_max_bytes)."
    return None


def gigabytes(size: int) -> str:
    """Bytes as people read them."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
