"""What was measured, as a table to print, as figures with their limits, and as a section of docs/benchmarks.md."""

from __future__ import annotations

import math
import os
import platform
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from bench.frame import ROOT, Result, percentile
from bench.peers.phases import FAST, FIRST, GRACE, MANY, PACED, WHOLE_CONNECTIONS, Contestant, Figures
from bench.peers.programs import Program

PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- peers: written by `python -m bench --only peers` -->", "<!-- peers: end -->"
DIRECT = "directly"
OWN, PROVIDER = "Corral, own engine", "Corral, provider"


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of it. `missing` says of each peer that is not installed why; `others` is the share of the machine that other work took."""

    contestants: Sequence[Contestant]
    figures: Mapping[str, Figures]
    missing: Mapping[str, str]
    others: float
    cores: str


def paired(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """How many times theirs is ours, round by round; the middle of it."""
    return statistics.median(one / max(other, 1e-12) for other, one in zip(ours, theirs, strict=True))


def added(figures: Figures, direct: Figures, share: float) -> float:
    """Seconds to the first content above those of the upstream itself."""
    return percentile(figures.first, share) - percentile(direct.first, share)


def rows(told: Comparison) -> list[tuple[str, list[str]]]:
    """The lines of the table, a cell for each contestant."""
    direct = told.figures[DIRECT]

    def line(name: str, cell: Callable[[Contestant, Figures], str]) -> tuple[str, list[str]]:
        return name, [cell(one, told.figures[one.name]) for one in told.contestants]

    def program(what: Callable[[Program], str]) -> Callable[[Contestant, Figures], str]:
        # Two ways through one program: told once.
        return lambda one, _: "the same" if one.name == PROVIDER else what(one.program) if one.program else "–"

    def many(cell: Callable[[Figures], str]) -> Callable[[Contestant, Figures], str]:
        return lambda _, kept: "–" if kept.lost is None else cell(kept)

    return [
        line("processor time a request without streaming", lambda _, kept: f"{_middle(kept.whole_cpu) * 1e6:.0f} µs"),
        line("the same, times Corral's (own engine)", lambda _, kept: _times(told.figures[OWN].whole_cpu, kept.whole_cpu)),
        line(f"requests a second, {WHOLE_CONNECTIONS} at once", lambda _, kept: f"{_middle(kept.whole_rate):,.0f}"),
        line("its core in use meanwhile", lambda _, kept: f"{min(1.0, _middle(kept.whole_load)):.0%}"),
        line(f"processor time a relayed chunk, {FAST} fast streams", lambda _, kept: f"{_middle(kept.chunk_cpu) * 1e6:.0f} µs"),
        line(f"the same, {PACED} paced streams", lambda _, kept: _paced(kept)),
        line(f"events of {PACED} paced streams that came in time", lambda _, kept: f"{_middle(kept.delivered):.1%}"),
        line(f"added time to first content, {FIRST} streams, p50", lambda _, kept: _wait(added(kept, direct, 0.5))),
        line("the same, p99", lambda _, kept: _wait(added(kept, direct, 0.99))),
        line(f"{MANY:,} live streams: events that did not come", many(lambda kept: f"{kept.lost:,}")),
        line("the same: streams that were not whole", many(lambda kept: f"{kept.broken:,}")),
        line("the same: the slowest took, of its nominal time", many(lambda kept: f"{kept.slowest:.2f} times")),
        line("the same: resident memory at most", many(lambda kept: f"{kept.many_bytes / 1e6:.0f} MB")),
        line("resident memory after its first answer", program(lambda one: f"{one.idle_bytes / 1e6:.0f} MB")),
        line("start to first answer", program(lambda one: f"{one.start_seconds:.2f} s")),
        line("requests without a good answer", lambda _, kept: f"{kept.failed:,}"),
    ]  # fmt: skip


def _paced(kept: Figures) -> str:
    # What is cut off was paid for too, so an event says nothing then.
    return f"{_middle(kept.paced_cpu) * 1e6:.0f} µs" if _middle(kept.delivered) >= 0.9 else "overloaded"


def _wait(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if math.isfinite(seconds) else "none in time"


def _middle(values: Sequence[float]) -> float:
    return statistics.median(values)


def _times(ours: Sequence[float], theirs: Sequence[float]) -> str:
    times = paired(ours, theirs)
    return f"{times:.0f}" if times >= 10 else f"{times:.2f}"


def results(told: Comparison) -> list[Result]:
    """What has a limit, and the ratios."""
    found: list[Result] = []
    direct = told.figures[DIRECT]
    for name in (OWN, PROVIDER):
        kept = told.figures[name]
        found += [
            Result(f"{name}: processor time a request", _middle(kept.whole_cpu) * 1e6, "µs", 150, _spread(kept.whole_cpu)),
            Result(f"{name}: processor time a chunk, {FAST} fast streams", _middle(kept.chunk_cpu) * 1e6, "µs", 45, _spread(kept.chunk_cpu)),
            Result(f"{name}: processor time a chunk, {PACED} paced streams", _middle(kept.paced_cpu) * 1e6, "µs", 45, _spread(kept.paced_cpu)),
            Result(f"{name}: added time to first content, p50", added(kept, direct, 0.5) * 1e3, "ms"),
            Result(f"{name}: added time to first content, p99", added(kept, direct, 0.99) * 1e3, "ms", 10, f"{len(kept.first)} streams"),
        ]  # fmt: skip
        if "LiteLLM" in told.figures:
            times = paired(kept.whole_cpu, told.figures["LiteLLM"].whole_cpu)
            found.append(Result(f"{name}: LiteLLM's processor time a request", times, "times as much", least=50))
        if "nginx" in told.figures:
            share = 1 / paired(kept.delivered, told.figures["nginx"].delivered)
            found.append(Result(f"{name}: events of {PACED} streams in time", share, "of nginx's", least=0.97))
    kept = told.figures[OWN]
    found += [
        Result(f"events lost of {MANY} live streams at 10 a second", kept.lost or 0, "events", 0, f"{kept.broken} streams not whole"),
        Result(f"memory with {MANY} live streams", kept.many_bytes / 1e6, "MB", 150),
        Result("requests without a good answer", kept.failed + told.figures[PROVIDER].failed, "requests", 0),
        Result("other work meanwhile", told.others * 100, "% of the machine"),
    ]  # fmt: skip
    return found


def _spread(values: Sequence[float]) -> str:
    return f"rounds from {min(values) * 1e6:.0f} to {max(values) * 1e6:.0f}"


def printed(told: Comparison) -> str:
    """The table for a terminal."""
    table = rows(told)
    wide = max(len(name) for name, _ in table)
    columns = [max(len(one.name), *(len(cells[at]) for _, cells in table)) for at, one in enumerate(told.contestants)]
    head = " " * wide + "".join(
        f"  {one.name:>{column}}" for one, column in zip(told.contestants, columns, strict=True)
    )
    lines = [
        f"{name:{wide}}" + "".join(f"  {cell:>{column}}" for cell, column in zip(cells, columns, strict=True))
        for name, cells in table
    ]
    return "\n".join([head, *lines, *(f"{name}: {why}" for name, why in told.missing.items())])


def write(told: Comparison, page: Path = PAGE) -> None:
    """Writes what was measured into the page."""
    write_section(_section(told), page)


def write_section(text: str, page: Path) -> None:
    """Puts the section into the page, in place of the one before."""
    before, section = page.read_text(encoding="utf-8"), f"{BEGIN}\n{text}\n{END}"
    if BEGIN in before:
        after = re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: section, before, flags=re.DOTALL)
    else:
        after = f"{before.rstrip()}\n\n{section}\n"
    page.write_text(after, encoding="utf-8")


def _section(told: Comparison) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in _versions(told).items())
    names = [one.name for one in told.contestants]
    lines = [
        "## Beside others",
        "",
        f"{versions}; {_today()}, {_machine()}, {told.cores}.",
    ]
    asked = f"The load alone, with nothing between it and the upstream: {_middle(told.figures[DIRECT].whole_rate):,.0f} requests a second."
    lines += [f"{asked} Other work took {told.others:.0%} of the machine meanwhile.", ""]
    lines += [f"| | {' | '.join(names)} |", f"| --- |{' ---: |' * len(names)}"]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows(told)]
    lines += ["", "What must be reached:", "", "| what | figure | must be | |", "| --- | ---: | ---: | --- |"]
    for one in results(told):
        if one.limit is not None or one.least is not None:
            wanted = f"at most {one.limit:g}" if one.limit is not None else f"at least {one.least:g}"
            lines.append(
                f"| {one.name} | {one.value:.4g} {one.unit} | {wanted} | {'' if one.holds else '**not reached**'} |"
            )
    lines += ["", *(f"{name} is not in it ({why})." for name, why in told.missing.items()), *HOW]
    return "\n".join(lines).replace("\n\n\n", "\n\n")


HOW = (
    "Repeat it with `make bench ONLY=peers` (about 9 minutes; `.venv/bin/python -m bench --only peers --quick` 4, and writes nothing here). The first time it",
    "fetches the others into `.bench/`: nginx from Debian's package when there is none, the two from PyPI by locks with hashes (`requirements/bench-*.txt`,",
    "800 MB). A peer that cannot be had is said to be missing.",
    "",
    "- **The same for all.** All are in front of the same synthetic upstream and bound to one core; the upstream and the load are on the other. In each round",
    "  everybody has a turn, each time in another order. Ratios are the middle of the rounds' ratios. Processor time is that of all processes of a program, read",
    "  when it has nothing more to do, so what is written behind the answers counts. Every answer is checked.",
    "- **Corral** has routes of two candidates, limits of requests, tokens and concurrency, a budget with prices, usage, health checks and its log. *Own engine*",
    "  is the upstream attached as an engine, *provider* the same upstream as a provider elsewhere with a key; at most 256 requests go to one provider at once,",
    "  so it takes no part in the 1,000 streams. On loopback everybody is let in, a client's key is not looked at.",
    "- **nginx** compares a key, limits the rate, logs each request, and does not buffer. **vllm-router** is vLLM's router in Rust, with breakers and retries; it",
    "  asks clients for no key. **LiteLLM** has its master key, one worker and limits of its deployment, no database and no callbacks, which makes it cheaper",
    "  than most installations.",
    f"- **Streams.** {FAST} at 250 events a second, each to its end, for what an event costs. {PACED} at 40 a second; an event is in time {GRACE:g} s after its stream's last one",
    f"  is due. {FIRST} at 20 a second, which begin one after the other, for the first content. {MANY:,} at 10 a second, left alone for more than twice their time. Who",
    "  is overloaded has waits that only say so.",
    "- **Requests a second** of who did not have the core in use all the time are what the load could ask for, not what the program could answer.",
)


def _versions(told: Comparison) -> dict[str, str]:
    return {one.program.name: one.program.version for one in told.contestants if one.program is not None}


def _today() -> str:
    now = datetime.now(UTC)
    return f"{now.day} {now:%B %Y}"


def _machine() -> str:
    memory = round(psutil.virtual_memory().total / 2**30)
    return f"{os.cpu_count()} cores, {memory} GB of memory, {platform.system()}, Python {platform.python_version()}"
