"""A request on its way through its candidates, until one has begun to answer it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from corral.inference.attempts import judging
from corral.inference.attempts.opening import REST, Attempts
from corral.inference.budget import pause
from corral.inference.health import soonest
from corral.inference.routes.types import Candidate
from corral.inference.types import AttemptKind
from corral.kit.clock import Clock
from corral.kit.errors import CorralError, Unavailable

T = TypeVar("T")
MOMENT = 2.0
"""Seconds that are waited in the middle of an answer for a candidate to have rested, when nobody else goes on."""
EARLY = 0.005
"""Seconds that are waited longer than somebody rests: timers count in milliseconds, and may go off within the last one."""


class Candidates(msgspec.Struct):
    """Asks the candidates of a route in their order, and once more those that a moment may help."""

    attempts: Attempts
    order: Sequence[Candidate]
    chance: random.Random
    clock: Clock

    def without(self, candidate: Candidate) -> Candidates:
        """The others, in the same order."""
        others = [one for one in self.order if one != candidate]
        return Candidates(self.attempts, others, self.chance, self.clock)

    async def first(self, ask: Callable[[Candidate, AttemptKind], Awaitable[T]]) -> T:
        """What `ask` gives for the first candidate that it does not fail for. Raises the last failure, Unavailable when all rest."""
        attempts, order = self.attempts, self.order
        failures: dict[Candidate, CorralError] = {}
        unasked: set[Candidate] = set()
        number = 0
        while True:
            for candidate in order:
                before = attempts.left
                if before <= 0 or attempts.late or not self.may(candidate):
                    continue
                kind: AttemptKind = "first" if not failures else "retry" if candidate in failures else "failover"
                try:
                    return await ask(candidate, kind)
                except CorralError as error:
                    failures[candidate] = error
                    if attempts.left == before:
                        # Its provider is gone, or a limit keeps it from being asked: a moment later that is no better.
                        unasked.add(candidate)
                    if not judging.goes_on(error):
                        raise
            if not failures:
                raise self._resting() if order else Unavailable("There is no other candidate.")
            order = [one for one, error in failures.items() if one not in unasked and self._once_more(one, error)]
            order = order if attempts.left > 0 and await self._paused(number, order, failures) else []
            number += 1
            if not order:
                raise worst(list(failures.values()))

    def may(self, candidate: Candidate) -> bool:
        """Whether a candidate may be asked now."""
        # An own engine is watched over elsewhere; where nobody else can be asked it always is.
        return (len(self.order) == 1 and candidate.local) or self.attempts.wait(candidate) <= 0

    async def rested(self, order: Sequence[Candidate]) -> bool:
        """Waits for the first of `order` that rests for a moment only and may be asked again; False when there is none."""
        attempts = self.attempts
        wait = min((seconds for one in order if (seconds := attempts.wait(one)) > 0), default=None)
        left = attempts.seconds()
        if wait is None or wait > MOMENT or attempts.left <= 0 or (left is not None and wait >= left):
            return False
        await self.clock.sleep(wait + EARLY)
        return True

    def _once_more(self, candidate: Candidate, error: CorralError) -> bool:
        return isinstance(error, judging.Spilled) or (not candidate.local and judging.again(error))

    async def _paused(self, number: int, order: list[Candidate], failures: dict[Candidate, CorralError]) -> bool:
        """Waits before the same candidates are asked again; False when they are not to be."""
        if not order:
            return False
        waits = [_wanted(failures[one]) for one in order]
        seconds = pause(number, min((wait for wait in waits if wait is not None), default=None), self.chance)
        left = self.attempts.seconds()
        if seconds is None or (left is not None and seconds >= left):
            return False
        order[:] = [one for one in order if self.attempts.may_repeat(one)]
        if order:
            await self.clock.sleep(seconds + EARLY)
        return bool(order)

    def _resting(self) -> Unavailable:
        wait = soonest(self.attempts.wait(one) for one in self.order)
        names = ", ".join(one.name for one in self.order[:5])
        return Unavailable(f"All candidates rest after failures: {names}. Try again in {wait:.0f} s.", retry_after=wait)


def _wanted(error: CorralError) -> float | None:
    """Seconds that a candidate wants to be left alone for, after a failure."""
    if error.retry_after is None and judging.is_busy(error) and not isinstance(error, judging.Spilled):
        return REST
    return error.retry_after


def worst(failures: Sequence[CorralError]) -> CorralError:
    """The failure to tell when all have failed: of those that say when to try again the soonest, else the last one."""
    if all(error.retry_after is not None for error in failures):
        return min(failures, key=lambda error: error.retry_after or 0.0)
    return failures[-1]
