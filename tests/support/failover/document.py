"""What is written down: the outcome of every cell (`outcomes.json`), and docs/reference/failover.md made of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.support.failover.cells import DIALECTS, KINDS, Cell, Company, every
from tests.support.failover.driving import Outcome
from tests.support.failover.faults import BY_NAME, FAULTS, PHASES, Phase

OUTCOMES = Path(__file__).resolve().parent / "outcomes.json"
PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "failover.md"
EVERYWHERE = ["*"]
Words = Mapping[Cell, str]
WAYS = {"user": "anew", "asking": "asked", "prefill": "prefill"}
MEANINGS = {
    "next": "failed over before anything was sent: the next candidate's answer, whole; the client knows of nothing",
    "again": "the same, by the same candidate asked once more",
    "prefill": "continued in the same stream: the next candidate went on with the text so far as the beginning of its answer",
    "asked": "continued in the same stream: the next candidate was asked to go on where the text ended, and what it repeated was left out",
    "anew": "continued in the same stream: the next candidate was asked the same again; of its thinking, or of its call, only what was "
    "missing was passed on",
    "error event": "an error in the stream, in the dialect's form, behind all that was good; no end",
    "502 and other numbers": "an HTTP error of that status, in the dialect's form; `+` with Retry-After",
}
TITLES: Mapping[str, str] = {
    "openai_chat": "chat", "openai_responses": "responses", "anthropic": "Anthropic", "ollama_chat": "Ollama", "completions": "completions",
}  # fmt: skip
COMPANIES: Mapping[Company, str] = {
    "second": "Another candidate is there, and well",
    "alone": "Nobody else is there, and the one attempt is used up",
    "again": "Nobody else is there, but the same one may be asked again, and is well by then",
}


def word(cell: Cell, outcome: Outcome) -> str:
    """An outcome in the words of the table."""
    heard = outcome.heard
    if heard.end == "refused":
        return f"{heard.status}{' +' if heard.retry_after else ''}"
    if heard.end == "error":
        return "error event"
    if heard.end == "open" or not outcome.asked:
        return "no end" if heard.end == "open" else "whole"
    if heard.attempts > 1:
        return "next" if cell.company == "second" else "again"
    return WAYS[outcome.asked[-1]]


# what is kept


def write_outcomes(words: Words) -> None:
    """Keeps what came of all cells, by group."""
    kept: dict[str, dict[str, list[str]]] = {}
    for cell in sorted(words):
        kept.setdefault(cell.group, {}).setdefault(words[cell], []).append(cell.place)
    short = {group: dict.fromkeys(places, EVERYWHERE) if len(places) == 1 else places for group, places in kept.items()}
    OUTCOMES.write_text(json.dumps(short, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_outcomes() -> dict[Cell, str]:
    """What is to come of all cells. Raises KeyError for one that nothing is kept of."""
    kept = json.loads(OUTCOMES.read_text(encoding="utf-8"))
    found: dict[Cell, str] = {}
    for cell in every():
        by_word: dict[str, list[str]] = kept[cell.group]
        [found[cell]] = [one for one, places in by_word.items() if places == EVERYWHERE or cell.place in places]
    return found


# the page


def page(words: Words) -> str:
    """The page."""
    return "\n".join([*_opening(), *_sections(words), *_ways(words)]) + "\n"


def _opening() -> Iterator[str]:
    yield "<!-- Written by `python -m tests.support.failover`; tests/integration/test_failover_table.py holds it true. -->\n"
    yield "# What a client sees when a provider fails\n"
    yield (
        "Every cell was driven for real: a running Corral, scripted programs that speak each provider's protocol and fail in the middle of "
        "it, and a strict client. In every one of them an answer that ended cleanly had each word once, and one that could not be finished "
        "said so; the tests fail where that, or a word below, is no longer so. How it is done: [inference](../rooms/inference.md).\n"
    )
    yield "| word | what the client saw |\n| --- | --- |"
    yield from (f"| {name} | {meaning} |" for name, meaning in MEANINGS.items())
    yield (
        "\nColumns are the client's dialects: OpenAI's chat, responses and completions, Anthropic's messages, Ollama's chat. The failing "
        f"provider is in turn of each kind ({', '.join(KINDS)}), and so is the next candidate; where their kinds matter several words stand "
        "in a cell. A dash: that cannot happen there."
    )


def _sections(words: Words) -> Iterator[str]:
    for streaming in (True, False):
        for company, says in COMPANIES.items():
            chosen = {
                cell: one for cell, one in words.items() if (cell.streaming, cell.company) == (streaming, company)
            }
            yield f"\n## {'Streaming' if streaming else 'Not streaming'}. {says}\n"
            yield f"| when | failure | {' | '.join(TITLES.values())} |"
            yield f"| --- | --- |{' --- |' * len(TITLES)}"
            yield from _rows(chosen)


def _rows(words: Words) -> Iterator[str]:
    for phase, when in PHASES.items():
        for fault in FAULTS:
            here = {cell: one for cell, one in words.items() if (cell.phase, cell.fault) == (phase, fault.name)}
            if here:
                columns = [_several(one for cell, one in here.items() if cell.dialect == at) for at in DIALECTS]
                yield f"| {when} | {fault.name}: {_detail(fault.name)} | {' | '.join(columns)} |"


def _detail(name: str) -> str:
    fault = BY_NAME[name]
    ends = {"silence": "; its time runs out", "whole": "; the answer's time runs out", "": ""}[fault.deadline]
    return fault.says + ends


def _several(words: Iterable[str]) -> str:
    """The words of a cell of the page, in the order in which they are explained."""
    known = list(MEANINGS)
    found = sorted(set(words), key=lambda one: (known.index(one) if one in known else len(known), one))
    return ", ".join(found) or "–"


def _ways(words: Words) -> Iterator[str]:
    phases: tuple[Phase, ...] = ("thinking", "text", "json", "tool", "end")
    yield "\n## Who goes on in which way\n"
    yield "Streaming, by the kind of the candidate that goes on; all failures and dialects together, without completions and slow drips.\n"
    yield f"| next candidate | {' | '.join(PHASES[phase] for phase in phases)} |"
    yield f"| --- |{' --- |' * len(phases)}"
    going = {
        cell: one
        for cell, one in words.items()
        if cell.streaming and cell.company == "second" and cell.dialect != "completions" and cell.fault != "slow drip"
    }
    for kind in KINDS:
        its = {cell: one for cell, one in going.items() if cell.second == kind}
        columns = [_several(one for cell, one in its.items() if cell.phase == phase) for phase in phases]
        yield f"| {kind} | {' | '.join(columns)} |"
