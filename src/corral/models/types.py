"""A model as the rest of Corral sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Model:
    """A GGUF file, or a set of split files, that can be named. Sizes in bytes; None where the file does not say."""

    name: str
    path: Path
    size_bytes: int
    architecture: str | None = None
    parameters: int | None = None
    quantization: str | None = None
    context_length: int | None = None
    embedding_length: int | None = None
    layers: int | None = None
    heads: int | None = None
    vocabulary: int | None = None
    tokenizer: str | None = None
    licence: str | None = None
    title: str | None = None
    chat_template: str | None = None
    embeddings: bool = False
    parts: int = 1
    mmproj: Path | None = None
    included: bool = False
    modified: float = 0.0
    problem: str | None = None
    """Why it cannot be used, None when it can."""
