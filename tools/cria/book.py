"""The wordings of users: text files of patterns, one a line, in `[sections]`.

`wordings/first` was written first and taught the model to copy and to tell intents apart; `wordings/more` widens it.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from tools.cria.grammar import expand

FOLDER = Path(__file__).with_name("wordings")
MORE_SHARE = 0.7
"""How often a wording comes from `more`, once that is read."""

Sections = dict[str, tuple[str, ...]]


def read(folder: Path) -> Sections:
    """The patterns of all files by `file.section`. Raises ValueError for a line outside of a section."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.txt")):
        section: list[str] | None = None
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("[") and line.endswith("]"):
                section = found.setdefault(f"{path.stem}.{line[1:-1]}", [])
            elif line.strip():
                if section is None:
                    raise ValueError(f"{path}: {line!r} stands before the first section")
                section.append(line.strip())
    return {name: tuple(lines) for name, lines in found.items()}


class Book:
    """Draws wordings.

    Args:
        more: whether `wordings/more` is drawn from as well.
    """

    def __init__(self, *, more: bool) -> None:
        self._first = read(FOLDER / "first")
        self._more = read(FOLDER / "more") if more else {}

    def pattern(self, section: str, random: Random) -> str:
        """One pattern of a section such as `corral.gpu`. Raises KeyError."""
        more = self._more.get(section)
        if more and (section not in self._first or random.random() < MORE_SHARE):
            return random.choice(more)
        return random.choice(self._first[section])

    def say(self, section: str, random: Random, **slots: str) -> str:
        """One sentence of a section, its slots filled. Raises KeyError for an unknown section or slot."""
        return expand(self.pattern(section, random), random, slots)

    def sections(self) -> dict[str, int]:
        """How many patterns each section has."""
        names = sorted({*self._first, *self._more})
        return {name: len(self._first.get(name, ())) + len(self._more.get(name, ())) for name in names}

    def __contains__(self, section: str) -> bool:
        return section in self._first or section in self._more
