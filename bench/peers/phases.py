"""What is measured, one phase a kind of work; in each round every contestant has its turn, in another order each time.

Processor time is read when a program has nothing more to do, so that what it does behind its answers (usage, logs) counts too.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import uvloop

from bench.peers.clients import Answer, Streams, asked, request, whole
from bench.peers.programs import Program

WHOLE_CONNECTIONS = 16
FAST, FAST_CHUNKS, FAST_INTERVAL = 16, 200, 0.004
PACED, PACED_INTERVAL = 256, 0.025
FIRST, FIRST_INTERVAL = 64, 0.05
MANY, MANY_INTERVAL = 1000, 0.1
GRACE = 0.25
"""Seconds after its due time in which an event still counts as delivered."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A way through a program: its name and the model to ask it for. `program` is None for the upstream itself."""

    name: str
    port: int
    model: str
    program: Program | None


@dataclass(slots=True)
class Figures:
    """What was measured of a contestant, one entry a round."""

    whole_cpu: list[float] = field(default_factory=list)
    """Seconds of processor time a request without streaming."""
    whole_rate: list[float] = field(default_factory=list)
    whole_load: list[float] = field(default_factory=list)
    """Share of its core that was in use."""
    chunk_cpu: list[float] = field(default_factory=list)
    """Seconds of processor time an event of a fast stream."""
    paced_cpu: list[float] = field(default_factory=list)
    delivered: list[float] = field(default_factory=list)
    """Share of the paced events that came in time."""
    first: list[float] = field(default_factory=list)
    """Seconds to the first content, of every stream; infinite where none came in time."""
    lost: int | None = None
    """Of many live streams: events that never came."""
    broken: int = 0
    """Of many live streams: those that were not whole."""
    slowest: float = 0.0
    """Of many live streams: the longest, in times of what it should take."""
    many_bytes: int = 0
    """Resident bytes under many live streams, at most."""
    failed: int = 0
    """Requests without a good answer."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Rounds, and seconds of one turn in them."""

    whole: tuple[int, float]
    fast: tuple[int, float]
    paced: tuple[int, float]
    first: tuple[int, float]
    many: float


FULL = Plan((5, 2.0), (3, 2.0), (3, 4.0), (3, 4.0), 15.0)
QUICK = Plan((2, 1.0), (1, 1.0), (1, 3.0), (1, 3.0), 6.0)


def in_turn(contestants: Sequence[Contestant], rounds: int) -> Iterator[Contestant]:
    """Every contestant in every round, each time another one first, every second time the other way round."""
    for number in range(rounds):
        start = number % len(contestants)
        order = [*contestants[start:], *contestants[:start]]
        yield from order if number % 2 == 0 else reversed(order)


@contextlib.contextmanager
def cpu_of(contestant: Contestant) -> Iterator[Callable[[], float]]:
    """Gives a function that tells the processor time from now until the program has nothing more to do."""
    program = contestant.program
    if program is None:
        yield lambda: 0.0
        return
    program.settle(least=0.3)
    before = program.cpu_seconds()

    def used() -> float:
        program.settle()
        return program.cpu_seconds() - before

    yield used


def warm(contestants: Sequence[Contestant], seconds: float) -> None:
    """Every program has its connections open and its code paths walked."""
    for contestant in contestants:
        data = request(contestant.port, asked(contestant.model, stream=False))
        uvloop.run(whole(contestant.port, data, WHOLE_CONNECTIONS, seconds))
        uvloop.run(_paced(contestant, 32, 0.02, 0.5))
        if contestant.program is not None:
            contestant.program.settle()


def whole_answers(contestants: Sequence[Contestant], plan: Plan, figures: dict[str, Figures]) -> None:
    """Requests without streaming, as many as a contestant answers."""
    rounds, seconds = plan.whole
    for contestant in in_turn(contestants, rounds):
        data = request(contestant.port, asked(contestant.model, stream=False))
        kept = figures[contestant.name]
        with cpu_of(contestant) as used:
            told = uvloop.run(whole(contestant.port, data, WHOLE_CONNECTIONS, seconds))
            spent = used()
        kept.whole_cpu.append(spent / max(1, told.done))
        kept.whole_rate.append(told.done / told.seconds)
        kept.whole_load.append(spent / told.seconds)
        kept.failed += told.failed


def fast_streams(contestants: Sequence[Contestant], plan: Plan, figures: dict[str, Figures]) -> None:
    """A few streams faster than most models, each to its end: what an event costs."""
    rounds, seconds = plan.fast
    for contestant in in_turn(contestants, rounds):
        kept = figures[contestant.name]
        with cpu_of(contestant) as used:
            answers = uvloop.run(_fast(contestant, seconds))
            spent = used()
        kept.chunk_cpu.append(spent / max(1, sum(len(answer.numbers()) for answer in answers)))
        kept.failed += sum(not answer.whole(FAST_CHUNKS) for answer in answers)


