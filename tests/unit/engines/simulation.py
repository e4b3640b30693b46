"""A machine in fake time that does what the scheduler orders: requests come, engines load, answer, drain and end."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from corral.engines.residency import Memory, Place, Rules, Stage, exclude
from corral.engines.scheduling import decide


@dataclass
class Model:
    """`need` of memory, seconds to load and to end, slots, and seconds for one answer."""

    need: int = 1
    load: float = 0.2
    end: float = 0.02
    slots: int = 4
    answer: float = 0.05
    pinned: bool = False
    group: str | None = None


@dataclass
class Engine:
    """An engine of the simulated machine."""

    name: str
    model: Model
    stage: Stage
    since: float
    waiting: deque[tuple[float, Callable[[float], None]]] = field(default_factory=deque)
    running: int = 0
    closed: bool = False
    last_used: float = 0.0
    load_seconds: float = 0.0
    loading_since: float = 0.0


class World:
    """`ask` for a model; `run` lets time pass. Keeps the waits of all requests and the moments of all starts."""

    def __init__(self, models: dict[str, Model], limit: int, rules: Rules) -> None:
        self.models, self.memory, self.rules = models, Memory(limit), rules
        self.now = 0.0
        self.engines: dict[str, Engine] = {}
        self.waits: list[tuple[str, float]] = []
        self.starts: list[tuple[float, str]] = []
        self.refused = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._look = math.inf

    def at(self, moment: float, work: Callable[[], None]) -> None:
        """Does `work` then."""
        heapq.heappush(self._events, (moment, next(self._number), work))

    def ask(self, name: str, answered: Callable[[float], None] = lambda wait: None) -> None:
        """A request now; `answered` is called at its end with the seconds that it waited."""
        engine = self.engines.get(name)
        if engine is None:
            engine = self.engines[name] = Engine(name, self.models[name], Stage.WAITING, self.now)
        engine.waiting.append((self.now, answered))
        self._serve(engine)

    def run(self, until: float = math.inf, limit: int = 400_000) -> None:
        """Until nothing happens any more, or that moment. Raises AssertionError when it never gets quiet."""
        for _ in range(limit):
            self._obey()
            moment = min(self._events[0][0] if self._events else math.inf, self._look)
            if moment > until or math.isinf(moment):
                return
            self.now = max(self.now, moment)
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
        raise AssertionError("it never got quiet")

    def _obey(self) -> None:
        orders = decide(self.now, [self._picture(one) for one in self.engines.values()], self.memory, self.rules)
        self._look = orders.look_again
        assert self._look > self.now, "it wants to look again at once"
        for key in orders.grant:
            self._load(self.engines[key])
        for key in orders.refuse:
            self.refused += len(self.engines.pop(key).waiting)
        for key in orders.withdraw:
            del self.engines[key]
        for key in orders.close:
            assert not self.engines[key].closed
            self.engines[key].closed = True
        for key in orders.reopen:
            self.engines[key].closed = False
            self._serve(self.engines[key])
        for key in orders.leave:
            self._end(self.engines[key])
        self._check()

    def _check(self) -> None:
        there = [one for one in self.engines.values() if one.stage is not Stage.WAITING]
        assert sum(one.model.need for one in there) <= self.memory.limit
        pictures = [self._picture(one) for one in there]
        assert not any(exclude(one, other) for one, other in itertools.combinations(pictures, 2))

    def _picture(self, engine: Engine) -> Place:
        return Place(
            engine.name, engine.name, engine.model.need, engine.stage, engine.since, waiting=len(engine.waiting),
            running=engine.running, closed=engine.closed, pinned=engine.model.pinned, group=engine.model.group,
            last_used=engine.last_used, load_seconds=engine.load_seconds,
        )  # fmt: skip

    def _load(self, engine: Engine) -> None:
        engine.stage, engine.loading_since = Stage.COMING, self.now
        self.starts.append((self.now, engine.name))

        def ready() -> None:
            engine.stage, engine.since, engine.last_used = Stage.TAKEN, self.now, self.now
            engine.load_seconds = self.now - engine.loading_since
            self._serve(engine)

        self.at(self.now + engine.model.load, ready)

    def _serve(self, engine: Engine) -> None:
        while (
            engine.waiting and engine.stage is Stage.TAKEN and not engine.closed and engine.running < engine.model.slots
        ):
            came, answered = engine.waiting.popleft()
            wait = self.now - came
            self.waits.append((engine.name, wait))
            engine.running += 1

            def done(answered: Callable[[float], None] = answered, wait: float = wait) -> None:
                engine.running -= 1
                engine.last_used = self.now
                answered(wait)
                self._serve(engine)

            self.at(self.now + engine.model.answer, done)

    def _end(self, engine: Engine) -> None:
        assert engine.closed
        assert not engine.running
        engine.stage = Stage.LEAVING

        def gone() -> None:
            engine.stage, engine.closed, engine.since = Stage.WAITING, False, self.now
            if not engine.waiting:
                del self.engines[engine.name]

        self.at(self.now + engine.model.end, gone)
