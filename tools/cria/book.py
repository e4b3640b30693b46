"""The wordings of users: text files of patterns, one a line, in `[sections]`.

`wordings/first` was written first and taught the model to copy and to tell intents apart; `wordings/more`,
`wordings/wide` (the short, careless way in which people chat), `wordings/broad` (other frames and other words for
the same things) and `wordings/further` (several facts in one breath, more kinds of values, questions that only sound
as if they were about Corral) widen it; `wordings/loose` wraps the matter in chatter, and `wordings/around` puts
words behind what is to be copied too.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from tools.cria.grammar import expand

FOLDER = Path(__file__).with_name("wordings")
SHARES = {"first": 0.1, "more": 0.17, "wide": 0.22, "broad": 0.24, "further": 0.13, "loose": 0.14, "around": 0.25}
"""How often a wording comes from each folder, once all are read."""

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
        more: whether all folders are drawn from, not the first alone.
    """

    def __init__(self, *, more: bool) -> None:
        self._read = {name: read(FOLDER / name) for name in SHARES if more or name == "first"}

    def pattern(self, section: str, random: Random) -> str:
        """One pattern of a section such as `corral.gpu`. Raises KeyError."""
        names = [name for name, found in self._read.items() if section in found]
        if not names:
            raise KeyError(section)
        name = random.choices(names, [SHARES[one] for one in names])[0]
        return random.choice(self._read[name][section])

    def say(self, section: str, random: Random, **slots: str) -> str:
        """One sentence of a section, its slots filled. Raises KeyError for an unknown section or slot."""
        return expand(self.pattern(section, random), random, slots)

    def sections(self) -> dict[str, int]:
        """How many patterns each section has."""
        names = sorted({name for found in self._read.values() for name in found})
        return {name: sum(len(found.get(name, ())) for found in self._read.values()) for name in names}

    def __contains__(self, section: str) -> bool:
        return any(section in found for found in self._read.values())
