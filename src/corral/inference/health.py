"""How candidates and providers are doing: breakers, times to first content, retry budgets, resting keys. In memory, of this server alone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, TypeVar

from corral.inference.breaker import Breaker
from corral.inference.budget import RetryBudget
from corral.inference.keys import KeyRing
from corral.inference.routes.types import Candidate
from corral.providers.types import Provider

K = TypeVar("K")
V = TypeVar("V")
KEPT = 1024
"""Candidates and providers that are remembered; names of models come from clients, so there may be any number."""
SMOOTHING = 0.2


class Condition:
    """One candidate's: its breaker, and the time to its first content in seconds, smoothed; None before the first."""

    __slots__ = ("asked", "breaker", "failed", "latency")

    def __init__(self) -> None:
        self.breaker = Breaker()
        self.latency: float | None = None
        self.asked = 0
        self.failed = 0

    def took(self, seconds: float) -> None:
        """The first content came after so long."""
        known = self.latency
        self.latency = seconds if known is None else known + SMOOTHING * (seconds - known)


class Standing:
    """One provider's: its keys and how often it may be asked again."""

    __slots__ = ("budget", "keys")

    def __init__(self) -> None:
        self.budget = RetryBudget()
        self.keys = KeyRing()


class Health:
    """All of them."""

    def __init__(self) -> None:
        self._candidates: OrderedDict[tuple[str, str], Condition] = OrderedDict()
        self._providers: OrderedDict[str, Standing] = OrderedDict()

    def of(self, candidate: Candidate) -> Condition:
        """The condition of a candidate, made when it is new."""
        key = candidate.provider, candidate.model
        found = self._candidates.get(key)
        if found is None:
            return _new(self._candidates, key, Condition())
        self._candidates.move_to_end(key)
        return found

    def standing(self, provider: str) -> Standing:
        """The standing of a provider, made when it is new."""
        found = self._providers.get(provider)
        if found is None:
            return _new(self._providers, provider, Standing())
        self._providers.move_to_end(provider)
        return found

    def forget(self, provider: str) -> None:
        """The provider was changed: what was learned of it counts no more."""
        self._providers.pop(provider, None)
        for key in [key for key in self._candidates if key[0] == provider]:
            del self._candidates[key]

    def told(self, candidate: Candidate, provider: Provider | None, now: float) -> dict[str, Any]:
        """What a page shows of a candidate. Seconds, None where nothing is known."""
        condition = self._candidates.get((candidate.provider, candidate.model)) or Condition()
        keys = provider.keys if provider is not None else ()
        resting = self.standing(candidate.provider).keys.resting(keys, now) if keys else {}
        return {
            "provider": candidate.provider,
            "model": candidate.model,
            "breaker": condition.breaker.state,
            "retryIn": round(condition.breaker.wait(now), 1),
            "firstContent": condition.latency,
            "asked": condition.asked,
            "failed": condition.failed,
            "restingKeys": [{"label": label, "seconds": round(left, 1)} for label, left in resting.items()],
        }


def soonest(waits: Iterable[float]) -> float:
    """Seconds until the first of several may be asked, at least 1, as a `Retry-After`."""
    return max(1.0, min(waits, default=1.0))


def _new(known: OrderedDict[K, V], key: K, made: V) -> V:
    known[key] = made
    if len(known) > KEPT:
        known.popitem(last=False)
    return made