async def _fast(contestant: Contestant, seconds: float) -> list[Answer]:
    loop, streams, answers = asyncio.get_running_loop(), Streams(contestant.port), list[Answer]()
    data = request(contestant.port, asked(contestant.model, stream=True, chunks=FAST_CHUNKS, interval=FAST_INTERVAL))
    began = loop.time()

    async def worker() -> None:
        while loop.time() < began + seconds:
            answers.append(await streams.one(data, began + seconds + 60))

    await asyncio.gather(*(worker() for _ in range(FAST)))
    streams.close()
    return answers


def paced_streams(contestants: Sequence[Contestant], plan: Plan, figures: dict[str, Figures]) -> None:
    """Streams whose events come at a fixed pace: how many of them come in time, and what an event costs."""
    rounds, seconds = plan.paced
    for contestant in in_turn(contestants, rounds):
        kept = figures[contestant.name]
        with cpu_of(contestant) as used:
            answers = uvloop.run(_paced(contestant, PACED, PACED_INTERVAL, seconds))
            spent = used()
        events = sum(len(answer.numbers()) for answer in answers)
        kept.paced_cpu.append(spent / max(1, events))
        kept.delivered.append(events / (PACED * round(seconds / PACED_INTERVAL)))


async def _paced(contestant: Contestant, count: int, interval: float, seconds: float) -> list[Answer]:
    """`count` streams that begin over a second; each is left `GRACE` after its last event is due."""
    loop, streams = asyncio.get_running_loop(), Streams(contestant.port)
    data = request(
        contestant.port, asked(contestant.model, stream=True, chunks=round(seconds / interval), interval=interval)
    )
    began = loop.time()

    async def one(number: int) -> Answer:
        start = began + number / count
        await asyncio.sleep(start - loop.time())
        return await streams.one(data, start + seconds + GRACE)

    answers = await asyncio.gather(*(one(number) for number in range(count)))
    streams.close()
    return list(answers)


def first_content(contestants: Sequence[Contestant], plan: Plan, figures: dict[str, Figures]) -> None:
    """The time to the first content while `FIRST` streams are under way; the upstream itself takes part."""
    rounds, seconds = plan.first
    for contestant in in_turn(contestants, rounds):
        kept = figures[contestant.name]
        for answer in uvloop.run(_first(contestant, seconds)):
            # What never came took longest.
            kept.first.append(answer.first - answer.began if answer.first else math.inf)
            kept.failed += not answer.first
        if contestant.program is not None:
            contestant.program.settle(least=0.5)


async def _first(contestant: Contestant, seconds: float) -> list[Answer]:
    loop, streams = asyncio.get_running_loop(), Streams(contestant.port)
    # Of different lengths, so that they do not all begin in the same moment, as people do not.
    lengths = itertools.cycle(range(12, 29))
    requests = {
        length: request(contestant.port, asked(contestant.model, stream=True, chunks=length, interval=FIRST_INTERVAL))
        for length in range(12, 29)
    }
    began, answers = loop.time(), list[Answer]()

    async def worker(number: int) -> None:
        await asyncio.sleep(number / FIRST)
        while loop.time() < began + seconds:
            answers.append(await streams.one(requests[next(lengths)], began + seconds + 10))

    await asyncio.gather(*(worker(number) for number in range(FIRST)))
    streams.close()
    return answers


def many_streams(contestants: Sequence[Contestant], plan: Plan, figures: dict[str, Figures]) -> None:
    """`MANY` live streams: what is lost of them, and what memory they take."""
    for contestant in contestants:
        kept, program = figures[contestant.name], contestant.program
        assert program is not None
        answers = uvloop.run(_many(contestant, program, plan.many, kept))
        events = round(plan.many / MANY_INTERVAL)
        kept.lost = MANY * events - sum(len(set(answer.numbers())) for answer in answers)
        kept.broken = sum(not answer.whole(events) for answer in answers)
        took = max((answer.ended - answer.began for answer in answers if answer.ended), default=0.0)
        kept.slowest = took / plan.many
        program.settle()


async def _many(contestant: Contestant, program: Program, seconds: float, kept: Figures) -> list[Answer]:
    loop, streams = asyncio.get_running_loop(), Streams(contestant.port)
    events = round(seconds / MANY_INTERVAL)
    data = request(contestant.port, asked(contestant.model, stream=True, chunks=events, interval=MANY_INTERVAL))
    began = loop.time()

    async def one(number: int) -> Answer:
        await asyncio.sleep(began + 2 * number / MANY - loop.time())
        # Late is not lost: more than twice the time that it takes.
        return await streams.one(data, began + 2 * seconds + 20)

    async def watch() -> None:
        while True:
            kept.many_bytes = max(kept.many_bytes, program.resident())
            await asyncio.sleep(0.5)

    watching = asyncio.create_task(watch())
    answers = await asyncio.gather(*(one(number) for number in range(MANY)))
    watching.cancel()
    streams.close()
    return list(answers)
