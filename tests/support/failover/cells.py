"""The product of failures, phases, dialects and candidates; all of it, or enough of it that every two values meet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from itertools import combinations
from typing import Literal

from tests.support.failover.faults import FAULTS, Fault, Phase

Company = Literal["second", "alone", "again"]
"""Who else there is: another candidate, nobody, or nobody but the same one asked once more, which is well by then."""
DIALECTS = ("openai_chat", "openai_responses", "anthropic", "ollama_chat", "completions")
KINDS = ("openai", "compatible", "anthropic", "gemini", "ollama")
COMPLETES = ("openai", "compatible", "ollama")
"""Providers that have plain completions."""


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One case. `first` fails, `second` is well (empty where there is none)."""

    fault: str
    phase: Phase
    dialect: str
    streaming: bool
    company: Company
    first: str
    second: str = ""

    @property
    def group(self) -> str:
        """Cells of a group differ in dialect and kinds only."""
        return f"{'stream' if self.streaming else 'whole'} | {self.company} | {self.phase} | {self.fault}"

    @property
    def place(self) -> str:
        """Which of its group."""
        return f"{self.dialect}: {self.first}{f' > {self.second}' if self.second else ''}"


def possible(fault: Fault, phase: Phase, dialect: str, first: str) -> bool:
    """Whether a provider of the kind `first` can fail so at all."""
    if dialect == "completions":
        return first in COMPLETES and phase not in ("thinking", "json", "tool")
    if phase == "thinking":
        # OpenAI's chats do not show any; only its responses do.
        return first != "openai" or dialect == "openai_responses"
    if phase == "tool":
        # Gemini and Ollama tell a call in one piece.
        return first in ("openai", "compatible", "anthropic")
    return True


def _company(fault: Fault, dialect: str, first: str, turn: int) -> Iterator[tuple[Company, str]]:
    kinds = COMPLETES if dialect == "completions" else KINDS
    yield "second", kinds[turn % len(kinds)]
    yield "alone", ""
    if turn % len(KINDS) == 0 and not fault.stays:
        yield "again", ""


def every() -> list[Cell]:
    """All cells. The second candidate's kind goes round, so that each kind meets every other one and every phase; so does the
    kind of a candidate that is asked again."""
    found: list[Cell] = []
    for number, fault in enumerate(FAULTS):
        for streaming, phases in ((True, fault.stream), (False, fault.whole)):
            for phase in phases:
                for dialect in DIALECTS:
                    for at, first in enumerate(KINDS):
                        if possible(fault, phase, dialect, first):
                            turn = number + at + DIALECTS.index(dialect)
                            found += [
                                Cell(fault.name, phase, dialect, streaming, company, first, second)
                                for company, second in _company(fault, dialect, first, turn)
                            ]
    return found


def thinned(cells: Iterable[Cell]) -> list[Cell]:
    """A part of `cells` in which every two values that meet somewhere meet at least once; the second candidate's kind meets
    every phase, but not each failure in it, which it never learns of."""
    left = list(cells)
    wanted = {cell: _pairs(cell) for cell in left}
    missing = {pair for pairs in wanted.values() for pair in pairs}
    chosen: list[Cell] = []
    least = max((len(pairs) for pairs in wanted.values()), default=0)
    while missing:
        for cell in left:
            if len(wanted[cell] & missing) >= least:
                chosen.append(cell)
                missing -= wanted[cell]
        least -= 1
    return chosen


def _pairs(cell: Cell) -> set[tuple[tuple[int, object], tuple[int, object]]]:
    fault, phase, dialect, streaming, company, first, second = astuple(cell)
    values = ((fault, phase, streaming), phase, dialect, company, first, second)
    return {pair for pair in combinations(enumerate(values), 2) if (pair[0][0], pair[1][0]) != (0, 5)}
