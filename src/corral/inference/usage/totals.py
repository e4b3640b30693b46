"""What was used since the start, by provider and model, for `/metrics`."""

from __future__ import annotations

from dataclasses import dataclass

from corral.inference.money import NANOS, nanos_of
from corral.inference.routes.types import LOCAL
from corral.inference.types import Attempt, Record

MOST = 500
"""Pairs of provider and model that are told apart; all beyond are `other`."""
_OTHER = ("other", "other")


@dataclass(slots=True)
class ModelTotals:
    """Of one model of one provider. Requests count where they were answered, attempts, tokens and money where they were made."""

    requests: int = 0
    failed: int = 0
    cancelled: int = 0
    attempts: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost: int = 0

    @property
    def dollars(self) -> float:
        """The cost in dollars."""
        return self.cost / NANOS


class Totals:
    """Counts records."""

    def __init__(self) -> None:
        self.models: dict[tuple[str, str], ModelTotals] = {}
        self.caches: dict[str, int] = {}
        """Requests by what a cache had to do with them."""

    def add(self, record: Record, by: Attempt | None) -> None:
        """Counts a request that was answered by `by`."""
        if record.cache:
            self.caches[record.cache] = self.caches.get(record.cache, 0) + 1
        for attempt in record.attempts:
            totals = self.models.get((attempt.provider, attempt.model)) or self._new(attempt.provider, attempt.model)
            if attempt is by:
                totals.requests += 1
                if record.outcome != "completed":
                    totals.failed += record.outcome == "failed"
                    totals.cancelled += record.outcome == "cancelled"
            totals.attempts += 1
            if attempt.outcome == "failed":
                totals.failures += 1
            usage = attempt.usage
            if usage is not None:
                totals.cost += nanos_of(attempt) or 0
                totals.prompt_tokens += usage.prompt_tokens
                totals.completion_tokens += usage.completion_tokens
                totals.cached_tokens += usage.cached_tokens

    def told(self) -> dict[str, dict[str, int]]:
        """What was answered by each model, by its name: own ones by the bare name, others as `provider/model`."""
        return {
            model if provider == LOCAL else f"{provider}/{model}": {
                "requests": one.requests,
                "failures": one.failed,
                "promptTokens": one.prompt_tokens,
                "completionTokens": one.completion_tokens,
            }
            for (provider, model), one in self.models.items()
            if one.requests
        }

    def _new(self, provider: str, model: str) -> ModelTotals:
        key = (provider, model) if len(self.models) < MOST else _OTHER
        return self.models.setdefault(key, ModelTotals())
